"""Stores of the scheduler for tests: each kind, empty, and checks to put in."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from services.scheduler.domain import machine
from services.scheduler.domain.check import Check, Limits, Result, Runner, Verdict
from services.scheduler.domain.machine import Retries
from services.scheduler.domain.names import new_id
from services.scheduler.memory.store import memory_store
from services.scheduler.messages import announce
from services.scheduler.ports.store import Change, Store
from services.scheduler.sql import Database, sql_store

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LEASE = timedelta(seconds=10)
RETRIES = Retries()

KINDS = ("memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres))
"""Each kind of store, for a fixture's `params`."""


@contextlib.asynccontextmanager
async def empty_store(request: pytest.FixtureRequest, *, folder: Path) -> AsyncIterator[Store]:
    """Opens an empty store of the kind that the fixture's parameter names."""
    if request.param == "memory":
        yield memory_store(announce=announce)
        return
    url = f"sqlite:///{folder / 'scheduler.sqlite'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    database = Database(url)
    await database.prepare()
    try:
        yield sql_store(database, announce=announce)
    finally:
        await database.close()


def a_check(entity: str = "AAAAA", **fields: object) -> Check:
    """A queued check whose inputs are its entity."""
    check = Check(
        id=new_id(),
        entity=entity,
        revision="a" * 40,
        commit="c" * 40,
        environment="demo_environment",
        inputs_digest=f"digest of {entity}",
        seed=2**32 - 1,
        limits=Limits(wall_seconds=12.5),
        create_time=NOW,
    )
    return dataclasses.replace(check, **fields)  # type: ignore[arg-type]  # names of fields


def a_runner(incarnation: str = "first") -> Runner:
    """A runner that is heard of when checks are made."""
    return Runner(
        id="one",
        incarnation=incarnation,
        pool="default",
        slots=2,
        backend="process",
        runtime_version="1",
        host="here",
        heartbeat_time=NOW,
    )


async def claim(store: Store, check: Check, *, incarnation: str = "first") -> Change:
    """Claims a check for the runner `one`, one second after it was made."""
    return await store.checks.update(
        check.id,
        partial(
            machine.claim,
            runner="one",
            incarnation=incarnation,
            claim_id=new_id(),
            now=NOW + SECOND,
            lease_for=LEASE,
        ),
    )


async def finish(store: Store, check: Check, *, attempt: int = 1, **fields: object) -> Check:
    """Ends an attempt of a claimed check, three seconds after it was made, with success."""
    result = Result(verdict=Verdict.SUCCESS, message="success", payload=b"\x28\x01")
    change = await store.checks.update(
        check.id,
        partial(
            machine.finish,
            attempt=attempt,
            result=dataclasses.replace(result, **fields),  # type: ignore[arg-type]
            last_sequence=7,
            now=NOW + 3 * SECOND,
            retries=RETRIES,
        ),
    )
    return change.after


def without_change(check: Check) -> Check:
    """The check with no number of a change, as it was before it was stored."""
    return dataclasses.replace(check, change=0)


async def finished_after(
    store: Store, entity: str, *, seconds: float, verdict: Verdict = Verdict.SUCCESS
) -> Check:
    """A check that ran for so long."""
    check, _ = await store.checks.create(
        dataclasses.replace(a_check(entity), inputs_digest=new_id())
    )
    await claim(store, check)
    await store.checks.update(check.id, partial(machine.start, attempt=1, now=NOW))
    finish = partial(
        machine.finish,
        attempt=1,
        result=Result(verdict=verdict),
        last_sequence=0,
        now=NOW + timedelta(seconds=seconds),
        retries=RETRIES,
    )
    return (await store.checks.update(check.id, finish)).after


async def given_up(store: Store, entity: str, *, reported: bool) -> Check:
    """A check that was given up: its runner was lost each time, or reported once."""
    check, _ = await store.checks.create(
        dataclasses.replace(a_check(entity), inputs_digest=f"inputs of {entity}")
    )
    for attempt in range(1, RETRIES.attempts + 1):
        later = partial(machine.claim, runner="one", incarnation="first", claim_id=new_id())
        await store.checks.update(
            check.id, partial(later, now=NOW + timedelta(hours=1), lease_for=SECOND)
        )
        if reported and attempt == 1:
            result = Result(verdict=Verdict.INFRASTRUCTURE_ERROR, message="no image")
            end = partial(machine.finish, result=result, last_sequence=0)
        else:
            end = partial(machine.lose, reason="the runner was not heard of for 10 s")
        check = (
            await store.checks.update(
                check.id, partial(end, attempt=attempt, now=NOW, retries=RETRIES)
            )
        ).after
    assert check.result is not None
    assert Verdict.INFRASTRUCTURE_ERROR is check.result.verdict
    return check


async def a_killer(store: Store, entity: str) -> Check:
    """A check that was given up as it lost its runner each time."""
    return await given_up(store, entity, reported=False)
