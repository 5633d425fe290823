"""Whatever stands in metadata and in names of files: every kind of store gives it back."""

import contextlib
import random
import string
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.catalog.domain.entities import Revision
from services.catalog.domain.indexing.deltas import Index
from services.catalog.index.memory import MemoryStore
from services.catalog.index.sql import opened
from services.catalog.ports import Store
from tests.unit.catalog.corpus import file
from tests.unit.catalog.repositories import index_of

REVISION = Revision(tree="0" * 40, source="/data", title="data")
WIDE = "\U0001f600\u6c34\xe4x"


@pytest.fixture(
    params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)],
)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    async with contextlib.AsyncExitStack() as stack:
        if request.param == "memory":
            yield MemoryStore()
            return
        url = f"sqlite+aiosqlite:///{tmp_path / 'catalog.sqlite'}"
        if request.param == "postgres":
            url = request.getfixturevalue("postgres_url")
        yield await stack.enter_async_context(opened(url))


async def kept(store: Store, index: Index) -> None:
    """Adds an index and compares what comes back."""
    await store.add(REVISION, index)
    keys = [placed.entity.key for placed in index.entities]
    page = await store.diagnostics(REVISION.tree, key="", limit=100_000, offset=0)

    assert {placed.entity.key: placed for placed in index.entities} == await store.entities(
        REVISION.tree, keys
    )
    assert sorted(index.diagnostics) == sorted(page.diagnostics)


async def test_generated_files(store: Store) -> None:
    """A corpus of files from right ones to noise can be kept."""
    files = {f"bad/{number}/metadata.yml": file(7, number) for number in range(600)}
    index = index_of(files)

    assert len(index.entities) > 50
    await kept(store, index)


async def test_longest_texts(store: Store) -> None:
    """So can texts of any length, of signs that nothing compresses, in every field."""
    chance = random.Random(7)  # noqa: S311  # nothing secret

    def text(length: int) -> str:
        return "".join(chance.choices(string.ascii_letters + WIDE, k=length))

    lines = "key: AAAAA\ntype: problem_solution\n" + "".join(
        f"{name}: {text(20_000)}\n" for name in ("name", "creator", "version", "notes", "own")
    )
    lists = ("tag_list", "editor_list", "solved_problem_list", "method_package_list")
    lines += "".join(f"{name}:\n- {text(8_000)}\n- {text(600)}\n" for name in lists)
    await kept(store, index_of({"a/metadata.yml": lines}))


async def test_longest_paths(store: Store) -> None:
    """So can names of files and folders, as long as git lets them be."""
    chance = random.Random(8)  # noqa: S311  # nothing secret
    folders = ["".join(chance.choices(string.ascii_letters + WIDE, k=60)) for _ in range(60)]
    entity = "key: {}\ntype: comment\nname: x\n"
    files: dict[str, str | bytes] = {
        f"{'/'.join(folders[:depth])}/metadata.yml": entity.format(f"AAA{depth:02}")
        for depth in (1, 5, 30, 60)
    }
    files |= {f"{'/'.join(folders)}/a:b": "", f"{'/'.join(folders)}/\udce9": ""}
    index = index_of(files, links={f"{'/'.join(folders)}/link": "/" + "x" * 4_000})

    assert {"AAA01", "AAA05"} == {placed.entity.key for placed in index.entities}
    await kept(store, index)
