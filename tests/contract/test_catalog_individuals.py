"""Entities for graphs come from every kind of store alike."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.catalog.domain.entities import EntityType, Placed, Revision
from services.catalog.domain.indexing.deltas import Index
from services.catalog.domain.ontology.triples import Tagged
from services.catalog.index.memory import MemoryStore
from services.catalog.index.sql import opened
from services.catalog.ontology.memory import StoreIndividuals
from services.catalog.ontology.sql import BATCH, SqlIndividuals
from services.catalog.ports import Individuals, Store
from tests.catalog_searches import KINDS, item

Shelf = tuple[Store, Individuals]


@pytest.fixture(params=KINDS)
async def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shelf]:
    """An empty store of each kind, and what reads its entities."""
    if request.param == "memory":
        memory = MemoryStore()
        yield memory, StoreIndividuals(memory)
        return
    url = f"sqlite+aiosqlite:///{tmp_path / 'catalog.sqlite'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    async with opened(url) as sql:
        yield sql, SqlIndividuals(sql.engine)


async def add(store: Store, number: int, *entities: Placed) -> None:
    """Adds a revision."""
    index = Index(entities=entities, diagnostics=())
    await store.add(Revision(tree=f"{number:040x}", entity_count=len(entities)), index)


async def tagged(individuals: Individuals, number: int) -> list[Tagged]:
    """All that is read of a revision."""
    return [one async for batch in individuals.tagged(f"{number:040x}") for one in batch]


async def test_entities_of_a_revision(shelf: Shelf) -> None:
    """Key, type, title and tags, in the order of keys."""
    store, individuals = shelf
    await add(
        store,
        1,
        item("AAAAA", "First", tags=("ocse:B", "a")),
        item("BBBBB", "Zweite ü\n", type=EntityType.PROBLEM_SOLUTION),
    )

    assert [
        Tagged("AAAAA", "system_model", "First", ("ocse:B", "a")),
        Tagged("BBBBB", "problem_solution", "Zweite ü\n", ()),
    ] == await tagged(individuals, 1)


async def test_each_revision_has_its_own(shelf: Shelf) -> None:
    """Also one that is no longer the current one; an empty one has none."""
    store, individuals = shelf
    await add(store, 1, item("AAAAA", "Old"))
    await add(store, 2, item("AAAAA", "New"), item("BBBBB"))
    await add(store, 3)

    assert ["Old"] == [one.title for one in await tagged(individuals, 1)]
    assert ["New", "Title of BBBBB"] == [one.title for one in await tagged(individuals, 2)]
    assert [] == await tagged(individuals, 3)


async def test_many_entities_come_in_batches(shelf: Shelf) -> None:
    """All of them, each once."""
    store, individuals = shelf
    await add(store, 1, *(item(f"{number:05d}") for number in range(BATCH + 7)))

    assert [f"{number:05d}" for number in range(BATCH + 7)] == [
        one.key for one in await tagged(individuals, 1)
    ]
