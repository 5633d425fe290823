"""The broker in memory: for tests, and to show what its port means."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from services.errors import UnavailableError
from services.scheduler.ports.store import Event, EventReader, Message, Publication


class MemoryBroker:
    """A broker of one process. `away` makes it not answer; `lose_jobs` empties its stream."""

    def __init__(self) -> None:
        self.away = False
        self.jobs: dict[int, Publication] = {}
        self.events_by_subject: dict[str, list[Message]] = {}
        self._seen: set[str] = set()
        self._next = 0
        self._arrived = asyncio.Condition()

    def lose_jobs(self) -> None:
        """Forgets all job messages, as when the stream is deleted."""
        self.jobs.clear()

    async def ensure(self, *, pools: Sequence[str]) -> None:
        self._answer()

    async def publish_job(self, job: Publication) -> int:
        self._answer()
        self._next += 1
        self.jobs[self._next] = job
        return self._next

    async def has_job(self, job: Publication) -> bool:
        self._answer()
        return job.sequence in self.jobs

    async def publish_event(self, message: Message) -> None:
        self._answer()
        if message.message_id in self._seen:
            return
        self._seen.add(message.message_id)
        async with self._arrived:
            self.events_by_subject.setdefault(message.subject, []).append(message)
            self._arrived.notify_all()

    @contextlib.asynccontextmanager
    async def events(self, check: str) -> AsyncIterator[EventReader]:
        yield _MemoryEvents(self, f"events.{check}")

    def _answer(self) -> None:
        if self.away:
            raise UnavailableError("the broker is away")


class _MemoryEvents:
    def __init__(self, broker: MemoryBroker, subject: str) -> None:
        self._broker = broker
        self._subject = subject
        self._read = 0

    async def next(self) -> Event:
        def messages() -> list[Message]:
            return self._broker.events_by_subject.get(self._subject, [])

        async with self._broker._arrived:  # noqa: SLF001
            await self._broker._arrived.wait_for(lambda: len(messages()) > self._read)  # noqa: SLF001
        message = messages()[self._read]
        self._read += 1
        _, attempt, sequence = message.message_id.split("/")
        return Event(attempt=int(attempt), sequence=int(sequence), payload=message.payload)
