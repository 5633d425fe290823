"""What is asked of a revision is answered alike in memory, in SQLite and in PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.catalog.domain.entities import (
    EntityType,
    Node,
    Placed,
    Reference,
    Relation,
)
from services.catalog.domain.filters import parse_filter
from services.catalog.ports import Store
from tests.catalog_records import STORES, diagnostic, index, placed, revision, store_of


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    async with store_of(request, tmp_path) as found:
        yield found


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
    code = found[0].code
    assert {code: 4} == page.counts
    assert {code: 2} == own.counts
    other = await store.diagnostics(tree, key="", limit=10, offset=0, codes={"no-such-code"})
    assert ((), 0, {code: 4}) == (other.diagnostics, other.total, other.counts)
    same = await store.diagnostics(tree, key="", limit=2, offset=1, codes={code, "x"})
    assert (page.diagnostics[1:3], 4) == (same.diagnostics, same.total)


async def test_many(store: Store) -> None:
    """More rows than fit into one statement."""
    keys = [f"K{number:04d}" for number in range(2500)]
    entities = [placed(key, tags=("t",)) for key in keys]
    await store.add(revision(1), index(*entities))
    changed = [placed(key, state=2) for key in keys[:1500]]
    await store.add(revision(2), index(*changed, *entities[1500:2400]))
    assert 2400 == len(await store.keys(revision(2).tree))
    assert 2500 == len(await store.entities(revision(1).tree, keys))
