"""`/runs` and `/runs/{id}`: checks of many entities at once; and reading the repository again."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2, history_pb2, scheduler_pb2
from gateway.access.viewers import viewer_of
from gateway.context import context_of
from gateway.failures import HttpError
from gateway.forms import read_form
from gateway.pages import discretion, latest, words
from gateway.pages.members import entities_named
from gateway.pages.rendering import page, see_other
from gateway.upstream import Upstream
from services.rpc import remote_errors

_TIMEOUT = latest.TIMEOUT
_START_TIMEOUT = 30.0
_LISTED = 50
"""Runs of one page of the list."""
_CHECKS = 500
"""Checks of one page of a run."""
_SLOWEST = 5
_OTHERS = 500
"""Newest runs among which those that one may be compared with are looked for."""
_BEFORE, _AFTER = 30, 10


async def run_list(request: Request) -> Response:
    """All runs, newest first."""
    answer = await _runs(
        context_of(request).upstream, size=_LISTED, token=request.query_params.get("page", "")
    )
    return page(
        request,
        "runs.html",
        data={"runs": answer.runs, "nextPage": answer.next_page_token},
        runs=[(run, latest.shares(_counts(run))) for run in answer.runs],
        next_page=answer.next_page_token,
    )


async def _runs(
    upstream: Upstream, *, size: int, token: str = ""
) -> scheduler_pb2.ListRunsResponse:
    with remote_errors():
        return await upstream.scheduler.ListRuns(
            scheduler_pb2.ListRunsRequest(page_size=size, page_token=token), timeout=_TIMEOUT
        )


def _counts(run: check_pb2.Run) -> Counter[words.Word]:
    """Counts a run's checks by verdict; what has none yet waits, or runs."""
    counts = Counter({words.verdict_word(one.verdict): one.count for one in run.verdicts})
    counts[words.STATES[check_pb2.Check.STATE_QUEUED]] = run.check_count - run.finished_count
    return counts


async def create_run(request: Request) -> Response:
    """Starts a check of every checkable entity, or of those named (a form's target)."""
    form = await read_form(request)
    ask = scheduler_pb2.CreateRunRequest(
        title=form.get("title", "") or "everything",
        entities=[f"entities/{key}" for key in form.get("entities", "").split()],
        force=form.get("force") == "1",
        request_id=form.get("request_id") or secrets.token_hex(16),
        requester=viewer_of(request).name,
    )
    with remote_errors():
        made = await context_of(request).upstream.scheduler.CreateRun(ask, timeout=_START_TIMEOUT)
    return see_other(f"/{made.name}")


async def run(request: Request) -> Response:
    """One run: how far it is, its causes of failure, and the verdict of each of its checks."""
    upstream = context_of(request).upstream
    viewer = viewer_of(request)
    name = f"runs/{request.path_params['id']}"
    verdict = next(
        (
            word.slug
            for word in words.VERDICTS.values()
            if word.slug == request.query_params.get("verdict")
        ),
        "",
    )
    with remote_errors():
        found, listed, groups, others = await asyncio.gather(
            upstream.scheduler.GetRun(scheduler_pb2.GetRunRequest(name=name), timeout=_TIMEOUT),
            _checks_of_run(upstream, name, verdict, request.query_params.get("page", "")),
            upstream.history.ListFailureGroups(
                history_pb2.ListFailureGroupsRequest(run=name), timeout=_TIMEOUT
            ),
            _runs(upstream, size=_OTHERS),
        )
        known = await entities_named(upstream, (check.entity for check in listed.checks))
    checks = [discretion.shown(viewer, check) for check in listed.checks]
    checks.sort(key=lambda check: _rank(check, known))
    complete = not verdict and len(checks) == found.check_count
    counts = Counter(map(words.check_word, checks)) if complete else _counts(found)
    shown = discretion.groups(viewer, groups.groups)
    return page(
        request,
        "run.html",
        data={
            "run": found,
            "checks": checks,
            "failureGroups": shown,
            "nextPage": listed.next_page_token,
        },
        run=found,
        checks=checks,
        next_page=listed.next_page_token,
        entities=known,
        shares=latest.shares(counts),
        verdict=verdict,
        groups=shown,
        failure_count=groups.failure_count,
        slowest=_slowest(checks) if complete else [],
        others=comparable(others.runs, name),
        previous=previous(others.runs, name),
        active=found.finished_count < found.check_count,
    )


async def _checks_of_run(
    upstream: Upstream, name: str, verdict: str, token: str
) -> scheduler_pb2.ListChecksResponse:
    condition = f" AND verdict = {verdict.replace('-', '_')}" if verdict else ""
    return await upstream.scheduler.ListChecks(
        scheduler_pb2.ListChecksRequest(
            page_size=_CHECKS, page_token=token, filter=f"run = {name}{condition}"
        ),
        timeout=_TIMEOUT,
    )


def comparable(runs: Sequence[check_pb2.Run], name: str) -> Sequence[check_pb2.Run]:
    """Chooses the runs around one, newest first, that it may be compared with."""
    place = next((number for number, run in enumerate(runs) if run.name == name), 0)
    near = runs[max(0, place - _AFTER) : place + _BEFORE + 1]
    return [run for run in near if run.name != name]


def previous(runs: Sequence[check_pb2.Run], name: str) -> str:
    """Names the run before one, which a comparison most likely is with; empty if there is none."""
    names = [run.name for run in runs]
    place = names.index(name) if name in names else len(names)
    return next(iter(names[place + 1 :]), "")


def _slowest(checks: Sequence[check_pb2.Check]) -> list[tuple[check_pb2.Check, float]]:
    """Those whose own code ran longest, with the seconds; of a run of one there is none."""
    timed = [(check, check.result.usage.wall_seconds) for check in checks]
    timed = sorted((one for one in timed if one[1] > 0), key=lambda one: -one[1])
    return timed[:_SLOWEST] if len(timed) > 1 else []


def _rank(check: check_pb2.Check, known: Mapping[str, catalog_pb2.Entity]) -> tuple[list[int], str]:
    """Orders a run's table by type and title, so that rows stay where they are while it runs."""
    entity = known.get(check.entity)
    order = list(words.TYPES)
    kind = order.index(entity.type) if entity and entity.type in order else len(order)
    return [kind], (entity.title if entity else check.entity).casefold()


async def cancel_run(request: Request) -> Response:
    """Stops what a run still waits for (a form's target)."""
    name = f"runs/{request.path_params['id']}"
    with remote_errors():
        await context_of(request).upstream.scheduler.CancelRun(
            scheduler_pb2.CancelRunRequest(name=name), timeout=_TIMEOUT
        )
    return see_other(f"/{name}")


async def export_run(request: Request) -> Response:
    """A finished run in the results format of 2022, as a file to keep."""
    name = f"runs/{request.path_params['id']}"
    if not viewer_of(request).sees_errors:
        raise HttpError(
            403,
            "the file holds what failed checks said, which is not shown here",
            code="PERMISSION_DENIED",
            reason="LOG_HIDDEN",
        )
    with remote_errors():
        answer: Any = await context_of(request).upstream.history.ExportRun(
            history_pb2.ExportRunRequest(name=name), timeout=_START_TIMEOUT
        )
    return Response(
        answer.content,
        media_type="application/yaml",
        headers={
            "content-disposition": f'attachment; filename="{_file_name(answer.file_name)}"',
            "cache-control": "no-store",
        },
    )


def _file_name(name: str) -> str:
    return "".join(one for one in name if one.isascii() and (one.isalnum() or one in "._-"))


async def sync(request: Request) -> Response:
    """Reads the data repository again (a form's target)."""
    with remote_errors():
        await context_of(request).upstream.catalog.SyncRevision(
            catalog_pb2.SyncRevisionRequest(), timeout=_START_TIMEOUT
        )
    return see_other("/")


ROUTES = [
    Route("/runs", run_list, methods=["GET"]),
    Route("/runs", create_run, methods=["POST"]),
    Route("/runs/{id}", run),
    Route("/runs/{id}/cancel", cancel_run, methods=["POST"]),
    Route("/runs/{id}/results.yaml", export_run, methods=["GET"]),
    Route("/sync", sync, methods=["POST"]),
]
