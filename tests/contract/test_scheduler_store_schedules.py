"""What every store promises of schedules, whatever it is made of."""

import dataclasses
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from services.scheduler.domain import machine
from services.scheduler.domain.check import Result, Verdict
from services.scheduler.domain.schedules import Schedule
from services.scheduler.ports.store import Store
from tests.scheduler_stores import KINDS, NOW, RETRIES, SECOND, a_check, claim, empty_store

EVERY_NIGHT = Schedule(id="1" * 32, create_time=NOW, cron="0 2 * * *", filter="tag = x")
OLD = Schedule(
    id="2" * 32,
    create_time=NOW,
    title="old",
    max_age=timedelta(days=7),
    daily_budget=timedelta(hours=1, microseconds=1),
)


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    async with empty_store(request, folder=tmp_path) as opened:
        yield opened


async def test_schedules_stay_until_they_are_deleted(store: Store) -> None:
    """All fields are kept; a firing changes them; a deleted one does not come back."""
    schedules = store.schedules
    await schedules.create(OLD)
    await schedules.create(EVERY_NIGHT)
    assert [EVERY_NIGHT, OLD] == await schedules.list_all()
    fired = dataclasses.replace(
        OLD, last_time=NOW + SECOND, last_run="3" * 32, last_error="x", revision="a" * 40
    )
    await schedules.update(fired)
    assert [EVERY_NIGHT, fired] == await schedules.list_all()
    assert await schedules.delete(OLD.id)
    assert not await schedules.delete(OLD.id)
    await schedules.update(fired)
    assert [EVERY_NIGHT] == await schedules.list_all()


async def test_time_that_a_requester_took(store: Store) -> None:
    """What ran counts as long as it took, what is still to run as long as it is expected to."""
    schedules = store.schedules
    mine = dataclasses.replace(a_check("AAAAA"), requester=OLD.requester, expected_seconds=5.0)
    await store.checks.create(mine)
    ran, _ = await store.checks.create(
        dataclasses.replace(a_check("BBBBB"), requester=OLD.requester, expected_seconds=99.0)
    )
    await store.checks.create(dataclasses.replace(a_check("CCCCC"), expected_seconds=7.0))
    await claim(store, ran)
    await store.checks.update(ran.id, partial(machine.start, attempt=1, now=NOW))
    finish = partial(
        machine.finish,
        attempt=1,
        result=Result(verdict=Verdict.SUCCESS),
        last_sequence=0,
        now=NOW + timedelta(seconds=2.5),
        retries=RETRIES,
    )
    await store.checks.update(ran.id, finish)
    assert 7.5 == await schedules.spent(OLD.requester, since=NOW)
    assert 0.0 == await schedules.spent(OLD.requester, since=NOW + SECOND)
    assert 0.0 == await schedules.spent("nobody", since=NOW)
