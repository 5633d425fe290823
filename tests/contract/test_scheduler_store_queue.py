"""What every store promises of queue, leases, runners and outbox, whatever it is made of."""

import dataclasses
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from services.scheduler.domain import machine
from services.scheduler.domain.machine import Directive
from services.scheduler.domain.names import new_id
from services.scheduler.ports.store import Store
from tests.scheduler_stores import (
    KINDS,
    NOW,
    RETRIES,
    SECOND,
    a_check,
    a_runner,
    claim,
    empty_store,
)


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    async with empty_store(request, folder=tmp_path) as opened:
        yield opened


# Queue and leases ---------------------------------------------------------------------------------


async def test_the_queue_fills_a_window_in_order(store: Store) -> None:
    """Per environment, as many as there is room for are next, the highest priority first."""
    ids = [(await store.checks.create(a_check(f"A000{n}")))[0].id for n in range(4)]
    urgent, _ = await store.checks.create(a_check("BBBBB", priority=1))
    other, _ = await store.checks.create(a_check("CCCCC", environment="other_environment"))
    jobs = await store.queue.waiting(now=NOW, window=lambda *_: 2)
    assert {urgent.id, ids[0], other.id} == {job.check for job in jobs}
    done = [dataclasses.replace(job, sequence=n) for n, job in enumerate(jobs, start=1)]
    await store.queue.mark_published(done, now=NOW)
    assert not await store.queue.waiting(now=NOW, window=lambda *_: 2)
    await claim(store, urgent)
    jobs = await store.queue.waiting(now=NOW, window=lambda *_: 2)
    assert [ids[1]] == [job.check for job in jobs]


async def test_a_back_off_holds_a_check_back(store: Store) -> None:
    """A check that waits for its next attempt is not published before its time."""
    check, _ = await store.checks.create(a_check())
    await claim(store, check)
    lost = partial(machine.lose, attempt=1, reason="gone", now=NOW, retries=RETRIES)
    await store.checks.update(check.id, lost)
    early = await store.queue.waiting(now=NOW + 0.4 * SECOND, window=lambda *_: 2)
    due = await store.queue.waiting(now=NOW + 0.6 * SECOND, window=lambda *_: 2)
    assert ([], [(check.id, 1)]) == (early, [(job.check, job.attempt) for job in due])


async def test_lost_jobs_are_published_under_a_new_number(store: Store) -> None:
    """A published job that is lost waits again, with another number; an old mark has no effect."""
    await store.checks.create(a_check())
    [job] = await store.queue.waiting(now=NOW, window=lambda *_: 2)
    placed = dataclasses.replace(job, sequence=5)
    await store.queue.mark_published([placed], now=NOW)
    assert not await store.queue.published(before=NOW)
    assert [placed] == await store.queue.published(before=NOW + SECOND)
    await store.queue.unpublish([placed])
    [again] = await store.queue.waiting(now=NOW, window=lambda *_: 2)
    assert (job.number + 1, 0) == (again.number, again.sequence)
    await store.queue.mark_published([placed], now=NOW)
    assert [again] == await store.queue.waiting(now=NOW, window=lambda *_: 2)


async def test_leases_run_out_and_can_be_prolonged(store: Store) -> None:
    """Leases that ran out are found; after a restart all get a grace period, none a shorter one."""
    check, _ = await store.checks.create(a_check())
    claimed = (await claim(store, check)).after
    assert claimed.lease is not None
    end = claimed.lease.expires
    assert [] == await store.queue.expired(now=end - SECOND)
    assert [check.id] == await store.queue.expired(now=end)
    assert 0 == await store.queue.extend_leases(until=end - SECOND)
    assert 1 == await store.queue.extend_leases(until=end + SECOND)
    assert [] == await store.queue.expired(now=end)


# Runners ------------------------------------------------------------------------------------------


async def test_heartbeats_renew_what_the_runner_holds(store: Store) -> None:
    """Each attempt asked about gets its directive; only the runner's own are renewed."""
    held, _ = await store.checks.create(a_check("AAAAA"))
    stopped, _ = await store.checks.create(a_check("BBBBB"))
    await store.runners.register(a_runner())
    for check in (held, stopped):
        await claim(store, check)
    await store.checks.update(stopped.id, partial(machine.cancel, now=NOW))
    until = NOW + timedelta(minutes=1)
    directives = await store.runners.heartbeat(
        runner="one",
        incarnation="first",
        attempts=[(held.id, 1), (stopped.id, 1), (held.id, 2), (new_id(), 1)],
        free_slots=0,
        draining=True,
        now=NOW + SECOND,
        expires=until,
    )
    assert [Directive.CONTINUE, Directive.CANCEL, Directive.STALE, Directive.STALE] == directives
    assert [] == await store.queue.expired(now=until - SECOND)
    [runner] = await store.runners.list_all(since=NOW + SECOND)
    assert (0, True, NOW + SECOND) == (runner.free_slots, runner.draining, runner.heartbeat_time)
    assert sorted([("one", held.id), ("one", stopped.id)]) == await store.runners.held()


async def test_heartbeats_do_not_keep_a_check_for_ever(store: Store) -> None:
    """A lease is not renewed beyond the last expiry that the machine gives."""
    check, _ = await store.checks.create(a_check())
    await store.runners.register(a_runner())
    await claim(store, check)
    await store.checks.update(check.id, partial(machine.start, attempt=1, now=NOW))
    held = await store.checks.get(check.id)
    assert held.lease is not None
    last = machine.last_expiry(held, held.lease)
    for now in (last - SECOND, last + SECOND):
        directives = await store.runners.heartbeat(
            runner="one",
            incarnation="first",
            attempts=[(check.id, 1)],
            free_slots=0,
            draining=False,
            now=now,
            expires=now + timedelta(minutes=1),
        )
        assert [Directive.CONTINUE] == directives
        assert [] == await store.queue.expired(now=last - SECOND)
        assert [check.id] == await store.queue.expired(now=last)


async def test_a_new_incarnation_orphans_the_old_ones_checks(store: Store) -> None:
    """Registering names what died with earlier incarnations, whose heartbeats no longer count."""
    check, _ = await store.checks.create(a_check())
    assert [] == await store.runners.register(a_runner())
    await claim(store, check)
    assert [check.id] == await store.runners.register(a_runner("second"))
    beat = partial(
        store.runners.heartbeat,
        runner="one",
        attempts=[(check.id, 1)],
        free_slots=0,
        draining=False,
        now=NOW,
        expires=NOW + timedelta(hours=1),
    )
    assert await beat(incarnation="first") is None
    assert [Directive.STALE] == await beat(incarnation="second")


# Outbox -------------------------------------------------------------------------------------------


async def test_the_outbox_keeps_order_until_removed(store: Store) -> None:
    """Messages stay, oldest first, until they are removed."""
    ids = [(await store.checks.create(a_check(f"A000{n}")))[0].id for n in range(3)]
    messages = await store.outbox.pending(limit=2)
    assert ids[:2] == [message.message_id.split("/")[0] for message in messages]
    later = await store.outbox.pending(after=messages[-1].number, limit=2)
    assert ids[2:] == [message.message_id.split("/")[0] for message in later]
    await store.outbox.remove([message.number for message in messages])
    [last] = await store.outbox.pending(limit=2)
    assert ids[2] == last.message_id.split("/")[0]
