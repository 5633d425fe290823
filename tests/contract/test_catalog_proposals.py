"""Proposals are kept in memory, in SQLite and in PostgreSQL alike, and outlast the index."""

import datetime
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.catalog.domain.commits import Commit
from services.catalog.domain.entities import NEVER
from services.catalog.domain.proposals import Comparison, Proposal, State
from services.catalog.index.sql import opened
from services.catalog.proposals.memory import MemoryProposals
from services.catalog.proposals.ports import Proposals
from services.catalog.proposals.sql import SqlProposals
from services.errors import AlreadyExistsError, NotFoundError
from tests.catalog_records import STORES

NOW = datetime.datetime(2026, 5, 4, 9, 8, 7, 654321, tzinfo=datetime.UTC)


@pytest.fixture(params=STORES)
async def proposals(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Proposals]:
    """An empty store of each kind."""
    if request.param == "memory":
        yield MemoryProposals()
        return
    url = f"sqlite+aiosqlite:///{tmp_path / 'catalog.sqlite'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    async with opened(url) as store:
        sql = SqlProposals(store.engine)
        await sql.open()
        yield sql


def proposal(key: str, **values: object) -> Proposal:
    """A proposal of a branch of its own."""
    base = Proposal(
        key=key,
        url="https://example.org/fork",
        branch=f"branch-{key}",
        title="Title <b> ä \u202e",
        description="two\nlines",
        create_time=NOW,
        refresh_time=NOW,
        comparison=Comparison(
            head="1" * 40,
            main="2" * 40,
            merge_base="3" * 40,
            tree="4" * 40,
            base_tree="5" * 40,
            merged=False,
            conflicts=("a/b", "c\\xff"),
            commits=(Commit(id="1" * 40, time=NOW, author="A <a@b>", subject="ö"),),
            commit_count=7,
        ),
        problem="it is gone",
    )
    return replace(base, **values)  # type: ignore[arg-type]  # names of fields


async def test_a_proposal_comes_back_as_it_went_in(proposals: Proposals) -> None:
    """Every field survives, times with their zones included."""
    await proposals.add(proposal("AAAAA"))
    found = await proposals.get("AAAAA")
    assert proposal("AAAAA") == found
    assert NEVER == found.end_time
    changed = replace(found, state=State.MERGED, end_time=NOW, problem="")
    await proposals.replace(changed)
    assert changed == await proposals.get("AAAAA")


async def test_what_there_is_not(proposals: Proposals) -> None:
    """Unknown keys are refused, and nothing is made of them."""
    with pytest.raises(NotFoundError, match="ZZZZZ"):
        await proposals.get("ZZZZZ")
    with pytest.raises(NotFoundError, match="ZZZZZ"):
        await proposals.replace(proposal("ZZZZZ"))
    assert 0 == await proposals.count(State.OPEN)
    assert [] == list(await proposals.page(state=None, limit=10, offset=0))


async def test_newest_first_in_pages_by_state(proposals: Proposals) -> None:
    """Pages neither repeat nor leave out, whatever becomes of the proposals meanwhile."""
    keys = [f"AAAA{number}" for number in range(5)]
    for key in keys:
        await proposals.add(proposal(key))
    await proposals.replace(proposal(keys[1], state=State.CLOSED))
    pages = [
        [one.key for one in await proposals.page(state=None, limit=2, offset=offset)]
        for offset in (0, 2, 4, 6)
    ]
    assert [["AAAA4", "AAAA3"], ["AAAA2", "AAAA1"], ["AAAA0"], []] == pages
    found = await proposals.page(state=State.OPEN, limit=10, offset=0)
    assert ["AAAA4", "AAAA3", "AAAA2", "AAAA0"] == [one.key for one in found]
    assert (4, 1, 0) == (
        await proposals.count(State.OPEN),
        await proposals.count(State.CLOSED),
        await proposals.count(State.MERGED),
    )


async def test_one_open_proposal_of_each_branch(proposals: Proposals) -> None:
    """A branch is open once; after that is closed it can be proposed again. Keys are unique."""
    await proposals.add(proposal("AAAAA", branch="b"))
    with pytest.raises(AlreadyExistsError, match="proposals/AAAAA"):
        await proposals.add(proposal("BBBBB", branch="b"))
    await proposals.add(proposal("CCCCC", branch="b", url=""))
    await proposals.replace(proposal("AAAAA", branch="b", state=State.CLOSED))
    await proposals.add(proposal("BBBBB", branch="b"))
    with pytest.raises(AlreadyExistsError, match="AAAAA"):
        await proposals.add(proposal("AAAAA", branch="another"))
