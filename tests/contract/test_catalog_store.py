"""The index keeps revisions apart in memory, in SQLite and in PostgreSQL alike."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.catalog.domain.diagnostics import Diagnostic, Severity
from services.catalog.domain.entities import (
    Reference,
)
from services.catalog.domain.indexing.deltas import Delta, Index
from services.catalog.index.sql import opened
from services.catalog.index.tables import schema
from services.catalog.ports import Store
from services.errors import UnavailableError
from tests.catalog_records import STORES, diagnostic, index, placed, revision, store_of


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    async with store_of(request, tmp_path) as found:
        yield found


async def test_empty(store: Store) -> None:
    """An empty store has no revisions, and says so without failing."""
    assert await store.current() is None
    assert await store.revision("0" * 40) is None
    assert [] == await store.revisions(limit=10, offset=0)


async def test_a_revision_comes_back_as_it_went_in(store: Store) -> None:
    """Every field of a revision, an entity and a diagnostic survives, types and zone included."""
    entity = placed(
        "AAAAA",
        environment="default_environment",
        short_description="short",
        creator="Somebody <x{ä}y>",
        creation_date="2026-05-04",
        version="0.1.0",
        tags=("ocse:B", "a"),
        notes="notes\nof two lines",
        estimated_runtime="10s",
        references=(
            Reference(field="solved_problem_list", key="ZZZZZ"),
            Reference(field="compatible_environment", key="ENVIR"),
        ),
    )
    found = Diagnostic(
        path="models/aaaaa/metadata.yml",
        line=3,
        column=7,
        code="dangling-reference",
        field="solved_problem_list",
        message="no entity",
        remedy="add it",
        key="AAAAA",
    )
    wanted = revision(1, dirty=True, ref="main", error_count=1, warning_count=2)
    await store.add(wanted, index(entity, diagnostics=[found]))
    assert wanted == await store.current() == await store.revision(wanted.tree)
    assert {"AAAAA": entity} == await store.entities(wanted.tree, ["AAAAA", "NOSUC"])
    page = await store.diagnostics(wanted.tree, key="", limit=10, offset=0)
    assert ((found,), 1) == (page.diagnostics, page.total)
    assert Severity.ERROR is page.diagnostics[0].severity


async def test_revisions_are_kept_apart(store: Store) -> None:
    """Each revision shows its own entities and diagnostics, however they changed in between."""
    first, second, third = revision(1), revision(2), revision(3)
    old, stays, moved = placed("AAAAA"), placed("BBBBB"), placed("CCCCC")
    wrong = diagnostic("x/metadata.yml")
    await store.add(first, index(old, stays, moved, diagnostics=[wrong]))
    new = placed("AAAAA", state=2, title="New")
    elsewhere = placed("CCCCC", path="elsewhere/c")
    await store.add(second, index(new, stays, elsewhere))
    added = placed("DDDDD")
    await store.add(third, index(old, replace(stays, environment="other"), added))
    keys = ["AAAAA", "BBBBB", "CCCCC", "DDDDD"]
    assert {"AAAAA": old, "BBBBB": stays, "CCCCC": moved} == await store.entities(first.tree, keys)
    assert {"AAAAA": new, "BBBBB": stays, "CCCCC": elsewhere} == await store.entities(
        second.tree, keys
    )
    assert {
        "AAAAA": old,
        "BBBBB": replace(stays, environment="other"),
        "DDDDD": added,
    } == await store.entities(third.tree, keys)
    assert [1, 0, 0] == [
        (await store.diagnostics(each.tree, key="", limit=10, offset=0)).total
        for each in (first, second, third)
    ]
    assert ["AAAAA", "BBBBB", "DDDDD"] == await store.keys(third.tree)
    assert [third, second, first] == await store.revisions(limit=10, offset=0)
    assert [second] == await store.revisions(limit=1, offset=1)


async def test_going_back(store: Store) -> None:
    """An old revision can be the current one again; a later one compares with what is there."""
    first, second, third = revision(1), revision(2), revision(3)
    await store.add(first, index(placed("AAAAA")))
    await store.add(second, index(placed("AAAAA", state=2)))
    again = replace(first, commit="", dirty=True, ref="side")
    await store.set_current(again)
    assert again == await store.current() == await store.revision(first.tree)
    assert [second, again] == await store.revisions(limit=10, offset=0)
    await store.add(third, index(placed("AAAAA", state=2), placed("BBBBB")))
    for tree, state, count in ((first.tree, 1, 1), (second.tree, 2, 1), (third.tree, 2, 2)):
        found = await store.entities(tree, ["AAAAA", "BBBBB"])
        assert count == len(found)
        assert placed("AAAAA", state=state) == found["AAAAA"]


async def test_two_keys_swap_folders(store: Store) -> None:
    """Entities that change places are found under their new keys."""
    await store.add(
        revision(1), index(placed("AAAAA", path="x"), placed("BBBBB", path="y", state=7))
    )
    swapped = (placed("AAAAA", path="y", state=8), placed("BBBBB", path="x", state=9))
    await store.add(revision(2), index(*swapped))
    found = await store.entities(revision(2).tree, ["AAAAA", "BBBBB"])
    assert swapped == (found["AAAAA"], found["BBBBB"])


async def test_a_delta_is_applied(store: Store) -> None:
    """What is new, moved to another environment, gone, noted and resolved is so, and no more."""
    stays, changes, moves, goes = (placed(key) for key in ("AAAAA", "BBBBB", "CCCCC", "DDDDD"))
    old, kept, new = (diagnostic(f"{name}/metadata.yml") for name in "xyz")
    await store.add(
        revision(1), index(stays, changes, moves, goes, diagnostics=[old, kept]), current=True
    )
    changed, added = placed("BBBBB", state=2), placed("EEEEE", tags=("t",))
    delta = Delta(
        base=revision(1).tree,
        placed=(changed, added),
        moved={"CCCCC": ("new_environment", "ENVIR")},
        removed=("DDDDD",),
        noted=(new,),
        resolved=(old,),
    )
    await store.add(revision(2), delta, current=False)
    assert revision(1) == await store.current()
    assert revision(2) == await store.latest()
    keys = ["AAAAA", "BBBBB", "CCCCC", "DDDDD", "EEEEE"]
    moved = replace(moves, environment="new_environment", environment_key="ENVIR")
    assert {"AAAAA": stays, "BBBBB": changed, "CCCCC": moved, "EEEEE": added} == (
        await store.entities(revision(2).tree, keys)
    )
    assert {"AAAAA": stays, "BBBBB": changes, "CCCCC": moves, "DDDDD": goes} == (
        await store.entities(revision(1).tree, keys)
    )
    for number, wanted in ((1, (old, kept)), (2, (kept, new))):
        page = await store.diagnostics(revision(number).tree, key="", limit=10, offset=0)
        assert (wanted, 2) == (page.diagnostics, page.total)
    assert {"BBBBB", "CCCCC", "DDDDD", "EEEEE"} == await store.changed(
        revision(1).tree, revision(2).tree
    )
    assert set() == await store.changed(revision(2).tree, revision(2).tree)


async def test_a_delta_of_another_revision_is_refused(store: Store) -> None:
    """A delta says what it is one of, so that nothing is applied to the wrong state."""
    await store.add(revision(1), index(placed("AAAAA")))
    with pytest.raises(ValueError, match="not of the last"):
        await store.add(revision(2), Delta(base=revision(7).tree, removed=("AAAAA",)))
    assert None is await store.revision(revision(2).tree)


async def test_revisions_are_found_by_the_beginning_of_their_names(store: Store) -> None:
    """By tree and by every commit they were seen with, newest first."""
    first, second = revision(1), revision(2, tree="a" * 40)
    await store.add(first, index())
    await store.add(second, index())
    assert [second] == await store.find("aaaaaaa", limit=5)
    assert [first] == await store.find(first.tree[:39], limit=5)
    assert [first] == await store.find(first.commit, limit=5)
    assert [second, first] == await store.find(first.commit[:36], limit=5)
    assert [second] == await store.find(first.commit[:36], limit=1)
    assert [] == await store.find("abcdef0", limit=5)
    again = replace(first, commit="c" * 40)
    await store.set_current(again)
    assert [again] == await store.find("c" * 7, limit=5)
    assert [again] == await store.find(first.commit, limit=5)


async def test_it_is_there_after_a_restart(tmp_path: Path) -> None:
    """SQLite keeps revisions over a restart."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'catalog.sqlite'}"
    async with opened(url) as store:
        await store.add(revision(1), index(placed("AAAAA")))
    async with opened(url) as store:
        assert revision(1) == await store.current()
        assert ["AAAAA"] == await store.keys(revision(1).tree)


async def test_a_failed_index_leaves_nothing(tmp_path: Path) -> None:
    """A revision that cannot be stored whole is not stored at all."""
    async with opened(f"sqlite+aiosqlite:///{tmp_path / 'catalog.sqlite'}") as store:
        await store.add(revision(1), index(placed("AAAAA")))
        twice = Index(entities=(placed("BBBBB"), placed("BBBBB", path="other")), diagnostics=())
        with pytest.raises(Exception, match="UNIQUE"):
            await store.add(revision(2), twice)
        assert revision(1) == await store.current()
        assert [revision(1)] == await store.revisions(limit=10, offset=0)
        assert ["AAAAA"] == await store.keys(revision(1).tree)


async def test_an_index_of_another_version_is_made_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is derived data: it is dropped, and the log says so."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'catalog.sqlite'}"
    async with opened(url) as store:
        await store.add(revision(1), index(placed("AAAAA")))
        async with store.engine.begin() as connection:
            await connection.execute(sa.update(schema).values(version=0))
    caplog.set_level("INFO")
    async with opened(url) as store:
        assert await store.current() is None
        await store.add(revision(1), index(placed("AAAAA")))
    assert "made anew" in caplog.text
    caplog.clear()
    async with opened(url) as store:
        assert revision(1) == await store.current()
    assert "made anew" not in caplog.text


async def test_an_index_from_before_versions_is_made_anew(tmp_path: Path) -> None:
    """Tables without a version are of another version."""
    path = tmp_path / "catalog.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE revisions (number BIGINT PRIMARY KEY, odd TEXT)")
        connection.commit()
    async with opened(f"sqlite+aiosqlite:///{path}") as store:
        await store.add(revision(1), index(placed("AAAAA")))


async def test_a_database_that_does_not_answer() -> None:
    """It is unavailable; the message does not show the password."""
    with pytest.raises(UnavailableError, match="does not answer") as caught:
        async with opened("postgresql+asyncpg://me:secret@127.0.0.1:9/x"):
            pass
    assert "secret" not in caught.value.message
