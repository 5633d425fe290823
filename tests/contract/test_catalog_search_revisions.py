"""However a revision came about, it is searched as if it were the only one there ever was.

Only the scores may differ: how rare a word is, is counted over all revisions.
"""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.catalog.domain.entities import Placed
from services.catalog.index.memory import MemoryStore
from services.catalog.search.index import TantivyIndex
from services.catalog.search.memory import MemoryStandings
from services.catalog.search.searching import Answer, Search
from tests.catalog_searches import KINDS, Library, item, library

WORDS = ("state", "space", "linear", "Rössler", "pendulum", "cart", "PyTrajectory", "lqr")
QUERIES = (
    "",
    "state",
    "st",
    "linear pendulum",
    '"state space"',
    "cart -lqr",
    "rosler",
    "pendulmu state",
    "traj",
    "a0003",
    "000",
    "zzz",
)
REVISIONS = 8


@pytest.fixture(params=KINDS)
async def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Library]:
    """An empty store of each kind, with a search over it."""
    async with library(request.param, request, tmp_path) as found:
        yield found


def some_entity(chance: random.Random, number: int) -> Placed:
    """An entity of a few words, of which some were there before."""
    words = chance.choices(WORDS, k=6)
    return item(
        f"A{number:04d}",
        " ".join(words[:3]),
        short_description=" ".join(words[3:5]) * chance.randint(0, 1),
        tags=tuple(dict.fromkeys(words[4:])),
        creator=chance.choice(("Ada", "Bob", "")),
        environment=chance.choice(("e1", "e2", "")),
    )


def shown(answer: Answer) -> tuple[object, ...]:
    """All that an answer says, but for the scores."""
    return (
        {
            one.placed.entity.key: (one.placed.entity, one.placed.environment, one.snippets)
            for one in answer.results
        },
        answer.total,
        answer.facets,
        answer.corrections,
    )


@pytest.mark.parametrize("seed", range(3))
async def test_like_the_only_one(shelf: Library, seed: int) -> None:
    """After edits, additions and removals each revision answers as a fresh index of it does."""
    chance = random.Random(seed)  # noqa: S311  # reproducible on purpose
    entities = {number: some_entity(chance, number) for number in range(12)}
    fresh: list[Library] = []
    for number in range(1, REVISIONS + 1):
        for _ in range(chance.randint(0, 4)):
            picked = chance.randrange(15)
            if chance.random() < 0.3:
                entities.pop(picked, None)
            else:
                entities[picked] = some_entity(chance, picked)
        await shelf.add(*entities.values(), number=number)
        alone = MemoryStore()
        search = Search(index=TantivyIndex(MemoryStandings(alone)), store=alone)
        fresh.append(Library(alone, search))
        await fresh[-1].add(*entities.values(), number=number)
    order = list(range(1, REVISIONS + 1))
    chance.shuffle(order)
    for number in order:
        for query in QUERIES:
            wanted = await fresh[number - 1].answer(query, number=number)
            answer = await shelf.answer(query, number=number)
            assert shown(wanted) == shown(answer), (number, query)
