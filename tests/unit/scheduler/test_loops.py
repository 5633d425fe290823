"""Relay, dispatcher and reconciler over a store and a broker in memory."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from services.errors import NotClaimableError, UnavailableError
from services.scheduler.domain import machine
from services.scheduler.domain.check import Check, State
from services.scheduler.domain.machine import Retries
from services.scheduler.domain.names import new_id
from services.scheduler.domain.queue import Pause
from services.scheduler.memory.broker import MemoryBroker
from services.scheduler.memory.store import memory_store
from services.scheduler.messages import announce
from services.scheduler.ports.store import Store
from services.scheduler.queue.bells import Bells
from services.scheduler.queue.leases import Leases
from services.scheduler.queue.loops import Dispatcher, Reconciler, Relay
from services.scheduler.queue.pauses import Pauses

LEASE = timedelta(seconds=10)


class World:
    """A store, a broker and loops at a time that the test sets."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.store: Store = memory_store(announce=announce)
        self.broker = MemoryBroker()
        self.pauses = Pauses(store=self.store, clock=lambda: self.now)
        self.relay = Relay(store=self.store, broker=self.broker)
        self.dispatcher = self.another_dispatcher()
        self.reconciler = Reconciler(
            store=self.store,
            broker=self.broker,
            clock=lambda: self.now,
            bells=Bells(),
            pools=self._pools,
        )
        self.leases = Leases(
            store=self.store,
            clock=lambda: self.now,
            bells=Bells(),
            lease_for=LEASE,
            retries=Retries(),
            every=timedelta(seconds=1),
        )

    async def _pools(self) -> list[str]:
        return ["default"]

    def another_dispatcher(self) -> Dispatcher:
        return Dispatcher(
            store=self.store,
            broker=self.broker,
            clock=lambda: self.now,
            minimum=2,
            runner_memory=timedelta(minutes=1),
            pauses=self.pauses,
        )

    async def create(self, entity: str) -> Check:
        check, _ = await self.store.checks.create(
            Check(
                id=new_id(),
                entity=entity,
                revision="a" * 40,
                environment="demo_environment",
                inputs_digest=entity,
                create_time=self.now,
            )
        )
        return check

    async def claim(self, check: Check) -> None:
        await self.store.checks.update(
            check.id,
            partial(
                machine.claim,
                runner="one",
                incarnation="i",
                claim_id=new_id(),
                now=self.now,
                lease_for=LEASE,
            ),
        )

    def published(self) -> list[str]:
        return [job.check for _, job in sorted(self.broker.jobs.items())]


@pytest.fixture
def world() -> World:
    """An empty world."""
    return World()


async def test_only_a_window_is_published_and_refilled(world: World) -> None:
    """Two of three checks are handed over; a claim makes room for the third; none goes twice."""
    checks = [await world.create(entity) for entity in ("AAAAA", "BBBBB", "CCCCC")]
    for _ in range(3):
        await world.dispatcher.run_once()
        world.now += timedelta(seconds=1)  # long enough that publications are noted
    assert [checks[0].id, checks[1].id] == world.published()
    await world.claim(checks[0])
    await world.dispatcher.run_once()
    assert [check.id for check in checks] == world.published()


async def test_a_claim_before_the_note_needs_no_note(world: World) -> None:
    """What was claimed at once is forgotten, and its place is free."""
    first, second, third = [await world.create(e) for e in ("AAAAA", "BBBBB", "CCCCC")]
    await world.dispatcher.run_once()
    await world.claim(first)
    await world.claim(second)
    await world.dispatcher.run_once()
    assert [first.id, second.id, third.id] == world.published()


async def test_lost_jobs_are_published_again(world: World) -> None:
    """When the stream is emptied, its queued checks are handed over anew, under other ids."""
    check = await world.create("AAAAA")
    await world.dispatcher.run_once()
    world.now += timedelta(seconds=1)
    await world.dispatcher.run_once()
    [before] = world.broker.jobs.values()
    world.broker.lose_jobs()
    world.now += timedelta(seconds=5)
    await world.reconciler.find_lost_jobs()
    await world.dispatcher.run_once()
    [after] = world.broker.jobs.values()
    assert (check.id, before.number + 1) == (after.check, after.number)


async def test_waiting_jobs_are_not_published_again(world: World) -> None:
    """A job that is still in the stream, however long, is left alone."""
    check = await world.create("AAAAA")
    for _ in range(5):
        await world.dispatcher.run_once()
        await world.reconciler.find_lost_jobs()
        world.now += timedelta(minutes=5)
    assert [check.id] == world.published()


async def test_a_broker_that_is_away_costs_nothing(world: World) -> None:
    """While it is away nothing is forgotten; when it is back everything is published, once."""
    check = await world.create("AAAAA")
    world.broker.away = True
    for work in (world.relay.run_once, world.dispatcher.run_once, world.reconciler.find_lost_jobs):
        with pytest.raises(UnavailableError):
            await work()
    world.broker.away = False
    for _ in range(2):
        await world.relay.run_once()
        await world.dispatcher.run_once()
    assert [check.id] == world.published()
    assert 1 == len(world.broker.events_by_subject[f"events.{check.id}"])


async def test_a_killed_relay_repeats_only_what_the_broker_drops(world: World) -> None:
    """A relay that starts anew publishes again what was not removed, under the same ids."""
    check = await world.create("AAAAA")
    messages = await world.store.outbox.pending(limit=10)
    await world.broker.publish_event(messages[0])
    await world.relay.run_once()
    assert 1 == len(world.broker.events_by_subject[f"events.{check.id}"])
    assert [] == await world.store.outbox.pending(limit=10)


async def test_expired_leases_are_ended_once(world: World) -> None:
    """A lease that ran out puts its check back, with one failed attempt however often one looks."""
    check = await world.create("AAAAA")
    await world.claim(check)
    world.now += LEASE
    for _ in range(3):
        await world.leases.run_once()
    after = await world.store.checks.get(check.id)
    assert (State.QUEUED, 1) == (after.state, len(after.failed_attempts))


async def test_a_clock_that_leaps_ends_no_lease(world: World) -> None:
    """After an hour between two looks a runner has a whole lease to be heard of, and no longer."""
    check = await world.create("AAAAA")
    await world.claim(check)
    await world.leases.run_once()
    world.now += timedelta(hours=1)
    await world.leases.run_once()
    held = await world.store.checks.get(check.id)
    assert held.lease is not None
    assert (State.PREPARING, world.now + LEASE) == (held.state, held.lease.expires)
    for _ in range(9):
        world.now += timedelta(seconds=1)
        await world.leases.run_once()
        assert State.PREPARING == (await world.store.checks.get(check.id)).state
    world.now += timedelta(seconds=1)
    await world.leases.run_once()
    assert State.QUEUED == (await world.store.checks.get(check.id)).state


async def test_a_broker_that_is_away_keeps_no_lease(world: World) -> None:
    """Leases run out while NATS is away: they are SQL's alone."""
    check = await world.create("AAAAA")
    await world.claim(check)
    world.broker.away = True
    for _ in range(11):
        await world.leases.run_once()
        world.now += timedelta(seconds=1)
    assert State.QUEUED == (await world.store.checks.get(check.id)).state


async def test_a_paused_queue_lets_nothing_start() -> None:
    """Nothing is published nor claimed while its environment is paused; then it goes on."""
    world = World()
    check = await world.create("AAAAA")
    await world.store.policy.pause(
        Pause(
            pool="default",
            environment="demo_environment",
            reason="upgrade",
            create_time=world.now,
        )
    )
    await world.dispatcher.run_once()
    assert not world.broker.jobs
    with pytest.raises(NotClaimableError, match="upgrade"):
        await world.pauses.require_open(check.id)
    await world.store.policy.resume(pool="default", environment="demo_environment")
    world.now += timedelta(seconds=2)  # another process ended the pause
    await world.pauses.require_open(check.id)
    await world.dispatcher.run_once()
    assert [check.id] == [job.check for job in world.broker.jobs.values()]
