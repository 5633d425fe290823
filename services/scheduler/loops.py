"""What runs all the time: outbox relay, dispatcher, reconciler. Woken by bells, never hurried.

Several scheduler processes may run these at once over one database: messages of the same id are
dropped by the broker, and every mark in the store holds only while the check is as it was read.
"""

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from services.errors import UnavailableError
from services.scheduler.bells import Bell, Bells
from services.scheduler.domain import machine
from services.scheduler.domain.check import Runner
from services.scheduler.domain.window import window
from services.scheduler.ports import Broker, Clock, Message, Publication, Store
from services.scheduler.tasks import ended

log = logging.getLogger(__name__)

_BACKSTOP = 1.0
"""Seconds after which a loop looks even if no bell rang: another process may have work for it."""
_RUNNERS_KEPT = 0.25
"""Seconds for which the runners' free slots are not read again."""


async def forever(work: Callable[[], Awaitable[None]], *, bell: Bell, name: str) -> None:
    """Does `work` whenever the bell rings, at least once a second, and survives its errors."""
    while True:
        rings = bell.rings
        try:
            await work()
        except UnavailableError as error:
            log.debug(f"{name}: {error.message}")
            await asyncio.sleep(0.2)
            continue
        except Exception:
            log.exception(f"{name} failed; it goes on")
            await asyncio.sleep(1.0)
        await bell.wait(since=rings, timeout=_BACKSTOP)


class Relay:
    """Publishes what committed transactions left in the outbox."""

    def __init__(self, *, store: Store, broker: Broker) -> None:
        self._store = store
        self._broker = broker

    async def run_once(self) -> None:
        """Empties the outbox.

        Raises:
            UnavailableError: The broker does not answer; the rest stays for later.
        """
        while messages := await self._store.outbox.pending(limit=200):
            # One after the other per check, as watchers want them; checks side by side.
            by_subject: dict[str, list[Message]] = {}
            for message in messages:
                by_subject.setdefault(message.subject, []).append(message)
            done: list[int] = []
            try:
                async with asyncio.TaskGroup() as group:
                    for queue in by_subject.values():
                        group.create_task(self._publish(queue, done))
            except* UnavailableError as failures:
                raise failures.exceptions[0] from None
            finally:
                await self._store.outbox.remove(sorted(done))

    async def _publish(self, messages: Sequence[Message], done: list[int]) -> None:
        for message in messages:
            await self._broker.publish_event(message)
            done.append(message.number)


class Dispatcher:
    """Hands a small window of the queue to JetStream, in the order of the queue."""

    def __init__(
        self,
        *,
        store: Store,
        broker: Broker,
        clock: Clock,
        minimum: int,
        runner_memory: timedelta,
    ) -> None:
        self._store = store
        self._broker = broker
        self._clock = clock
        self._minimum = minimum
        self._runner_memory = runner_memory
        self._runners: tuple[datetime, list[Runner]] | None = None

    async def run_once(self) -> None:
        """Fills the window of each pool and environment.

        Raises:
            UnavailableError: The broker does not answer.
        """
        now = self._clock()
        runners = await self._known(now)
        jobs = await self._store.queue.waiting(
            now=now, window=lambda pool: window(runners, pool=pool, minimum=self._minimum)
        )
        done: list[Publication] = []
        try:
            for job in jobs:
                sequence = await self._broker.publish_job(job)
                done.append(dataclasses.replace(job, sequence=sequence))
        finally:
            # After the publication: if this is lost, the same message id is published again.
            await self._store.queue.mark_published(done, now=now)

    async def _known(self, now: datetime) -> list[Runner]:
        kept = self._runners
        if kept is None or now - kept[0] > timedelta(seconds=_RUNNERS_KEPT):
            listed = await self._store.runners.list_all(since=now - self._runner_memory)
            kept = self._runners = now, listed
        return kept[1]


class Reconciler:
    """Finds what got lost: job messages that are no longer there, and runners that are gone."""

    def __init__(
        self,
        *,
        store: Store,
        broker: Broker,
        clock: Clock,
        bells: Bells,
        pools: Callable[[], Awaitable[Sequence[str]]],
        lease_for: timedelta,
        retries: machine.Retries,
    ) -> None:
        self._store = store
        self._broker = broker
        self._clock = clock
        self._bells = bells
        self._pools = pools
        self._lease_for = lease_for
        self._retries = retries

    async def expire_leases(self) -> None:
        """Ends attempts whose runner was not heard of."""
        now = self._clock()
        for check in await self._store.queue.expired(now=now):
            change = await self._store.checks.update(
                check,
                partial(machine.expire, now=now, lease_for=self._lease_for, retries=self._retries),
            )
            after = change.after
            if after is change.before:
                continue
            log.warning(f"checks/{check}: {after.failed_attempts[-1].reason}")
            self._bells.check_changed(check, announced=after.finished)
            if after.not_before is not None:
                delay = (after.not_before - now).total_seconds()
                asyncio.get_running_loop().call_later(delay, self._bells.queue.ring)

    async def find_lost_jobs(self) -> None:
        """Makes streams and consumers exist, and lets lost job messages be published again.

        Raises:
            UnavailableError: The broker does not answer.
        """
        await self._broker.ensure(pools=await self._pools())
        # Two seconds: longer than a publication takes to be marked, shorter than patience.
        published = await self._store.queue.published(before=self._clock() - timedelta(seconds=2))
        lost = [job for job in published if not await self._broker.has_job(job)]
        if lost:
            log.info(f"{len(lost)} job messages are lost; publishing them again")
            await self._store.queue.unpublish(lost)
            self._bells.queue.ring()

    async def run(self, *, every: float) -> None:
        """Does both again and again, and when a runner registers: its pool may be new."""
        while True:
            rings = self._bells.runners.rings
            for work in (self.expire_leases, self.find_lost_jobs):
                try:
                    await work()
                except UnavailableError as error:
                    log.debug(f"reconciler: {error.message}")
                except Exception:
                    log.exception("reconciler failed; it goes on")
            await self._bells.runners.wait(since=rings, timeout=every)


@contextlib.asynccontextmanager
async def running(*loops: Awaitable[None]) -> AsyncIterator[None]:
    """Runs the loops while the block runs."""
    tasks = [asyncio.ensure_future(loop) for loop in loops]
    try:
        yield
    finally:
        await ended(*tasks)
