"""Updates give what an index from scratch gives: in every store, and over real git trees."""

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from hypothesis import HealthCheck, given, settings

from services.catalog.app import Catalog
from services.catalog.domain.affected import Affected, affected
from services.catalog.domain.closures import closure_of
from services.catalog.domain.entities import Node, Placed, Revision
from services.catalog.domain.indexing.contents import Contents
from services.catalog.domain.indexing.deltas import Index
from services.catalog.index.comparing import affected_entities
from services.catalog.index.memory import MemoryStore
from services.catalog.index.sql import opened
from services.catalog.metadata.parsing import parse_metadata
from services.catalog.ontology.dialect import parse_ontology
from services.catalog.ports import Store
from services.catalog.sources.local import source_of
from services.catalog.sources.objects import GitObjects
from services.errors import NotCheckableError
from tests.git_repositories import store_at, user_git, write
from tests.unit.catalog.edits import histories
from tests.unit.catalog.repositories import State, delta_between, index_of

History = Sequence[dict[str, str]]
PROPERTY = settings(
    max_examples=12, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck)
)


async def everything(store: Store, tree: str) -> Index:
    """All that a store holds of a revision."""
    entities = await store.entities(tree, await store.keys(tree))
    page = await store.diagnostics(tree, key="", limit=10_000, offset=0)
    return Index(
        entities=tuple(entities[key] for key in sorted(entities)),
        diagnostics=tuple(sorted(page.diagnostics)),
    )


async def compare(store: Store, tree: str, index: Index) -> None:
    """A store gives an index, its relations and its closures."""
    assert index == await everything(store, tree)
    fresh = MemoryStore()
    await fresh.add(Revision(tree=tree), index)
    for placed in index.entities:
        key = placed.entity.key
        assert await fresh.referrers(tree, key, limit=100) == await store.referrers(
            tree, key, limit=100
        )
        assert await fresh.nodes(tree, [key]) == await store.nodes(tree, [key])
    assert digests(index.entities) == digests((await everything(store, tree)).entities)


def digests(entities: Sequence[Placed]) -> dict[str, str]:
    """Digest of the closure of each checkable entity; empty where it has none."""
    known = {placed.entity.key: placed for placed in entities}
    found = {}
    for key, placed in known.items():
        if placed.entity.checkable:
            try:
                found[key] = closure_of(key, known).digest
            except NotCheckableError:
                found[key] = ""
    return found


async def store_of(kind: str, stack: AsyncExitStack, folder: str) -> Store:
    if kind == "memory":
        return MemoryStore()
    return await stack.enter_async_context(
        opened(f"sqlite+aiosqlite:///{Path(folder) / 'catalog.sqlite'}")
    )


async def follow(kind: str, states: History, *, restart_after: int) -> None:
    """Indexes states one after the other; forgets the contents once, as a restart does."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        store = await store_of(kind, stack, folder)
        contents, before = Contents(), None
        expected: dict[str, Index] = {}
        for number, files in enumerate(states):
            state = State(files)
            if state.tree in expected:
                continue
            expected[state.tree] = index_of(files)
            revision = Revision(tree=state.tree)
            if number == restart_after:
                contents, before = Contents(), None
                delta_between(contents, None, state)
                await store.add(revision, expected[state.tree])
            else:
                await store.add(revision, delta_between(contents, before, state))
            before = state
        for tree, index in expected.items():
            await compare(store, tree, index)
        await compare_pairs(store, expected)


async def compare_pairs(store: Store, expected: dict[str, Index]) -> None:
    """What differs between any two revisions is what comparing all their closures says."""
    for old, before in expected.items():
        for new, after in expected.items():
            found = await affected_entities(store, old, new)
            assert naive(before, after) == found
            was, now = digests(before.entities), digests(after.entities)
            keys = {one.key for one in found}
            assert keys >= {key for key in was.keys() | now.keys() if was.get(key) != now.get(key)}
            both_fine = {key for key in was.keys() & now.keys() if was[key] and now[key]}
            assert not {key for key in both_fine if was[key] == now[key]} & keys


def naive(before: Index, after: Index) -> list[Affected]:
    """All entities of two revisions compared."""
    old, new = nodes(before), nodes(after)
    return list(affected(old.keys() | new.keys(), old, new))


def nodes(index: Index) -> dict[str, Node]:
    return {
        placed.entity.key: Node(
            key=placed.entity.key,
            type=placed.entity.type,
            title=placed.entity.title,
            path=placed.entity.path,
            tree=placed.entity.tree,
            references=placed.entity.references,
            environment_key=placed.environment_key,
        )
        for placed in index.entities
    }


@PROPERTY
@given(histories(longest=5))
def test_in_memory(states: History) -> None:
    """Entities, diagnostics, relations, closures and comparisons, at every revision."""
    asyncio.run(follow("memory", states, restart_after=2))


@PROPERTY
@given(histories(longest=5))
def test_in_sqlite(states: History) -> None:
    """The same, through the tables of a database."""
    asyncio.run(follow("sqlite", states, restart_after=2))


async def follow_git(states: History) -> None:
    """Commits states one after the other; a catalog follows them, and a fresh one begins there."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.mkdir()
        user_git(data, "init", "-q", "-b", "main")
        async with AsyncExitStack() as stack:
            catalog, store = await catalog_of(data, Path(folder) / "followed", stack)
            seen: dict[str, Index] = {}
            for number, files in enumerate(states):
                for path in user_git(data, "ls-files").splitlines():
                    (data / path).unlink()
                write(data, files)
                user_git(data, "add", "--all")
                user_git(data, "commit", "-q", "--allow-empty", "-m", str(number))
                revision = await catalog.sync()
                fresh, other = await catalog_of(data, Path(folder) / f"fresh{number}", stack)
                assert revision.tree == (await fresh.sync()).tree
                seen[revision.tree] = await everything(other, revision.tree)
                await compare(store, revision.tree, seen[revision.tree])
            for tree, index in seen.items():
                await compare(store, tree, index)


async def catalog_of(data: Path, state: Path, stack: AsyncExitStack) -> tuple[Catalog, Store]:
    git = await store_at(state)
    store = await stack.enter_async_context(
        opened(f"sqlite+aiosqlite:///{state / 'catalog.sqlite'}")
    )
    objects = GitObjects(git)
    stack.push_async_callback(objects.close)
    source = source_of(str(data), ref="main", git=git, timeout=20.0)
    catalog = Catalog(
        source=source,
        objects=objects,
        store=store,
        parse=parse_metadata,
        parse_ontology=parse_ontology,
    )
    return catalog, store


@settings(parent=PROPERTY, max_examples=5)
@given(histories(longest=4))
def test_over_git(states: History) -> None:
    """The same from commits, with git's own differences between trees."""
    asyncio.run(follow_git(states))
