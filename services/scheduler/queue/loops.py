"""What runs all the time: outbox relay, dispatcher, reconciler. Woken by bells, never hurried.

Several scheduler processes may run these at once over one database: messages of the same id are
dropped by the broker, and every mark in the store holds only while the check is as it was read.
"""

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from services.errors import UnavailableError
from services.scheduler.domain.check import Runner
from services.scheduler.domain.queue import paused
from services.scheduler.domain.window import window
from services.scheduler.ports.store import Broker, Clock, Message, Publication, Store
from services.scheduler.queue.bells import Bell, Bells
from services.scheduler.queue.pauses import Pauses
from services.scheduler.tasks import ended

log = logging.getLogger(__name__)

_BACKSTOP = 1.0
"""Seconds after which a loop looks even if no bell rang: another process may have work for it."""
_MESSAGES = 200
"""Messages of the outbox that are published at a time."""
_TIDY = 0.5
"""Seconds for which notes about what was published are gathered."""
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
    """Publishes what committed transactions left in the outbox.

    What is published is removed from the outbox a little later, many at a time. A process that is
    killed in between publishes some again, which the broker drops.
    """

    def __init__(self, *, store: Store, broker: Broker) -> None:
        self._store = store
        self._broker = broker
        self._after = 0
        self._published: list[int] = []
        self._removed = 0.0

    async def run_once(self) -> None:
        """Publishes all there is.

        Raises:
            UnavailableError: The broker does not answer; the rest stays for later.
        """
        more = True
        while more:
            messages = await self._store.outbox.pending(after=self._after, limit=_MESSAGES)
            more = len(messages) == _MESSAGES  # else the bell rings for what comes after
            if not messages:
                break
            # One after the other per check, as watchers want them; checks side by side.
            by_subject: dict[str, list[Message]] = {}
            for message in messages:
                by_subject.setdefault(message.subject, []).append(message)
            try:
                async with asyncio.TaskGroup() as group:
                    for queue in by_subject.values():
                        group.create_task(self._publish(queue))
            except* UnavailableError as failures:
                raise UnavailableError(str(failures.exceptions[0])) from None
            self._after = messages[-1].number
        if self._published and time.monotonic() - self._removed > _TIDY:
            self._removed = time.monotonic()
            done, self._published = self._published, []
            await self._store.outbox.remove(sorted(done))

    async def _publish(self, messages: Sequence[Message]) -> None:
        for message in messages:
            await self._broker.publish_event(message)
            self._published.append(message.number)


class Dispatcher:
    """Hands a small window of the queue to JetStream, in the order of the queue.

    That a job is published is noted in the store only if it is not claimed soon, which most are. A
    process that is killed in between publishes some again, which the broker drops.
    """

    def __init__(
        self,
        *,
        store: Store,
        broker: Broker,
        clock: Clock,
        minimum: int,
        runner_memory: timedelta,
        pauses: Pauses,
    ) -> None:
        self._store = store
        self._broker = broker
        self._clock = clock
        self._pauses = pauses
        self._minimum = minimum
        self._runner_memory = runner_memory
        self._runners: tuple[datetime, list[Runner]] | None = None
        self._out: dict[Publication, tuple[datetime, int]] = {}
        """Published and not noted yet: since when, and where the messages lie."""

    async def run_once(self) -> None:
        """Fills the window of each pool and environment.

        Raises:
            UnavailableError: The broker does not answer.
        """
        now = self._clock()
        runners = await self._known(now)
        pauses = await self._pauses.all()

        def size(pool: str, environment: str) -> int:
            if paused(pauses, pool=pool, environment=environment):
                return 0
            return window(runners, pool=pool, minimum=self._minimum)

        jobs = await self._store.queue.waiting(now=now, window=size)
        # What does not wait any more was claimed or cancelled, or is noted.
        self._out = {job: self._out[job] for job in jobs if job in self._out}
        for job in jobs:
            if job not in self._out:
                self._out[job] = now, await self._broker.publish_job(job)
        late = {
            job: sequence
            for job, (since, sequence) in self._out.items()
            if now - since > timedelta(seconds=_TIDY)
        }
        if late:
            await self._store.queue.mark_published(
                [dataclasses.replace(job, sequence=sequence) for job, sequence in late.items()],
                now=now,
            )

    async def _known(self, now: datetime) -> list[Runner]:
        kept = self._runners
        if kept is None or now - kept[0] > timedelta(seconds=_RUNNERS_KEPT):
            listed = await self._store.runners.list_all(since=now - self._runner_memory)
            kept = self._runners = now, listed
        return kept[1]


class Reconciler:
    """Finds job messages that got lost."""

    def __init__(
        self,
        *,
        store: Store,
        broker: Broker,
        clock: Clock,
        bells: Bells,
        pools: Callable[[], Awaitable[Sequence[str]]],
    ) -> None:
        self._store = store
        self._broker = broker
        self._clock = clock
        self._bells = bells
        self._pools = pools

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
        """Does so again and again, and when a runner registers: its pool may be new."""
        while True:
            rings = self._bells.runners.rings
            try:
                await self.find_lost_jobs()
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
