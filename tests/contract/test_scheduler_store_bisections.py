"""What every store promises of bisections, whatever it is made of."""

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.errors import NotFoundError
from services.scheduler.domain.bisection import Axis, Bisection, Point, Probe, State
from services.scheduler.domain.check import Verdict
from services.scheduler.domain.names import new_id
from services.scheduler.ports.store import Store
from tests.scheduler_stores import KINDS, NOW, SECOND, empty_store

GOOD = Point(commit="a" * 40, environment="x@1", subject="good", check="c1")
BAD = Point(commit="b" * 40, environment="x@2")


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    async with empty_store(request, folder=tmp_path) as opened:
        yield opened


def _bisection() -> Bisection:
    return Bisection(id=new_id(), entity="AAAAA", good=GOOD, bad=BAD, create_time=NOW)


async def test_everything_is_kept(store: Store) -> None:
    """Each field comes back as it was; what has ended changes no more."""
    first = await store.bisections.create(_bisection())
    assert [first] == await store.bisections.running()
    probe = Probe(place=2, point=GOOD, verdict=Verdict.INACCURATE, known=True)
    waiting = Probe(place=-1, point=BAD, failed="there is none")
    ended = dataclasses.replace(
        first,
        state=State.FINISHED,
        axis=Axis.ENVIRONMENT,
        candidates=(GOOD, BAD),
        probes=(probe, waiting),
        culprits=(BAD,),
        message="found",
        finish_time=NOW + SECOND,
    )
    await store.bisections.update(ended)
    await store.bisections.update(first)
    assert ended == await store.bisections.get(first.id)
    assert [] == await store.bisections.running()


async def test_lists_and_requests(store: Store) -> None:
    """Newest first; a request makes one; an unknown id is not found."""
    first = await store.bisections.create(_bisection(), request_id="r")
    second = await store.bisections.create(_bisection())
    assert first == await store.bisections.create(_bisection(), request_id="r")
    assert [second, first] == await store.bisections.list_page(limit=9, before="")
    assert [first] == await store.bisections.list_page(limit=9, before=second.id)
    assert [second] == await store.bisections.list_page(limit=1, before="")
    with pytest.raises(NotFoundError):
        await store.bisections.get(new_id())
