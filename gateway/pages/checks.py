"""`/checks` and `/checks/{id}`: what runs, what ran, and starting it."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import grpc
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2, explanation_pb2, scheduler_pb2
from gateway.access.viewers import viewer_of
from gateway.context import context_of
from gateway.failures import HttpError
from gateway.forms import read_form
from gateway.pages import causes, latest, plots, tracebacks, words
from gateway.pages.members import entities_named
from gateway.pages.rendering import page, see_other
from gateway.pages.transcript import Transcript, transcribe
from gateway.upstream import Upstream
from services import media
from services.errors import InvalidArgumentError, NotFoundError
from services.rpc import remote_errors

_TIMEOUT = latest.TIMEOUT
_START_TIMEOUT = 30.0


async def check(request: Request) -> Response:
    """One check: where it stands or what came out, with log and plots."""
    context = context_of(request)
    name = f"checks/{request.path_params['id']}"
    shows_errors = viewer_of(request).sees_errors
    found = await _get(context.upstream, name)
    transcript, entity, explanation = await asyncio.gather(
        _transcript(context.upstream, found, hidden=_hides(found, shows_errors=shows_errors)),
        _entity(context.upstream, found),
        _explanation(context.upstream, name),
    )
    if not words.finished(found) and transcript.check:
        # It went on while its events were read; the page goes on after the last of these.
        found = transcript.check
        if words.finished(found):
            found = await _get(context.upstream, name)
    hidden = _hides(found, shows_errors=shows_errors)
    if hidden:
        transcript = transcript.without_output()
    done = words.finished(found)
    cause = None if hidden else await causes.cause_of(context.upstream, found, entity)
    return page(
        request,
        "check.html",
        data={
            "likely_cause": cause,
            "check": found,
            "entity": entity,
            "explanation": explanation,
            "log": transcript.passages,
        },
        check=found,
        entity=entity,
        cause=cause,
        hidden=hidden,
        debug=shows_errors,
        transcript=transcript,
        frames=tracebacks.parse(found.result.traceback),
        phases=tracebacks.timeline(found.result.phases if done else transcript.phases),
        explanation=explanation,
        plots=await plots.kept(
            context.upstream, found.result.artefacts if done else transcript.artefacts
        ),
        active=not done,
    )


async def _get(upstream: Upstream, name: str) -> check_pb2.Check:
    try:
        with remote_errors():
            return await upstream.scheduler.GetCheck(
                scheduler_pb2.GetCheckRequest(name=name), timeout=_TIMEOUT
            )
    except InvalidArgumentError as error:  # no check can have such a name
        raise NotFoundError(f"There is no {name}.") from error


def _hides(check: check_pb2.Check, *, shows_errors: bool) -> bool:
    """Whether traceback and log stay hidden (the table of error propagation)."""
    return not shows_errors and check.verdict not in {
        check_pb2.VERDICT_SUCCESS,
        check_pb2.VERDICT_INACCURATE,
    }


async def _transcript(upstream: Upstream, check: check_pb2.Check, *, hidden: bool) -> Transcript:
    done = words.finished(check)
    if hidden and done:
        return Transcript()
    try:
        return await transcribe(upstream, check.name, finished=done)
    except grpc.aio.AioRpcError as failure:
        # A page without its log is better than none.
        return Transcript(unavailable=failure.details() or failure.code().name)


async def _entity(upstream: Upstream, check: check_pb2.Check) -> catalog_pb2.Entity | None:
    """The entity as it was checked: only an uploaded working copy may have it."""
    try:
        return await upstream.catalog.GetEntity(
            catalog_pb2.GetEntityRequest(name=check.entity, revision=check.revision),
            timeout=_TIMEOUT,
        )
    except grpc.aio.AioRpcError:  # no longer indexed, or the catalog is away: the check is there
        return None


async def _explanation(upstream: Upstream, name: str) -> explanation_pb2.Explanation | None:
    """Why it ran or not; a page without that is better than none."""
    try:
        return await upstream.explanations.ExplainCheck(
            explanation_pb2.ExplainCheckRequest(name=name), timeout=_TIMEOUT
        )
    except grpc.aio.AioRpcError:
        return None


async def check_log(request: Request) -> Response:
    """The whole log as plain text; of a running check, as long as it runs."""
    context = context_of(request)
    name = f"checks/{request.path_params['id']}"
    found = await _get(context.upstream, name)
    if _hides(found, shows_errors=viewer_of(request).sees_errors):
        raise HttpError(
            403,
            "the log of a check without a result is shown only with ACKREP_GATEWAY_DEBUG=1",
            code="PERMISSION_DENIED",
            reason="LOG_HIDDEN",
        )
    call: Any = context.upstream.scheduler.WatchCheck(scheduler_pb2.WatchCheckRequest(name=name))
    return StreamingResponse(
        _log_text(call),
        media_type="text/plain; charset=utf-8",
        headers={
            "cache-control": "no-store",
            "content-security-policy": media.POLICY,
            "x-frame-options": "SAMEORIGIN",
        },
    )


async def _log_text(call: Any) -> AsyncIterator[bytes]:
    try:
        while (event := await call.read()) is not grpc.aio.EOF:
            if event.HasField("log"):
                yield event.log.text.encode()
            elif event.HasField("gap"):
                yield f"\n[{event.gap.bytes} bytes left out]\n".encode()
    finally:
        call.cancel()


async def check_list(request: Request) -> Response:
    """Checks and runs, newest first."""
    upstream = context_of(request).upstream
    token = request.query_params.get("page", "")
    verdict = request.query_params.get("verdict", "")
    known = {word.slug for word in words.VERDICTS.values()}
    condition = f"verdict = {verdict.replace('-', '_')}" if verdict in known else ""
    with remote_errors():
        checks, runs = await asyncio.gather(
            upstream.scheduler.ListChecks(
                scheduler_pb2.ListChecksRequest(page_size=100, page_token=token, filter=condition),
                timeout=_TIMEOUT,
            ),
            upstream.scheduler.ListRuns(
                scheduler_pb2.ListRunsRequest(page_size=10), timeout=_TIMEOUT
            ),
        )
        members = await entities_named(upstream, (check.entity for check in checks.checks))
    return page(
        request,
        "checks.html",
        data={
            "checks": checks.checks,
            "runs": runs.runs,
            "nextPageToken": checks.next_page_token,
        },
        checks=checks.checks,
        next_page=checks.next_page_token,
        runs=runs.runs,
        verdict=verdict,
        verdict_choices=list(words.VERDICTS.values()),
        titles={name: entity.title for name, entity in members.items()},
    )


async def create_check(request: Request) -> Response:
    """Starts a check of one entity (a form's target)."""
    form = await read_form(request)
    ask = scheduler_pb2.CreateCheckRequest(
        entity=f"entities/{form.get('entity', '')}",
        force=form.get("force") == "1",
        request_id=form.get("request_id") or secrets.token_hex(16),
        requester=viewer_of(request).name,
    )
    with remote_errors():
        made = await context_of(request).upstream.scheduler.CreateCheck(ask, timeout=_START_TIMEOUT)
    return see_other(f"/{made.name}")


async def cancel_check(request: Request) -> Response:
    """Stops a check (a form's target)."""
    name = f"checks/{request.path_params['id']}"
    with remote_errors():
        await context_of(request).upstream.scheduler.CancelCheck(
            scheduler_pb2.CancelCheckRequest(name=name), timeout=_TIMEOUT
        )
    return see_other(f"/{name}")


ROUTES = [
    Route("/checks", check_list, methods=["GET"]),
    Route("/checks", create_check, methods=["POST"]),
    Route("/checks/{id}", check),
    Route("/checks/{id}/log", check_log),
    Route("/checks/{id}/cancel", cancel_check, methods=["POST"]),
]
