"""What reading the source promises to those who ask at once, and to those who follow."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from services.catalog.domain.entities import Revision
from services.catalog.index.synchronisation import Announcement, Synchronisation
from services.errors import SourceError


def revision(number: int) -> Revision:
    """A revision like no other."""
    return Revision(tree=f"{number:040x}")


class Readings:
    """A source whose readings the test ends one by one."""

    def __init__(self) -> None:
        self.begun = 0
        self.running = 0
        self.most = 0
        self.failure: Exception | None = None
        self._gate = asyncio.Semaphore(0)
        self._begins = asyncio.Condition()

    async def read(self) -> Revision:
        """A reading; its revision is its number."""
        self.begun += 1
        number = self.begun
        self.running += 1
        self.most = max(self.most, self.running)
        async with self._begins:
            self._begins.notify_all()
        try:
            await self._gate.acquire()
        finally:
            self.running -= 1
        if self.failure:
            raise self.failure
        return revision(number)

    async def until_begun(self, count: int) -> None:
        """Waits until so many readings have begun."""
        async with asyncio.timeout(5), self._begins:
            await self._begins.wait_for(lambda: self.begun >= count)

    def finish(self, count: int = 1) -> None:
        """Lets readings end."""
        for _ in range(count):
            self._gate.release()


@pytest.fixture
def readings() -> Readings:
    """A source that is read."""
    return Readings()


@pytest.fixture
async def synchronisation(readings: Readings) -> AsyncIterator[Synchronisation]:
    """Reads `readings`."""
    made = Synchronisation(readings.read, Announcement())
    yield made
    await made.close()


async def test_one_reading_runs_and_one_waits(
    readings: Readings, synchronisation: Synchronisation
) -> None:
    """However many ask during a reading, one more follows; it began after all of them asked."""
    first = asyncio.create_task(synchronisation.sync())
    await readings.until_begun(1)
    others = [asyncio.create_task(synchronisation.sync()) for _ in range(100)]
    readings.finish(2)

    assert revision(1) == await first
    assert {revision(2)} == set(await asyncio.gather(*others))
    assert (2, 1) == (readings.begun, readings.most)


async def test_who_gives_up_stops_nobody(
    readings: Readings, synchronisation: Synchronisation
) -> None:
    """A caller whose deadline is over leaves the reading to the others."""
    hasty = asyncio.create_task(synchronisation.sync())
    await readings.until_begun(1)
    hasty.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await hasty
    patient = asyncio.create_task(synchronisation.sync())
    readings.finish(2)

    assert revision(2) == await patient


async def test_a_failure_is_told_to_all_and_not_kept(
    readings: Readings, synchronisation: Synchronisation
) -> None:
    """All who asked learn why; the next one tries again."""
    readings.failure = SourceError("gone")
    asking = [asyncio.create_task(synchronisation.sync()) for _ in range(3)]
    readings.finish(2)
    for answer in asking:
        with pytest.raises(SourceError, match="gone"):
            await answer
    readings.failure = None

    assert revision(readings.begun + 1) == await synchronisation.sync()


async def test_closing_stops_what_runs_and_waits(
    readings: Readings, synchronisation: Synchronisation
) -> None:
    """Nothing outlives the service."""
    asking = [asyncio.create_task(synchronisation.sync())]
    await readings.until_begun(1)
    asking.append(asyncio.create_task(synchronisation.sync()))
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await synchronisation.close()
        await asyncio.gather(*asking, return_exceptions=True)

    assert 0 == readings.running
    assert all(answer.cancelled() for answer in asking)


# Readers ------------------------------------------------------------------------------------------


async def collected(announcement: Announcement, into: list[str]) -> None:
    """Reads to the end."""
    async for found in announcement.revisions():
        into.append(found.tree)  # noqa: PERF401  # each as it comes


async def test_readers_get_the_present_one_and_each_change() -> None:
    """The present revision comes at once, a change when it happens, and no repetition of one."""
    announcement = Announcement()
    early: list[str] = []
    reading = asyncio.create_task(collected(announcement, early))
    for number in (1, 1, 2, 2):
        await asyncio.sleep(0)
        announcement.tell(revision(number))
    late = announcement.revisions()

    assert revision(2) == await anext(late)
    await asyncio.sleep(0)
    announcement.close()
    async with asyncio.timeout(5):
        await reading
    assert [revision(number).tree for number in (1, 2)] == early


async def test_slow_readers_skip() -> None:
    """Who is not ready misses what is no longer current, and delays nobody."""
    announcement = Announcement()
    announcement.tell(revision(0))
    slow = announcement.revisions()
    assert revision(0) == await anext(slow)
    for number in range(1, 1000):
        announcement.tell(revision(number))

    assert revision(999) == await anext(slow)


async def test_thousand_readers_are_told() -> None:
    """Each of many readers gets every change it is ready for, and all end together."""
    announcement = Announcement()
    announcement.tell(revision(1))
    seen: list[list[str]] = [[] for _ in range(1000)]
    readers = [asyncio.create_task(collected(announcement, into)) for into in seen]
    for number in (2, 3):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        announcement.tell(revision(number))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    announcement.close()
    async with asyncio.timeout(5):
        await asyncio.gather(*readers)

    assert all([revision(n).tree for n in (1, 2, 3)] == found for found in seen)


async def test_readers_end_also_where_there_never_was_a_revision() -> None:
    """A reader that waits for the first index ends with the service."""
    announcement = Announcement()
    seen: list[str] = []
    reading = asyncio.create_task(collected(announcement, seen))
    await asyncio.sleep(0)
    announcement.close()
    async with asyncio.timeout(5):
        await reading
    await collected(announcement, seen)

    assert [] == seen
