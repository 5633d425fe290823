"""What the catalog does with a source that is slow, fails, or changes."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

import pytest

from services.catalog import app
from services.catalog.app import Catalog
from services.catalog.domain.commits import Commit
from services.catalog.domain.entities import DIRECTORY_MODE, Revision, TreeChange, TreeEntry
from services.catalog.index.memory import MemoryStore
from services.catalog.metadata.parsing import parse_metadata
from services.catalog.ontology.dialect import parse_ontology
from services.catalog.ports import Chunk
from services.catalog.source_ports import Snapshot
from services.errors import InvalidArgumentError, NotFoundError, SourceError, UnavailableError


class ScriptedSource:
    """Gives what a test says, when it says so."""

    def __init__(self) -> None:
        self.revision = Revision(tree="1" * 40)
        self.refs: dict[str, Revision] = {}
        self.error: Exception | None = None
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()
        self.at_once = 0
        self.most_at_once = 0

    async def snapshot(self, *, ref: str = "") -> Snapshot:
        if ref and ref not in self.refs:
            raise NotFoundError(f"no {ref}")
        self.asked.set()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.answer.wait()
        finally:
            self.at_once -= 1
        if self.error is not None:
            raise self.error
        return Snapshot(revision=self.refs.get(ref, self.revision))

    async def commits(
        self, *, since: str, until: str, paths: Sequence[str], limit: int
    ) -> list[Commit] | None:
        return None


class DictObjects:
    """Trees of one comment each; counts what is read."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {"b" * 40: b"key: AAAAA\ntype: comment\nname: x\n"}
        self.reads: list[str] = []
        self.lacking = False

    async def entries(self, tree: str) -> list[TreeEntry]:
        self.reads.append(tree)
        return [
            TreeEntry(path="a", mode=DIRECTORY_MODE, id=tree),
            TreeEntry(
                path="a/metadata.yml", mode=0o100644, id="b" * 40, size=-1 if self.lacking else 10
            ),
        ]

    async def changes(self, old: str, new: str) -> list[TreeChange]:
        self.reads.append(new)
        if old:
            return [TreeChange("a", DIRECTORY_MODE, old, DIRECTORY_MODE, new)]
        return [
            TreeChange("a", 0, "", DIRECTORY_MODE, new),
            TreeChange("a/metadata.yml", 0, "", 0o100644, "b" * 40),
        ]

    async def blobs(self, ids: Sequence[str], *, limit: int) -> dict[str, bytes]:
        return dict(self.read(ids, limit=limit))

    def read(self, ids: Sequence[str], *, limit: int) -> Iterator[tuple[str, bytes]]:
        for id_ in ids:
            self.reads.append(id_)
            yield id_, self.content[id_]

    def listings(self, trees: Sequence[str]) -> Mapping[str, list[str]]:
        return {tree: ["metadata.yml"] for tree in trees}

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
    return Catalog(
        source=source,
        objects=objects,
        store=MemoryStore(),
        parse=parse_metadata,
        parse_ontology=parse_ontology,
    )


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
    """A state that was indexed before is not read again."""
    source.answer.set()
    first = await catalog.sync()
    objects.reads.clear()
    assert first == await catalog.sync()
    assert [] == objects.reads
    source.revision = Revision(tree="2" * 40)
    await catalog.sync()
    assert ["2" * 40, "b" * 40] == objects.reads
    source.revision = Revision(tree="1" * 40, commit="c" * 40)
    committed = await catalog.sync()
    assert ("c" * 40, first.create_time) == (committed.commit, committed.create_time)
    assert ["2" * 40, "b" * 40] == objects.reads


async def test_a_failed_index_spoils_nothing(
    catalog: Catalog, source: ScriptedSource, objects: DictObjects
) -> None:
    """After an index that broke off in the middle, the next one is whole."""
    source.answer.set()
    await catalog.sync()
    good = dict(objects.content)
    source.revision = Revision(tree="2" * 40)
    objects.content.clear()
    with pytest.raises(KeyError):
        await catalog.sync()
    assert "1" * 40 == (await catalog.revision("")).tree
    objects.content.update(good)
    assert (1, 0) == ((await catalog.sync()).entity_count, (await catalog.sync()).error_count)
    assert "2" * 40 == (await catalog.entity("AAAAA", tree="")).placed.entity.tree


async def test_indexing_the_past(catalog: Catalog, source: ScriptedSource) -> None:
    """A ref of the source is indexed and can be asked for; the current revision stays."""
    source.answer.set()
    current = await catalog.sync()
    source.refs["old"] = Revision(tree="3" * 40, commit="d" * 40)
    old = await catalog.index("old")
    assert current == await catalog.revision("")
    assert old == await catalog.revision("3" * 40) == await catalog.revision("ddddddd")
    assert old == await catalog.index("old")
    source.revision = Revision(tree="4" * 40)
    assert "4" * 40 == (await catalog.sync()).tree
    with pytest.raises(NotFoundError):
        await catalog.index("nosuch")


async def test_names_of_revisions(catalog: Catalog, source: ScriptedSource) -> None:
    """The beginning of a tree or commit id is enough where it is that of one revision."""
    source.answer.set()
    for tree in ("1234567" + "0" * 33, "1234567" + "1" * 33):
        source.revision = Revision(tree=tree)
        await catalog.sync()
    assert "12345671" == (await catalog.revision("12345671")).tree[:8]
    with pytest.raises(InvalidArgumentError, match="several revisions: 12345671") as caught:
        await catalog.revision("1234567")
    assert "write more of it" in caught.value.message
    with pytest.raises(NotFoundError, match="7654321"):
        await catalog.revision("7654321")


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
