"""What the catalog does with a source that is slow, fails, or changes."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from services.catalog import app
from services.catalog.app import Catalog
from services.catalog.domain.entities import DIRECTORY_MODE, Revision, TreeEntry
from services.catalog.memory import MemoryStore
from services.catalog.metadata import parse_metadata
from services.catalog.ports import Chunk, Snapshot
from services.errors import NotFoundError, SourceError, UnavailableError


class ScriptedSource:
    """Gives what a test says, when it says so."""

    def __init__(self) -> None:
        self.revision = Revision(tree="1" * 40)
        self.error: Exception | None = None
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()
        self.at_once = 0
        self.most_at_once = 0

    async def snapshot(self) -> Snapshot:
        self.asked.set()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.answer.wait()
        finally:
            self.at_once -= 1
        if self.error is not None:
            raise self.error
        return Snapshot(revision=self.revision)


class DictObjects:
    """Trees of one comment each; counts what is read."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {"b" * 40: b"key: AAAAA\ntype: comment\nname: x\n"}
        self.read: list[str] = []
        self.lacking = False

    async def entries(self, tree: str) -> list[TreeEntry]:
        self.read.append(tree)
        size = -1 if self.lacking else 10
        return [
            TreeEntry(path="a", mode=DIRECTORY_MODE, id=tree),
            TreeEntry(path="a/metadata.yml", mode=0o100644, id="b" * 40, size=size),
        ]

    async def blobs(self, ids: Sequence[str], *, limit: int) -> dict[str, bytes]:
        self.read += ids
        return {id_: self.content[id_] for id_ in ids}

    async def stream(self, ids: Sequence[str], *, chunk: int) -> AsyncIterator[tuple[str, Chunk]]:
        for id_ in ids:
            yield id_, Chunk(data=self.content[id_], more=False)


@pytest.fixture
def source() -> ScriptedSource:
    return ScriptedSource()


@pytest.fixture
def objects() -> DictObjects:
    return DictObjects()


@pytest.fixture
def catalog(source: ScriptedSource, objects: DictObjects) -> Catalog:
    return Catalog(source=source, objects=objects, store=MemoryStore(), parse=parse_metadata)


async def test_answers_wait_for_the_first_index(catalog: Catalog, source: ScriptedSource) -> None:
    """A question that comes before the first index is answered from it."""
    question = asyncio.create_task(catalog.entity("AAAAA", tree=""))
    sync = asyncio.create_task(catalog.sync())
    await source.asked.wait()
    assert not question.done()
    source.answer.set()
    assert "x" == (await question).placed.entity.title
    await sync


async def test_answers_do_not_wait_for_ever(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the first index takes too long, callers are asked to try again."""
    monkeypatch.setattr(app, "FIRST_INDEX_SECONDS", 0.01)
    with pytest.raises(UnavailableError, match="not ready yet"):
        await catalog.revision("")


async def test_later_syncs_keep_nobody_waiting(catalog: Catalog, source: ScriptedSource) -> None:
    """While the source is read again, answers come from what is indexed."""
    source.answer.set()
    first = await catalog.sync()
    source.answer.clear()
    source.asked.clear()
    source.revision = Revision(tree="2" * 40)
    sync = asyncio.create_task(catalog.sync())
    await source.asked.wait()
    assert first == await catalog.revision("")
    source.answer.set()
    assert "2" * 40 == (await sync).tree == (await catalog.revision("")).tree


async def test_a_failed_first_index_says_why(catalog: Catalog, source: ScriptedSource) -> None:
    """Callers get the reason; after a sync that works they get answers."""
    source.error = SourceError("no folder")
    source.answer.set()
    with pytest.raises(SourceError, match="no folder"):
        await catalog.sync()
    with pytest.raises(SourceError, match="no folder"):
        await catalog.revision("")
    source.error = None
    await catalog.sync()
    assert "1" * 40 == (await catalog.revision("")).tree


async def test_a_later_failure_takes_nothing_away(catalog: Catalog, source: ScriptedSource) -> None:
    """If the source fails later, what was indexed is still answered."""
    source.answer.set()
    await catalog.sync()
    source.error = UnavailableError("no network")
    with pytest.raises(UnavailableError):
        await catalog.sync()
    assert "1" * 40 == (await catalog.revision("")).tree


async def test_one_sync_at_a_time(catalog: Catalog, source: ScriptedSource) -> None:
    """Syncs are served one after the other, and index a state once."""
    source.answer.set()
    found = await asyncio.gather(*(catalog.sync() for _ in range(5)))
    assert (1, 1) == (source.most_at_once, len(set(found)))


async def test_nothing_changed_reads_nothing(
    catalog: Catalog, source: ScriptedSource, objects: DictObjects
) -> None:
    """A state that was indexed before is not read again, nor is metadata that was parsed."""
    source.answer.set()
    first = await catalog.sync()
    objects.read.clear()
    assert first == await catalog.sync()
    assert [] == objects.read
    source.revision = Revision(tree="2" * 40)
    await catalog.sync()
    assert ["2" * 40] == objects.read
    source.revision = Revision(tree="1" * 40, commit="c" * 40)
    committed = await catalog.sync()
    assert ("c" * 40, first.create_time) == (committed.commit, committed.create_time)
    assert ["2" * 40] == objects.read


async def test_a_tree_that_lacks_a_file(
    catalog: Catalog, source: ScriptedSource, objects: DictObjects
) -> None:
    """It is refused before anything of it is sent, and the file is named."""
    source.answer.set()
    await catalog.sync()
    parts = [part async for part in catalog.trees(["3" * 40])]
    assert ["a/metadata.yml", ""] == [part.path for part in parts]
    objects.lacking = True
    with pytest.raises(NotFoundError, match=r"a/metadata\.yml"):
        _ = [part async for part in catalog.trees(["4" * 40])]
