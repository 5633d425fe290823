"""The index keeps its promises in memory, in SQLite and in PostgreSQL alike."""

import contextlib
import datetime
import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.catalog.domain.deltas import Delta, Index
from services.catalog.domain.diagnostics import Diagnostic, Severity
from services.catalog.domain.entities import (
    Entity,
    EntityType,
    Node,
    Placed,
    Reference,
    Relation,
    Revision,
)
from services.catalog.domain.filters import parse_filter
from services.catalog.memory import MemoryStore
from services.catalog.ports import Store
from services.catalog.sql import opened
from services.catalog.tables import schema
from services.errors import UnavailableError


@pytest.fixture(
    params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)],
)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    if request.param == "memory":
        yield MemoryStore()
        return
    url = f"sqlite+aiosqlite:///{tmp_path / 'catalog.sqlite'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    async with opened(url) as sql:
        yield sql


def revision(number: int, **values: object) -> Revision:
    """A revision whose tree id ends with a number."""
    base = Revision(
        tree=f"{number:040x}",
        commit=f"{number + 1000:040x}",
        base_commit=f"{number + 1000:040x}",
        source="/data",
        title="data",
        create_time=datetime.datetime(2026, 5, 4, 9, number, tzinfo=datetime.UTC),
        entity_count=3,
    )
    return replace(base, **values)  # type: ignore[arg-type]  # names of fields


def placed(key: str, *, state: int = 1, environment: str = "", **values: object) -> Placed:
    """An entity; another state has another tree."""
    entity = Entity(
        key=key,
        type=EntityType.SYSTEM_MODEL,
        title=f"Title of {key}",
        path=f"models/{key.lower()}",
        tree=f"{key}{state:035x}",
        metadata={"key": key, "nested": {"a": [1, 2.5, None, "ü"]}},
    )
    return Placed(
        entity=replace(entity, **values),  # type: ignore[arg-type]  # names of fields
        environment=environment,
        environment_key="ENVIR" if environment else "",
    )


def index(*entities: Placed, diagnostics: Sequence[Diagnostic] = ()) -> Index:
    ordered = sorted(entities, key=lambda one: one.entity.key)
    return Index(entities=tuple(ordered), diagnostics=tuple(sorted(diagnostics)))


def diagnostic(path: str, *, line: int = 0, key: str = "", message: str = "m") -> Diagnostic:
    return Diagnostic(
        path=path, line=line, code="missing-name", message=message, remedy="r", key=key
    )


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


async def test_pages_follow_their_key(store: Store) -> None:
    """A page follows its key, in key order, is no longer than asked, and counts all."""
    keys = ["9ZZZZ", "A0000", "AAAAA", "B1B1B", "Z9999"]
    await store.add(revision(1), index(*(placed(key) for key in keys)))
    tree, everything = revision(1).tree, parse_filter("")
    seen, after = [], ""
    while True:
        page = await store.page(tree, everything, after=after, limit=2)
        assert 5 == page.total
        if not page.entities:
            break
        assert len(page.entities) <= 2
        seen += [one.entity.key for one in page.entities]
        after = seen[-1]
    assert keys == seen


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", ["LOREN", "PROBL", "SOLUT"]),
        ("type = system_model", ["LOREN"]),
        ("checkable = true", ["LOREN", "SOLUT"]),
        ("checkable = false", ["PROBL"]),
        ("tag = ocse:Chaos", ["LOREN"]),
        ("tag = ocse:chaos", []),
        ("environment = default_environment", ["LOREN"]),
        ("environment = environments/other_environment", ["SOLUT"]),
        ("path = models", ["LOREN"]),
        ("path = models/lorenz/", ["LOREN"]),
        ("path = mod", []),
        ("path = Models", []),
        ("creator = knöll", ["LOREN", "SOLUT"]),
        ("text = ÄHNLICH", ["PROBL"]),
        ("text = loren", ["LOREN"]),
        ("text = 100%", ["SOLUT"]),
        ("text = 1_0", []),
        ('text = "a AND b"', ["PROBL"]),
        ("text = chaos AND checkable = true", ["LOREN"]),
        ("text = o AND text = ocse", ["LOREN"]),
    ],
)
async def test_filters(store: Store, text: str, keys: list[str]) -> None:
    """Every condition means the same in every store."""
    await store.add(
        revision(1),
        index(
            placed(
                "LOREN",
                title="Lorenz system",
                tags=("ocse:Chaos", "other"),
                path="models/lorenz",
                environment="default_environment",
                creator="Carsten Knöll",
            ),
            placed(
                "PROBL",
                type=EntityType.PROBLEM_SPECIFICATION,
                short_description="ähnlich, a AND b",
                path="problems/p",
            ),
            placed(
                "SOLUT",
                type=EntityType.PROBLEM_SOLUTION,
                title="100% sure",
                path="modelsolutions/s",
                environment="other_environment",
                creator="C. KNÖLL",
            ),
        ),
    )
    page = await store.page(revision(1).tree, parse_filter(text), after="", limit=10)
    assert (keys, len(keys)) == ([one.entity.key for one in page.entities], page.total)


async def test_referrers(store: Store) -> None:
    """Who refers to an entity is known at each revision, by key and field, once each."""

    def refers(key: str, *to: str, state: int = 1) -> Placed:
        references = tuple(Reference(field="method_package_list", key=other) for other in to)
        return placed(key, state=state, references=references)

    await store.add(revision(1), index(refers("AAAAA", "MMMMM"), refers("BBBBB", "MMMMM", "NNNNN")))
    await store.add(revision(2), index(refers("AAAAA", state=2), refers("BBBBB", "MMMMM")))

    def relation(key: str) -> Relation:
        return Relation(
            field="method_package_list",
            key=key,
            title=f"Title of {key}",
            type=EntityType.SYSTEM_MODEL,
        )

    async def referrers(number: int, key: str, *, limit: int = 10) -> tuple[list[Relation], int]:
        page = await store.referrers(revision(number).tree, key, limit=limit)
        return list(page.relations), page.total

    assert ([relation("AAAAA"), relation("BBBBB")], 2) == await referrers(1, "MMMMM")
    assert ([relation("AAAAA")], 2) == await referrers(1, "MMMMM", limit=1)
    assert ([relation("BBBBB")], 1) == await referrers(2, "MMMMM")
    assert ([], 0) == await referrers(2, "AAAAA")
    assert {"AAAAA", "BBBBB"} == await store.dependants(revision(1).tree, ["MMMMM", "XXXXX"])
    assert {"BBBBB"} == await store.dependants(revision(2).tree, ["MMMMM", "NNNNN"])


async def test_users_of_an_environment(store: Store) -> None:
    """Who runs in an environment refers to it, by name or by default, and once."""
    named = placed(
        "AAAAA",
        environment="e_environment",
        references=(Reference(field="compatible_environment", key="ENVIR"),),
    )
    default = placed("BBBBB", environment="e_environment")
    listed = placed(
        "CCCCC", references=(Reference(field="compatible_environment_list", key="ENVIR"),)
    )
    await store.add(revision(1), index(named, default, listed, placed("DDDDD")))
    page = await store.referrers(revision(1).tree, "ENVIR", limit=10)
    assert [
        ("AAAAA", "compatible_environment"),
        ("BBBBB", "compatible_environment"),
        ("CCCCC", "compatible_environment_list"),
    ] == [(one.key, one.field) for one in page.relations]
    assert {"AAAAA", "BBBBB"} == await store.users(revision(1).tree, ["ENVIR", "XXXXX"])
    assert set() == await store.users(revision(1).tree, ["XXXXX"])


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


async def test_nodes(store: Store) -> None:
    """What closures need of entities is what the entities have."""
    references = (
        Reference(field="solved_problem_list", key="ZZZZZ"),
        Reference(field="method_package_list", key="AAAAA"),
    )
    one = placed("AAAAA", environment="e_environment", references=references)
    await store.add(revision(1), index(one, placed("BBBBB")))
    nodes = await store.nodes(revision(1).tree, ["AAAAA", "NOSUC"])
    assert {
        "AAAAA": Node(
            key="AAAAA",
            type=EntityType.SYSTEM_MODEL,
            title="Title of AAAAA",
            path="models/aaaaa",
            tree=one.entity.tree,
            references=references,
            environment_key="ENVIR",
        )
    } == nodes


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


async def test_diagnostics_in_order(store: Store) -> None:
    """Diagnostics come by path and line, in pages, and for one entity alone."""
    found = [
        diagnostic("b/metadata.yml", line=1, key="BBBBB"),
        diagnostic("a/metadata.yml", line=10, key="AAAAA"),
        diagnostic("a/metadata.yml", line=9, key="AAAAA"),
        diagnostic("Z/metadata.yml"),
    ]
    await store.add(revision(1), index(diagnostics=found))
    tree = revision(1).tree
    page = await store.diagnostics(tree, key="", limit=10, offset=0)
    assert [("Z", 0), ("a", 9), ("a", 10), ("b", 1)] == [
        (one.path.partition("/")[0], one.line) for one in page.diagnostics
    ]
    second = await store.diagnostics(tree, key="", limit=2, offset=2)
    assert (page.diagnostics[2:], 4) == (second.diagnostics, second.total)
    own = await store.diagnostics(tree, key="AAAAA", limit=1, offset=0)
    assert (1, 2) == (len(own.diagnostics), own.total)


async def test_many(store: Store) -> None:
    """More rows than fit into one statement."""
    keys = [f"K{number:04d}" for number in range(2500)]
    entities = [placed(key, tags=("t",)) for key in keys]
    await store.add(revision(1), index(*entities))
    changed = [placed(key, state=2) for key in keys[:1500]]
    await store.add(revision(2), index(*changed, *entities[1500:2400]))
    assert 2400 == len(await store.keys(revision(2).tree))
    assert 2500 == len(await store.entities(revision(1).tree, keys))


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
