"""`/failure-groups` and `/failure-groups/{id}`: failures by their cause, one line for each."""

import asyncio
from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.scheduler.v1 import check_pb2, history_pb2, scheduler_pb2
from gateway.access.viewers import viewer_of
from gateway.context import context_of
from gateway.pages import discretion, latest
from gateway.pages.members import entities_named
from gateway.pages.rendering import page
from gateway.upstream import Upstream
from services.errors import InvalidArgumentError, NotFoundError
from services.rpc import remote_errors

_TIMEOUT = latest.TIMEOUT
_RUNS = 40
"""Runs of a cause that are shown with their times."""
_NAMED = 400
"""Entities of a cause that are shown with their titles."""


async def failure_groups(request: Request) -> Response:
    """The causes of all present failures, or of those of a run."""
    upstream = context_of(request).upstream
    run = request.query_params.get("run", "").removeprefix("runs/")
    name = f"runs/{run}" if run else ""
    with remote_errors():
        found, of = await asyncio.gather(
            upstream.history.ListFailureGroups(
                history_pb2.ListFailureGroupsRequest(run=name), timeout=_TIMEOUT
            ),
            _run(upstream, name),
        )
        known = await entities_named(
            upstream, (entity for one in found.groups for entity in one.entities[:_NAMED])
        )
    shown = discretion.groups(viewer_of(request), found.groups)
    return page(
        request,
        "failure_groups.html",
        data={"run": of, "groups": shown, "failureCount": found.failure_count},
        run=of,
        groups=shown,
        failure_count=found.failure_count,
        titles={name: entity.title for name, entity in known.items()},
    )


async def _run(upstream: Upstream, name: str) -> check_pb2.Run | None:
    if not name:
        return None
    return await upstream.scheduler.GetRun(scheduler_pb2.GetRunRequest(name=name), timeout=_TIMEOUT)


async def failure_group(request: Request) -> Response:
    """One cause: an example, whom it concerns, since when, and in which runs."""
    upstream = context_of(request).upstream
    name = f"failureGroups/{request.path_params['id']}"
    try:
        with remote_errors():
            found, present = await asyncio.gather(
                upstream.history.GetFailureGroup(
                    history_pb2.GetFailureGroupRequest(name=name), timeout=_TIMEOUT
                ),
                upstream.history.ListFailureGroups(
                    history_pb2.ListFailureGroupsRequest(), timeout=_TIMEOUT
                ),
            )
    except InvalidArgumentError as error:  # no cause can have such a name
        raise NotFoundError(f"There is no {name}.") from error
    with remote_errors():
        known, runs = await asyncio.gather(
            entities_named(upstream, found.entities[:_NAMED]),
            _runs_named(upstream, (one.run for one in found.runs[:_RUNS])),
        )
    now = next((one for one in present.groups if one.fingerprint == found.fingerprint), None)
    failing = sorted(now.entities) if now else []
    shown = discretion.group(viewer_of(request), found)
    return page(
        request,
        "failure_group.html",
        data={"group": shown, "failingNow": failing},
        group=shown,
        failing=failing,
        others=[one for one in found.entities if one not in set(failing)],
        titles={name: entity.title for name, entity in known.items()},
        runs=[(runs[one.run], one.count) for one in found.runs[:_RUNS] if one.run in runs],
    )


async def _runs_named(upstream: Upstream, names: Iterable[str]) -> dict[str, check_pb2.Run]:
    """Gets runs by name, in one call."""
    wanted = list(names)
    if not wanted:
        return {}
    # The matrix gives its columns with it all; one entity is the least it can be asked for.
    answer = await upstream.history.GetVerdictMatrix(
        history_pb2.GetVerdictMatrixRequest(runs=wanted, page_size=1), timeout=_TIMEOUT
    )
    return {column.run.name: column.run for column in answer.columns}


ROUTES = [
    Route("/failure-groups", failure_groups, methods=["GET"]),
    Route("/failure-groups/{id}", failure_group, methods=["GET"]),
]
