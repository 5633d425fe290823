"""`/runs` and `/runs/{id}`: checks of many entities at once; and reading the repository again."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2, scheduler_pb2
from gateway.context import context_of
from gateway.forms import read_form
from gateway.pages import latest, words
from gateway.pages.checks import check_list
from gateway.pages.members import entities_named
from gateway.pages.rendering import page, see_other
from gateway.upstream import Upstream
from services.rpc import remote_errors

_TIMEOUT = latest.TIMEOUT
_START_TIMEOUT = 30.0


async def create_run(request: Request) -> Response:
    """Starts a check of every checkable entity, or of those named (a form's target)."""
    form = await read_form(request)
    ask = scheduler_pb2.CreateRunRequest(
        title=form.get("title", "") or "everything",
        entities=[f"entities/{key}" for key in form.get("entities", "").split()],
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
        found, checks = await asyncio.gather(
            upstream.scheduler.GetRun(scheduler_pb2.GetRunRequest(name=name), timeout=_TIMEOUT),
            _checks_of_run(upstream, name),
        )
        known = await entities_named(upstream, (check.entity for check in checks))
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


def _rank(check: check_pb2.Check, known: Mapping[str, catalog_pb2.Entity]) -> tuple[list[int], str]:
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
    Route("/runs", check_list, methods=["GET"]),
    Route("/runs", create_run, methods=["POST"]),
    Route("/runs/{id}", run),
    Route("/sync", sync, methods=["POST"]),
]
