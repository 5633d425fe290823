"""`/queue`: what waits and runs, what holds it up, who runs it, and what runs by itself."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.scheduler.v1 import (
    bisection_pb2,
    check_pb2,
    queue_pb2,
    schedule_pb2,
    scheduler_pb2,
)
from gateway.context import context_of
from gateway.forms import read_form
from gateway.pages import latest
from gateway.pages.members import entities_named
from gateway.pages.rendering import page, see_other
from services.rpc import remote_errors

_TIMEOUT = latest.TIMEOUT
_NEXT = 12
"""Waiting checks that are shown."""
_DEAD = 20
"""Dead letters that are shown."""


@dataclass(frozen=True)
class Place:
    """An environment in a pool: what waits there, and what holds it up."""

    line: queue_pb2.QueueLine
    pause: queue_pb2.QueuePause | None
    """Its own; a pause of the whole pool is shown for the pool."""


@dataclass(frozen=True)
class Asked:
    """What the visitor is about to hold up: its form is shown."""

    what: str
    """`pause` or `drain`."""
    pool: str
    environment: str
    runner: str


async def queue(request: Request) -> Response:
    """The queue, the runners, and what runs by itself."""
    upstream = context_of(request).upstream
    with remote_errors():
        found, waiting, dead, runners, schedules, bisections = await asyncio.gather(
            upstream.queue.GetQueue(queue_pb2.GetQueueRequest(), timeout=_TIMEOUT),
            upstream.queue.ListWaitingChecks(
                queue_pb2.ListWaitingChecksRequest(page_size=_NEXT), timeout=_TIMEOUT
            ),
            upstream.queue.ListDeadLetters(
                queue_pb2.ListDeadLettersRequest(page_size=_DEAD), timeout=_TIMEOUT
            ),
            upstream.scheduler.ListRunners(
                scheduler_pb2.ListRunnersRequest(page_size=500), timeout=_TIMEOUT
            ),
            upstream.schedules.ListSchedules(schedule_pb2.ListSchedulesRequest(), timeout=_TIMEOUT),
            upstream.bisections.ListBisections(
                bisection_pb2.ListBisectionsRequest(page_size=50), timeout=_TIMEOUT
            ),
        )
        running = [
            one
            for one in bisections.bisections
            if one.state == bisection_pb2.Bisection.STATE_RUNNING
        ]
        shown = [check.entity for check in (*waiting.checks, *dead.checks)]
        shown += [one.entity for one in running]
        known = await entities_named(upstream, shown)
    asked = _asked(request)
    return page(
        request,
        "queue.html",
        data={
            "queue": found,
            "waiting": waiting.checks,
            "deadLetters": dead.checks,
            "runners": runners.runners,
            "schedules": schedules.schedules,
            "bisections": running,
        },
        queue=found,
        places=_places(found),
        pool_pauses=[pause for pause in found.pauses if not pause.environment],
        running_count=sum(line.running_count for line in found.lines),
        expected_seconds=_expected(found, runners.runners),
        slots=sum(one.slots for one in runners.runners if not one.lost),
        waiting=waiting.checks,
        dead=dead.checks,
        runners=runners.runners,
        schedules=schedules.schedules,
        bisections=running,
        titles={name: entity.title for name, entity in known.items()},
        asked=asked,
    )


def _asked(request: Request) -> Asked | None:
    what = request.query_params.get("ask", "")
    if what not in {"pause", "drain"}:
        return None
    fields = ("pool", "environment", "runner")
    return Asked(what, *(request.query_params.get(field, "")[:200] for field in fields))


def _places(found: queue_pb2.Queue) -> Sequence[Place]:
    """Lines with their pauses; a pause of a place where nothing is has an empty line."""
    pauses = {(one.pool, one.environment): one for one in found.pauses if one.environment}
    lines = {(one.pool, one.environment): one for one in found.lines}
    for pool, environment in pauses.keys() - lines.keys():
        lines[pool, environment] = queue_pb2.QueueLine(pool=pool, environment=environment)
    return [Place(line, pauses.get(place)) for place, line in sorted(lines.items())]


def _expected(found: queue_pb2.Queue, runners: Iterable[check_pb2.RunnerStatus]) -> float:
    """Seconds until what waits now is done, if all runners that take checks share it evenly."""
    slots = sum(one.slots for one in runners if not (one.lost or one.draining))
    total = sum(line.expected_duration.ToTimedelta().total_seconds() for line in found.lines)
    return total / max(1, slots)


async def pause(request: Request) -> Response:
    """Lets no further check of a place start (a form's target)."""
    form = await read_form(request)
    ask = queue_pb2.PauseQueueRequest(
        pool=form.get("pool", ""),
        environment=form.get("environment", ""),
        reason=form.get("reason", "").strip(),
    )
    with remote_errors():
        await context_of(request).upstream.queue.PauseQueue(ask, timeout=_TIMEOUT)
    return see_other("/queue")


async def resume(request: Request) -> Response:
    """Ends a pause (a form's target)."""
    form = await read_form(request)
    ask = queue_pb2.ResumeQueueRequest(
        pool=form.get("pool", ""), environment=form.get("environment", "")
    )
    with remote_errors():
        await context_of(request).upstream.queue.ResumeQueue(ask, timeout=_TIMEOUT)
    return see_other("/queue")


async def replay(request: Request) -> Response:
    """Checks again what was given up: one check, or all (a form's target)."""
    form = await read_form(request)
    chosen = form.get("check", "")
    ask = queue_pb2.ReplayDeadLettersRequest(checks=[chosen] if chosen else [])
    with remote_errors():
        await context_of(request).upstream.queue.ReplayDeadLetters(ask, timeout=_TIMEOUT)
    return see_other("/queue")


async def drain_runner(request: Request) -> Response:
    """Lets a runner take no new checks (a form's target)."""
    form = await read_form(request)
    ask = scheduler_pb2.DrainRunnerRequest(
        name=form.get("runner", ""), reason=form.get("reason", "").strip()
    )
    with remote_errors():
        await context_of(request).upstream.scheduler.DrainRunner(ask, timeout=_TIMEOUT)
    return see_other("/queue")


async def resume_runner(request: Request) -> Response:
    """Lets a drained runner take checks again (a form's target)."""
    form = await read_form(request)
    ask = scheduler_pb2.ResumeRunnerRequest(name=form.get("runner", ""))
    with remote_errors():
        await context_of(request).upstream.scheduler.ResumeRunner(ask, timeout=_TIMEOUT)
    return see_other("/queue")


ROUTES = [
    Route("/queue", queue, methods=["GET"]),
    Route("/queue/pause", pause, methods=["POST"]),
    Route("/queue/resume", resume, methods=["POST"]),
    Route("/queue/replay", replay, methods=["POST"]),
    Route("/queue/drain-runner", drain_runner, methods=["POST"]),
    Route("/queue/resume-runner", resume_runner, methods=["POST"]),
]
