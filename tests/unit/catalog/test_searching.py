"""What a search keeps in memory, and how much of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from services.catalog.domain.entities import Revision
from services.catalog.memory import MemoryStore
from services.catalog.ports import Members
from services.catalog.search_memory import MemorySearchIndex
from services.catalog.searching import CACHED_MASKS, CACHED_VIEWS, Search
from tests.catalog_searches import Library, item


class CountingIndex(MemorySearchIndex):
    """Counts what is read; fails when told to."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.read: list[tuple[str, str]] = []
        self.matched = 0
        self.broken = False

    async def members(self, tree: str, *, base: str = "") -> Members:
        if self.broken:
            raise RuntimeError("the index is broken")
        self.read.append((tree[-1:], base[-1:]))
        await asyncio.sleep(0)  # so that others can ask meanwhile
        return await super().members(tree, base=base)

    async def matching(self, *, paths: Sequence[str], texts: Sequence[str]) -> Sequence[int]:
        self.matched += 1
        return await super().matching(paths=paths, texts=texts)


@pytest.fixture
def index() -> CountingIndex:
    return CountingIndex(MemoryStore())


@pytest.fixture
async def shelf(index: CountingIndex) -> Library:
    """Nine revisions of one entity."""
    store = index._store
    found = Library(store, Search(index=index, store=store))
    for number in range(1, 10):
        await found.add(item("AAAAA", f"title {number}"), number=number)
    return found


async def test_a_revision_is_read_once(shelf: Library, index: CountingIndex) -> None:
    """Searches that come at once share one reading, and a revision is read as a difference."""
    await asyncio.gather(*(shelf.answer("title", number=1) for _ in range(5)))
    await shelf.answer("title", number=2)
    assert [("1", ""), ("2", "1")] == index.read


async def test_few_revisions_are_kept(shelf: Library, index: CountingIndex) -> None:
    """Only the revisions that were searched last are kept in memory."""
    for number in range(1, 10):
        await shelf.answer("title", number=number)
    assert CACHED_VIEWS == len(shelf.search._views)
    await shelf.answer("title", number=9)
    assert 9 == len(index.read)
    assert ["AAAAA"] == await shelf.keys("title 1", number=1)
    assert 10 == len(index.read)


async def test_conditions_on_texts_are_kept(shelf: Library, index: CountingIndex) -> None:
    """Pages of one search evaluate such a condition once; not too many answers are kept."""
    for _ in range(3):
        assert 1 == (await shelf.answer("", filter_="text = title")).total
    assert 1 == index.matched
    for number in range(2 * CACHED_MASKS):
        await shelf.answer("", filter_=f"text = {number}")
    assert CACHED_MASKS == len(shelf.search._masks)


async def test_revisions_are_prepared(shelf: Library, index: CountingIndex) -> None:
    """A revision that is followed is ready before its first search; a failure ends nothing."""

    async def revisions() -> AsyncIterator[Revision]:
        for number, broken in ((1, True), (2, False)):
            index.broken = broken
            revision = await shelf.store.revision(f"{number:040x}")
            assert revision is not None
            yield revision

    await shelf.search.follow(revisions())
    assert [("2", "")] == index.read
    assert ["AAAAA"] == await shelf.keys("title 2", number=2)
    assert 1 == len(index.read)
