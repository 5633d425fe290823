"""`/merge-requests` and `/mr/{KEY}`: branches and forks offered for inclusion."""

import asyncio
from collections.abc import Mapping
from typing import Final

import grpc
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.catalog.v1 import proposal_pb2
from ackrep.scheduler.v1 import check_pb2, comparison_pb2, scheduler_pb2
from gateway import failures
from gateway.access.viewers import viewer_of
from gateway.context import context_of
from gateway.forms import read_form
from gateway.pages import comparisons, discretion, latest
from gateway.pages.differing import drawn
from gateway.pages.members import entities_named
from gateway.pages.rendering import page, see_other
from gateway.pages.words import Word
from gateway.upstream import Upstream
from services.errors import Error
from services.rpc import remote_errors

_TIMEOUT = latest.TIMEOUT
_FETCH_TIMEOUT = 300.0
_PATIENCE = 30.0
_LISTED = 50
_RUNS = 100
"""Newest runs of its revision among which its own is looked for."""
_STANDING: Final = "runs/-"
_S = proposal_pb2.Proposal.State
STATES: Mapping[int, Word] = {
    _S.STATE_OPEN: Word("running", "open", "Neither merged nor closed."),
    _S.STATE_MERGED: Word("success", "merged", "The data repository has all of it."),
    _S.STATE_CLOSED: Word("cancelled", "closed", "It is not to be merged."),
}
KINDS: Mapping[int, Word] = {
    proposal_pb2.DIFF_KIND_ADDED: Word("added", "added", "It is new."),
    proposal_pb2.DIFF_KIND_MODIFIED: Word("modified", "changed", "It has another content."),
    proposal_pb2.DIFF_KIND_REMOVED: Word("removed", "removed", "It is gone."),
}
_FIELDS = ("url", "branch", "title", "description")


async def proposals(request: Request) -> Response:
    """The proposals, newest first, and a form for another one."""
    return await _listed(request)


async def _listed(
    request: Request, *, asked: Mapping[str, str] | None = None, status: int = 200, error: str = ""
) -> Response:
    upstream = context_of(request).upstream
    wanted = request.query_params.get("state", "")
    state = next((value for value, word in STATES.items() if word.label == wanted), 0)
    token = request.query_params.get("page", "")
    with remote_errors():
        found = await upstream.proposals.ListProposals(
            proposal_pb2.ListProposalsRequest(
                page_size=_LISTED, page_token=token, state=_S.ValueType(state)
            ),
            timeout=_TIMEOUT,
        )
    return page(
        request,
        "proposals.html",
        status=status,
        data={"proposals": found.proposals, "nextPageToken": found.next_page_token}
        | ({"error": error} if error else {}),
        proposals=found.proposals,
        next_page=found.next_page_token,
        state=wanted if state else "",
        STATES=STATES,
        asked={field: (asked or {}).get(field, "") for field in _FIELDS},
        error=error,
    )


async def create(request: Request) -> Response:
    """Proposes a branch (a form's target); where that fails, the form comes back and says why."""
    form = await read_form(request)
    wanted = proposal_pb2.Proposal(
        url=form.get("url", ""),
        branch=form.get("branch", ""),
        title=form.get("title", ""),
        description=form.get("description", "").replace("\r\n", "\n"),
    )
    try:
        with remote_errors():
            made = await context_of(request).upstream.proposals.CreateProposal(
                proposal_pb2.CreateProposalRequest(proposal=wanted), timeout=_FETCH_TIMEOUT
            )
    except (Error, grpc.aio.AioRpcError) as failure:
        status, body = failures.describe(failure)
        message = str(body["error"]["message"])
        return await _listed(request, asked=form, status=status, error=message)
    return see_other(_address(made.name))


async def proposal(request: Request) -> Response:
    """One proposal: where it stands, what it changes, and how its checks went beside main."""
    upstream = context_of(request).upstream
    name = _name(request)
    with remote_errors():
        found = await upstream.proposals.GetProposal(
            proposal_pb2.GetProposalRequest(name=name), timeout=_TIMEOUT
        )
        diff, run = await asyncio.gather(
            upstream.proposals.GetProposalDiff(
                proposal_pb2.GetProposalDiffRequest(name=name), timeout=_PATIENCE
            ),
            _run_of(upstream, found),
        )
        comparison = await _comparison(request, upstream, run)
        names = [change.entity for change in comparison.changes] if comparison else []
        known = await entities_named(upstream, names, revision=found.revision)
    return page(
        request,
        "proposal.html",
        data={"proposal": found, "diff": diff}
        | ({"run": run} if run else {})
        | ({"comparison": comparison} if comparison else {}),
        proposal=found,
        state=STATES.get(found.state, STATES[_S.STATE_OPEN]),
        is_open=found.state == _S.STATE_OPEN,
        diff=diff,
        entities=[(one, [drawn(file) for file in one.files]) for one in diff.entities],
        files=[drawn(file) for file in diff.files],
        run=run,
        running=run is not None and run.finished_count < run.check_count,
        sections=comparisons.sections(comparison) if comparison else (),
        titles={entity: one.title for entity, one in known.items()},
        KINDS=KINDS,
    )


async def _run_of(upstream: Upstream, found: proposal_pb2.Proposal) -> check_pb2.Run | None:
    """The newest run of its present state; once merged, others may be of that revision too."""
    answer = await upstream.scheduler.ListRuns(
        scheduler_pb2.ListRunsRequest(page_size=_RUNS, revision=found.revision), timeout=_TIMEOUT
    )
    return next((run for run in answer.runs if run.title.startswith(f"{found.name}:")), None)


async def _comparison(
    request: Request, upstream: Upstream, run: check_pb2.Run | None
) -> comparison_pb2.RunComparison | None:
    if run is None:
        return None
    found = await upstream.comparisons.CompareRuns(
        comparison_pb2.CompareRunsRequest(base=_STANDING, other=run.name), timeout=_PATIENCE
    )
    return discretion.shown(viewer_of(request), found)


async def refresh(request: Request) -> Response:
    """Reads the branch again (a form's target)."""
    with remote_errors():
        await context_of(request).upstream.proposals.RefreshProposal(
            proposal_pb2.RefreshProposalRequest(name=_name(request)), timeout=_FETCH_TIMEOUT
        )
    return see_other(_address(_name(request)))


async def close(request: Request) -> Response:
    """Closes it (a form's target)."""
    with remote_errors():
        await context_of(request).upstream.proposals.CloseProposal(
            proposal_pb2.CloseProposalRequest(name=_name(request)), timeout=_FETCH_TIMEOUT
        )
    return see_other(_address(_name(request)))


async def check(request: Request) -> Response:
    """Starts the checks of what it affects (a form's target)."""
    upstream = context_of(request).upstream
    name = _name(request)
    with remote_errors():
        found = await upstream.proposals.GetProposal(
            proposal_pb2.GetProposalRequest(name=name), timeout=_TIMEOUT
        )
        ask = scheduler_pb2.CreateRunRequest(
            title=f"{name}: {found.title}",
            revision=found.revision,
            affected_since=found.base_revision,
            requester=name,
        )
        await upstream.scheduler.CreateRun(ask, timeout=_FETCH_TIMEOUT)
    return see_other(f"{_address(name)}#checks")


def _name(request: Request) -> str:
    return f"proposals/{request.path_params['key']}"


def _address(name: str) -> str:
    return f"/mr/{name.removeprefix('proposals/')}"


ROUTES = [
    Route("/merge-requests", proposals, methods=["GET"]),
    Route("/merge-requests", create, methods=["POST"]),
    Route("/mr/{key}", proposal, methods=["GET"]),
    Route("/mr/{key}/refresh", refresh, methods=["POST"]),
    Route("/mr/{key}/check", check, methods=["POST"]),
    Route("/mr/{key}/close", close, methods=["POST"]),
]
