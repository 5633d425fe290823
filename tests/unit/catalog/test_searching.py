"""What the search index reads, and when."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from services.catalog.domain.entities import Revision
from services.catalog.index.memory import MemoryStore
from services.catalog.ports import Standing
from services.catalog.search.index import TantivyIndex
from services.catalog.search.memory import MemoryStandings
from services.catalog.search.searching import Search
from tests.catalog_searches import Library, item


class CountingStandings(MemoryStandings):
    """Counts what is read; fails when told to."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.read: list[int] = []
        self.broken = False

    async def since(self, number: int) -> AsyncIterator[Sequence[Standing]]:
        self.read.append(number)
        async for part in super().since(number):
            yield part
            if self.broken:
                raise RuntimeError("the store is broken")


@pytest.fixture
def standings() -> CountingStandings:
    return CountingStandings(MemoryStore())


@pytest.fixture
async def shelf(standings: CountingStandings) -> Library:
    """Three revisions of one entity."""
    store = standings._store
    assert isinstance(store, MemoryStore)
    found = Library(store, Search(index=TantivyIndex(standings), store=store))
    for number in range(1, 4):
        await found.add(item("AAAAA", f"title {number}"), number=number)
    return found


async def test_everything_is_read_once(shelf: Library, standings: CountingStandings) -> None:
    """Searches that come at once share one reading; later revisions are read as a difference."""
    await asyncio.gather(*(shelf.answer("title", number=1) for _ in range(5)))
    await shelf.answer("title", number=3)
    await shelf.add(item("AAAAA", "title 4"), number=4)
    await shelf.answer("title", number=4)
    await shelf.answer("title", number=2)
    assert [0, 3] == standings.read


async def test_a_failure_is_forgotten(shelf: Library, standings: CountingStandings) -> None:
    """What was read before a failure is read again, and stands in the index once."""
    standings.broken = True
    with pytest.raises(RuntimeError, match="broken"):
        await shelf.answer("title", number=1)
    standings.broken = False
    assert 1 == (await shelf.answer("title", number=1)).total
    assert [0, 0] == standings.read


async def test_revisions_are_prepared(shelf: Library, standings: CountingStandings) -> None:
    """A revision that is followed is ready before its first search; a failure ends nothing."""

    async def revisions() -> AsyncIterator[Revision]:
        for broken in (True, False):
            standings.broken = broken
            revision = await shelf.store.revision(f"{1:040x}")
            assert revision is not None
            yield revision

    await shelf.search.follow(revisions())
    assert [0, 0] == standings.read
    assert ["AAAAA"] == await shelf.keys("title", number=3)
    assert 2 == len(standings.read)
