"""`/e/{KEY}/history`: how an entity fared, since when it fails, and its numbers over time."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2, history_pb2, scheduler_pb2
from gateway.access.viewers import viewer_of
from gateway.context import context_of
from gateway.pages import charts, discretion, latest
from gateway.pages.members import entities_named
from gateway.pages.rendering import page
from gateway.upstream import Upstream
from services.errors import NotFoundError
from services.rpc import remote_errors

_TIMEOUT = latest.TIMEOUT
_SHOWN = 200
"""Points of one page."""
_FEWEST = 2
"""Fewer points than this are no course of anything."""
_SECTION = 120
"""Points of the section on an entity's page."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What is another in the first failure than in the success before it."""

    commits: tuple[str, str] | None
    """From which commit to which; None where it is the same, or one is not known."""
    environments: tuple[str, str] | None
    """From which image, or version, to which."""
    known: bool
    """Whether commits and images of both are known."""


@dataclass(frozen=True, kw_only=True)
class OverTime:
    """An entity's checks as they followed each other."""

    story: history_pb2.EntityHistory
    points: Sequence[history_pb2.HistoryPoint]
    """Newest first."""
    next_page: str
    drawings: Sequence[charts.Chart]

    @property
    def why(self) -> Difference | None:
        """What changed when it broke; None where it passes, or never did."""
        if not (self.story.HasField("passed_last") and self.story.HasField("failing_since")):
            return None
        return difference(self.story.passed_last, self.story.failing_since)

    @property
    def searchable(self) -> bool:
        """Whether the change that broke it can be searched for: both images can be had again.

        Of checks that were imported only a version such as `demo:0.1.2` is known.
        """
        if self.why is None:
            return False
        images = (self.story.passed_last.environment_digest, self.story.newest.environment_digest)
        return all(one and ":" not in one.removeprefix("sha256:") for one in images)


def difference(before: history_pb2.Sighting, after: history_pb2.Sighting) -> Difference:
    """Tells what differs between two checks of an entity."""

    def differing(old: str, new: str) -> tuple[str, str] | None:
        return (old, new) if old and new and old != new else None

    return Difference(
        commits=differing(before.commit, after.commit),
        environments=differing(before.environment_digest, after.environment_digest),
        known=all(one.commit and one.environment_digest for one in (before, after)),
    )


async def over_time(upstream: Upstream, entity: str) -> OverTime | None:
    """Looks back at an entity (`entities/{KEY}`); None where no check of it ever finished."""
    try:
        return await _looked_back(upstream, entity, size=_SECTION)
    except NotFoundError:
        return None


async def _looked_back(upstream: Upstream, entity: str, *, size: int, token: str = "") -> OverTime:
    with remote_errors():
        story, listed = await asyncio.gather(
            upstream.history.GetEntityHistory(
                history_pb2.GetEntityHistoryRequest(name=entity), timeout=_TIMEOUT
            ),
            upstream.history.ListEntityHistory(
                history_pb2.ListEntityHistoryRequest(
                    entity=entity, page_size=size, page_token=token
                ),
                timeout=_TIMEOUT,
            ),
        )
    return OverTime(
        story=story,
        points=listed.points,
        next_page=listed.next_page_token,
        drawings=drawings(listed.points, {}),
    )


def drawings(
    points: Sequence[history_pb2.HistoryPoint], scores: Mapping[str, float]
) -> list[charts.Chart]:
    """Draws what points (newest first) and scores (by check) say, where there is a course."""
    oldest_first = list(reversed(points))
    found = [
        charts.errors([_at(one, one.error) for one in oldest_first if one.HasField("error")]),
        charts.run_times(
            [_at(one, one.seconds) for one in oldest_first if one.HasField("seconds")]
        ),
        charts.scores(
            [
                _at(one, scores[one.sighting.check])
                for one in oldest_first
                if one.sighting.check in scores
            ]
        ),
    ]
    return [one for one in found if one is not None and len(one.marks) >= _FEWEST]


def _at(point: history_pb2.HistoryPoint, value: float) -> charts.Point:
    sighting = point.sighting
    image = sighting.environment_digest.removeprefix("sha256:")
    return charts.Point(
        time=sighting.time.ToNanoseconds() / 1e9,
        value=value,
        verdict=sighting.verdict,
        check=sighting.check,
        detail=", ".join(
            filter(
                None,
                (
                    f"commit {sighting.commit[:10]}" if sighting.commit else "",
                    image if ":" in image else image[:12],
                ),
            )
        ),
    )


async def history(request: Request) -> Response:
    """One entity's life: passed last, failing since, why, and every check there was."""
    upstream = context_of(request).upstream
    viewer = viewer_of(request)
    key = request.path_params["key"]
    name = f"entities/{key}"
    token = request.query_params.get("page", "")
    found, scores, known = await asyncio.gather(
        _looked_back(upstream, name, size=_SHOWN, token=token),
        _scores(upstream, name) if not token else _none(),
        _named(upstream, name),
    )
    points = [discretion.shown(viewer, point) for point in found.points]
    newest = found.story.newest
    title = discretion.title(viewer, newest.verdict, found.story.title)
    shown = history_pb2.EntityHistory()
    shown.CopyFrom(found.story)
    shown.title = title if found.story.title else ""
    return page(
        request,
        "history.html",
        data={
            "history": shown,
            "difference": found.why,
            "points": points,
            "nextPage": found.next_page,
        },
        key=key,
        entity=known,
        over=OverTime(
            story=shown,
            points=points,
            next_page=found.next_page,
            drawings=drawings(found.points, scores),
        ),
        later=bool(token),
    )


async def _none() -> dict[str, float]:
    return {}


async def _scores(upstream: Upstream, name: str) -> dict[str, float]:
    """Scores of the newest checks, which points do not carry."""
    with remote_errors():
        answer = await upstream.scheduler.ListChecks(
            scheduler_pb2.ListChecksRequest(filter=f"entity = {name}", page_size=_SHOWN),
            timeout=_TIMEOUT,
        )
    return {
        check.name: check.result.score
        for check in answer.checks
        if check.state == check_pb2.Check.STATE_FINISHED and check.result.HasField("score")
    }


async def _named(upstream: Upstream, name: str) -> catalog_pb2.Entity | None:
    """The entity, if there still is one of that name."""
    with remote_errors():
        return (await entities_named(upstream, [name])).get(name)


ROUTES = [Route("/e/{key}/history", history)]
