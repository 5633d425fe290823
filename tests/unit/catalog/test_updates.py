"""An update gives what an index from scratch gives, whatever was edited, in whatever order."""

import asyncio
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings

from services.catalog.domain.diagnostics import Severity
from services.catalog.domain.entities import Revision
from services.catalog.domain.indexing.contents import Contents
from services.catalog.domain.indexing.deltas import Index
from services.catalog.domain.metadata.documents import Document
from services.catalog.index.memory import MemoryStore
from tests.unit.catalog.edits import histories
from tests.unit.catalog.repositories import (
    State,
    delta_between,
    entity_files,
    environment,
    index_of,
)


async def whole(store: MemoryStore, tree: str) -> Index:
    """Everything that a store holds of a revision."""
    entities = await store.entities(tree, await store.keys(tree))
    page = await store.diagnostics(tree, key="", limit=10_000, offset=0)
    return Index(
        entities=tuple(entities[key] for key in sorted(entities)), diagnostics=page.diagnostics
    )


async def follow(states: Sequence[dict[str, str]]) -> None:
    """Indexes states one after the other, and compares each with an index from scratch."""
    contents, before, store = Contents(), None, MemoryStore()
    expected: dict[str, Index] = {}
    for files in states:
        state = State(files)
        if state.tree in expected:
            continue
        delta = delta_between(contents, before, state)
        await store.add(Revision(tree=state.tree), delta)
        expected[state.tree] = index_of(files)
        assert expected[state.tree] == await whole(store, state.tree)
        assert len(expected[state.tree].entities) == contents.entity_count
        assert [expected[state.tree].count(one) for one in Severity] == [
            contents.count(one) for one in Severity
        ]
        before = state
    for tree, index in expected.items():  # every revision still answers as it did
        assert index == await whole(store, tree)


@settings(max_examples=150, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))
@given(histories())
def test_an_update_equals_an_index_from_scratch(states: list[dict[str, str]]) -> None:
    """For edits, renames, deletions, changes of types, environments, ontology and Dockerfiles."""
    asyncio.run(follow(states))


MODEL = entity_files("MMMMM", "system_model")
DEFAULT = environment()
OTHER = environment("OTHER", "other_environment")
WANTS = entity_files("SSSSS", "problem_solution", solved_problem_list="[PPPPP]")
PROBLEM = entity_files("PPPPP", "problem_specification")
COMMENT = "key: AAAAA\ntype: comment\nname: x\n"


@pytest.mark.parametrize(
    "states",
    [
        [MODEL, MODEL | DEFAULT, MODEL | DEFAULT | OTHER, MODEL | OTHER, MODEL],
        [WANTS | DEFAULT, WANTS | DEFAULT | PROBLEM, WANTS | DEFAULT],
        [WANTS | DEFAULT, WANTS | DEFAULT | entity_files("PPPPQ", "problem_specification")],
        [
            WANTS | DEFAULT | PROBLEM,
            WANTS | DEFAULT | {"problem_specifications/ppppp/metadata.yml": "key: [\n"},
            WANTS | DEFAULT | PROBLEM,
        ],
        [
            WANTS | DEFAULT | PROBLEM,
            WANTS | DEFAULT | entity_files("PPPPP", "system_model"),
            WANTS | DEFAULT | PROBLEM | entity_files("PPPPP", "comment"),
        ],
        [
            {"a/metadata.yml": COMMENT},
            dict.fromkeys(("a/metadata.yml", "b/metadata.yml"), COMMENT),
            {"b/metadata.yml": COMMENT},
        ],
        [{"a": "x"}, {"a/metadata.yml": COMMENT}, {"a": "y"}],
    ],
)
async def test_updates_that_touch_others(states: list[dict[str, str]]) -> None:
    """Environments, referrers, misspelt references, rivals, and files in place of folders."""
    await follow(states)


async def test_an_update_reads_what_changed_alone() -> None:
    """Of a thousand entities, one that changes is read, and no other one."""
    files = DEFAULT | {
        path: text
        for number in range(1000)
        for path, text in entity_files(f"K{number:04d}", "system_model").items()
    }
    contents, first = Contents(), State(files)
    delta_between(contents, None, first)
    second = State(files | entity_files("K0500", "system_model", short_description="new"))
    read: list[str] = []
    documents = second.documents

    def counted(ids: Sequence[str]) -> Iterator[tuple[str, Document]]:
        read.extend(ids)
        return documents(ids)

    second.documents = counted  # type: ignore[method-assign]
    delta = delta_between(contents, first, second)
    assert (["K0500"], 1) == ([one.entity.key for one in delta.placed], len(read))
    assert ({}, (), (), ()) == (delta.moved, delta.removed, delta.noted, delta.resolved)
