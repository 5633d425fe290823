"""`/checks`, `/checks/{id}`, `/runs` and `/runs/{id}`: what runs, what ran, and starting it."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import grpc
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2, scheduler_pb2
from gateway import artefacts
from gateway.context import context_of
from gateway.failures import HttpError
from gateway.forms import read_form
from gateway.pages import entities, latest, plots, tracebacks, words
from gateway.pages.rendering import page, see_other
from gateway.pages.transcript import Transcript, transcribe
from gateway.upstream import Upstream
from services.rpc import remote_errors

_TIMEOUT = latest.TIMEOUT
_START_TIMEOUT = 30.0


async def check(request: Request) -> Response:
    """One check: where it stands or what came out, with log and plots."""
    context = context_of(request)
    name = f"checks/{request.path_params['id']}"
    with remote_errors():
        found = await context.upstream.scheduler.GetCheck(
            scheduler_pb2.GetCheckRequest(name=name), timeout=_TIMEOUT
        )
    hidden = _hides(found, shows_errors=context.settings.shows_errors)
    transcript, entity = await asyncio.gather(
        _transcript(context.upstream, found, hidden=hidden),
        _entity(context.upstream, found.entity),
    )
    done = words.finished(found)
    return page(
        request,
        "check.html",
        check=found,
        entity=entity,
        hidden=hidden,
        debug=context.settings.shows_errors,
        transcript=transcript,
        frames=tracebacks.parse(found.result.traceback, entity.path if entity else ""),
        phases=tracebacks.timeline(found.result.phases if done else transcript.phases),
        plots=plots.of(found.result.artefacts if done else transcript.artefacts),
        active=not done,
    )


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
        transcript = await transcribe(upstream, check.name, finished=done)
    except grpc.aio.AioRpcError as failure:
        # A page without its log is better than none.
        return Transcript(unavailable=failure.details() or failure.code().name)
    return transcript.without_output() if hidden else transcript


async def _entity(upstream: Upstream, name: str) -> catalog_pb2.Entity | None:
    try:
        return await upstream.catalog.GetEntity(
            catalog_pb2.GetEntityRequest(name=name), timeout=_TIMEOUT
        )
    except grpc.aio.AioRpcError:  # removed since, or the catalog is away: the check is still there
        return None


async def check_log(request: Request) -> Response:
    """The whole log as plain text; of a running check, as long as it runs."""
    context = context_of(request)
    name = f"checks/{request.path_params['id']}"
    with remote_errors():
        found = await context.upstream.scheduler.GetCheck(
            scheduler_pb2.GetCheckRequest(name=name), timeout=_TIMEOUT
        )
    if _hides(found, shows_errors=context.settings.shows_errors):
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
            "content-security-policy": artefacts.POLICY,
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
        checks, runs, members = await asyncio.gather(
            upstream.scheduler.ListChecks(
                scheduler_pb2.ListChecksRequest(page_size=100, page_token=token, filter=condition),
                timeout=_TIMEOUT,
            ),
            upstream.scheduler.ListRuns(
                scheduler_pb2.ListRunsRequest(page_size=10), timeout=_TIMEOUT
            ),
            entities.all_entities(upstream),
        )
    return page(
        request,
        "checks.html",
        checks=checks.checks,
        next_page=checks.next_page_token,
        runs=runs.runs,
        verdict=verdict,
        verdict_choices=list(words.VERDICTS.values()),
        titles={entity.name: entity.title for entity in members},
    )


async def create_check(request: Request) -> Response:
    """Starts a check of one entity (a form's target)."""
    form = await read_form(request)
    ask = scheduler_pb2.CreateCheckRequest(
        entity=f"entities/{form.get('entity', '')}",
        force=form.get("force") == "1",
        request_id=form.get("request_id") or secrets.token_hex(16),
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


async def create_run(request: Request) -> Response:
    """Starts a check of every checkable entity (a form's target)."""
    form = await read_form(request)
    ask = scheduler_pb2.CreateRunRequest(
        title=form.get("title", "") or "everything",
        force=form.get("force") == "1",
        request_id=form.get("request_id") or secrets.token_hex(16),
    )
    with remote_errors():
        made = await context_of(request).upstream.scheduler.CreateRun(ask, timeout=_START_TIMEOUT)
    return see_other(f"/{made.name}")


async def run(request: Request) -> Response:
    """One run: how far it is, and the verdict of each of its checks."""
    upstream = context_of(request).upstream
    name = f"runs/{request.path_params['id']}"
    with remote_errors():
        found, checks, members = await asyncio.gather(
            upstream.scheduler.GetRun(scheduler_pb2.GetRunRequest(name=name), timeout=_TIMEOUT),
            _checks_of_run(upstream, name),
            entities.all_entities(upstream),
        )
    known = {entity.name: entity for entity in members}
    checks.sort(key=lambda check: _rank(check, known))
    counts = Counter(words.check_word(check) for check in checks)
    return page(
        request,
        "run.html",
        run=found,
        checks=checks,
        entities=known,
        shares=latest.shares(counts),
        active=found.finished_count < found.check_count,
    )


async def _checks_of_run(upstream: Upstream, name: str) -> list[check_pb2.Check]:
    checks: list[check_pb2.Check] = []
    token = ""
    while True:
        answer = await upstream.scheduler.ListChecks(
            scheduler_pb2.ListChecksRequest(
                page_size=500, page_token=token, filter=f"run = {name}"
            ),
            timeout=_TIMEOUT,
        )
        checks += answer.checks
        token = answer.next_page_token
        if not token:
            return checks


def _rank(check: check_pb2.Check, known: dict[str, catalog_pb2.Entity]) -> tuple[list[int], str]:
    """Orders a run's table by type and title, so that rows stay where they are while it runs."""
    entity = known.get(check.entity)
    order = list(words.TYPES)
    kind = order.index(entity.type) if entity and entity.type in order else len(order)
    return [kind], (entity.title if entity else check.entity).casefold()


async def sync(request: Request) -> Response:
    """Reads the data repository again (a form's target)."""
    with remote_errors():
        await context_of(request).upstream.catalog.SyncRevision(
            catalog_pb2.SyncRevisionRequest(), timeout=_START_TIMEOUT
        )
    return see_other("/")


ROUTES = [
    Route("/checks", check_list, methods=["GET"]),
    Route("/checks", create_check, methods=["POST"]),
    Route("/checks/{id}", check),
    Route("/checks/{id}/log", check_log),
    Route("/checks/{id}/cancel", cancel_check, methods=["POST"]),
    Route("/runs", check_list, methods=["GET"]),
    Route("/runs", create_run, methods=["POST"]),
    Route("/runs/{id}", run),
    Route("/sync", sync, methods=["POST"]),
]
