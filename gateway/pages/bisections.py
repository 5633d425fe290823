"""`/bisections` and `/bisections/{id}`: which commit, or image, broke an entity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.scheduler.v1 import bisection_pb2, check_pb2
from gateway.context import context_of
from gateway.forms import read_form
from gateway.pages import latest
from gateway.pages.members import entities_named
from gateway.pages.rendering import page, see_other
from gateway.pages.words import Word
from services.errors import InvalidArgumentError, NotFoundError
from services.rpc import remote_errors

_TIMEOUT = latest.TIMEOUT
_START_TIMEOUT = 60.0
_PAGE = 50
_S = bisection_pb2.Bisection.State
_A = bisection_pb2.Bisection.Axis
_V = check_pb2.Verdict
_FAILING = frozenset({_V.VERDICT_INACCURATE, _V.VERDICT_SCRIPT_ERROR, _V.VERDICT_LIMIT_EXCEEDED})
STATES: Mapping[int, Word] = {
    _S.STATE_RUNNING: Word("running", "searching", "Checks run, or wait for a runner."),
    _S.STATE_FINISHED: Word("success", "done", "All that can be said is said."),
    _S.STATE_FAILED: Word("script-error", "gave up", "It cannot go on."),
}
AXES: Mapping[int, str] = {
    _A.AXIS_COMMIT: "commits of the data repository",
    _A.AXIS_ENVIRONMENT: "images of the environment",
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """A state on the line from good to bad."""

    point: bisection_pb2.BisectionPoint
    verdict: int
    role: str
    """`good`, `bad` or `probe`."""
    known: bool
    """Whether a stored result said so."""
    order: int
    """As which it was looked at, from 1; 0 for the two ends."""
    culprit: bool


def steps(found: bisection_pb2.Bisection) -> list[Step]:
    """Lists the ends and what was tried between them, along the way from good to bad.

    A binary search closes in: each later success lies further on, each later failure nearer. What
    says neither lies somewhere between them.
    """
    culprits = [_place(one) for one in found.culprits]
    good: list[Step] = []
    unclear: list[Step] = []
    bad: list[Step] = []
    for number, probe in enumerate(found.probes, 1):
        if _place(probe.point) in {_place(found.good), _place(found.bad)}:
            continue
        side = good if probe.verdict == _V.VERDICT_SUCCESS else unclear
        side = bad if probe.verdict in _FAILING else side
        side.append(
            Step(
                point=probe.point,
                verdict=probe.verdict,
                role="probe",
                known=probe.known,
                order=number,
                culprit=_place(probe.point) in culprits,
            )
        )
    first, last = (
        Step(
            point=point,
            verdict=0,
            role=role,
            known=True,
            order=0,
            culprit=_place(point) in culprits,
        )
        for point, role in ((found.good, "good"), (found.bad, "bad"))
    )
    return [first, *good, *unclear, *reversed(bad), last]


def _place(point: bisection_pb2.BisectionPoint) -> tuple[str, str]:
    return point.commit, point.environment


def label(found: bisection_pb2.Bisection) -> Word:
    """Names where a bisection stands."""
    return STATES.get(found.state, STATES[_S.STATE_RUNNING])


async def bisection_list(request: Request) -> Response:
    """All bisections, newest first."""
    upstream = context_of(request).upstream
    with remote_errors():
        answer = await upstream.bisections.ListBisections(
            bisection_pb2.ListBisectionsRequest(
                page_size=_PAGE, page_token=request.query_params.get("page", "")
            ),
            timeout=_TIMEOUT,
        )
        known = await entities_named(upstream, (one.entity for one in answer.bisections))
    return page(
        request,
        "bisections.html",
        data={"bisections": answer.bisections, "nextPage": answer.next_page_token},
        bisections=[(one, label(one)) for one in answer.bisections],
        titles={name: entity.title for name, entity in known.items()},
        next_page=answer.next_page_token,
        active=_running(answer.bisections),
    )


def _running(some: Sequence[bisection_pb2.Bisection]) -> bool:
    return any(one.state == _S.STATE_RUNNING for one in some)


async def bisection(request: Request) -> Response:
    """One bisection: what was tried between good and bad, and what was found."""
    upstream = context_of(request).upstream
    name = f"bisections/{request.path_params['id']}"
    try:
        with remote_errors():
            found = await upstream.bisections.GetBisection(
                bisection_pb2.GetBisectionRequest(name=name), timeout=_TIMEOUT
            )
    except InvalidArgumentError as error:  # none can have such a name
        raise NotFoundError(f"There is no {name}.") from error
    with remote_errors():
        known = await entities_named(upstream, [found.entity])
    return page(
        request,
        "bisection.html",
        data={"bisection": found},
        bisection=found,
        entity=known.get(found.entity),
        word=label(found),
        axis=AXES.get(found.axis, ""),
        steps=steps(found),
        active=_running([found]),
    )


async def create_bisection(request: Request) -> Response:
    """Starts a bisection of an entity (a form's target)."""
    form = await read_form(request)
    ask = bisection_pb2.CreateBisectionRequest(
        entity=f"entities/{form.get('entity', '').removeprefix('entities/')}",
        good=form.get("good", "").strip(),
        bad=form.get("bad", "").strip(),
        request_id=form.get("request_id", ""),
    )
    with remote_errors():
        made = await context_of(request).upstream.bisections.CreateBisection(
            ask, timeout=_START_TIMEOUT
        )
    return see_other(f"/{made.name}")


ROUTES = [
    Route("/bisections", bisection_list, methods=["GET"]),
    Route("/bisections", create_bisection, methods=["POST"]),
    Route("/bisections/{id}", bisection, methods=["GET"]),
]
