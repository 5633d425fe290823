"""What every database promises of the changes of checks, and what watchers are told of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.scheduler.checks.activity import Activity, WatchActivity
from services.scheduler.domain.check import Check
from services.scheduler.messages import announce
from services.scheduler.ports.activity import Change
from services.scheduler.ports.store import Store
from services.scheduler.queue.bells import Bells
from services.scheduler.sql import Database, sql_store
from services.scheduler.sql.activity import SqlChanges
from tests.scheduler_stores import NOW, SECOND, a_check, claim, finish


@dataclass
class Kept:
    """A store, and its changes."""

    store: Store
    changes: SqlChanges

    async def number(self, check: Check) -> int:
        """Number of the last change of a check."""
        return (await self.store.checks.get(check.id)).change


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    """An empty store of each kind."""
    url = f"sqlite:///{tmp_path / 'scheduler.sqlite'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    database = Database(url)
    await database.prepare()
    try:
        yield Kept(sql_store(database, announce=announce), SqlChanges(database))
    finally:
        await database.close()


async def test_the_last_change_of_each_check(kept: Kept) -> None:
    """Each check that changed after a number comes once, with its last change, in order."""
    assert 0 == await kept.changes.newest()
    first, _ = await kept.store.checks.create(a_check("AAAAA"))
    second, _ = await kept.store.checks.create(a_check("BBBBB"))
    begun = await kept.changes.newest()
    assert [
        Change(number=await kept.number(first), entity="AAAAA", finished=False, time=NOW),
        Change(number=await kept.number(second), entity="BBBBB", finished=False, time=NOW),
    ] == await kept.changes.after(0, limit=10)
    assert await kept.number(second) == begun

    await claim(kept.store, first)
    await finish(kept.store, first)
    ended = await kept.number(first)

    assert [
        Change(number=ended, entity="AAAAA", finished=True, time=NOW + 3 * SECOND)
    ] == await kept.changes.after(begun, limit=10)
    assert ["BBBBB"] == [one.entity for one in await kept.changes.after(0, limit=1)]
    assert ended == await kept.changes.newest()


async def test_a_watcher_is_told(kept: Kept) -> None:
    """First where it stands, then what changed since: many changes as one."""
    check, _ = await kept.store.checks.create(a_check("AAAAA"))
    bells = Bells()
    watch = WatchActivity(changes=kept.changes, bells=bells, clock=lambda: NOW)
    async with contextlib.aclosing(watch.follow()) as activities:
        assert Activity(
            change=await kept.number(check), read_time=NOW, entities=["AAAAA"], finished=[]
        ) == await anext(activities)
        coming = asyncio.ensure_future(anext(activities))
        await asyncio.sleep(0)
        await kept.store.checks.create(a_check("BBBBB"))
        await claim(kept.store, check)
        await finish(kept.store, check)
        bells.check_changed(check.id, announced=True)
        async with asyncio.timeout(5):
            told = await coming
    assert await kept.number(check) == told.change
    assert ["AAAAA", "BBBBB"] == told.entities
    assert ["AAAAA"] == told.finished
    assert not told.more
