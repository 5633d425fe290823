"""Slots: capacity for one check at a time, and how many checks a runner may hold in all.

A slot is held while a check needs a workplace. While its environment is being built, and once its
result is only to be stored, the slot is free for another check; the bound on all held checks keeps
those from piling up.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Slots:
    """The slots of one runner.

    Args:
        count: Checks that may run at once.
        waiting: Checks that may be held beyond those.
    """

    def __init__(self, count: int, *, waiting: int) -> None:
        self.count = count
        self._running = asyncio.Semaphore(count)
        self._held = asyncio.Semaphore(count + waiting)
        self._taken = 0

    @property
    def free(self) -> int:
        """Slots without a check."""
        return self.count - self._taken

    async def take(self) -> "Slot":
        """Waits for a slot."""
        await self._held.acquire()
        try:
            await self._enter()
        except BaseException:
            self._held.release()
            raise
        return Slot(self)

    async def _enter(self) -> None:
        await self._running.acquire()
        self._taken += 1

    def _leave(self) -> None:
        self._taken -= 1
        self._running.release()

    def _drop(self) -> None:
        self._held.release()


class Slot:
    """One slot that was taken. `end` it exactly once."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._inside = True

    def free(self) -> None:
        """Nothing runs any more, but the check is still held. Idempotent."""
        if self._inside:
            self._inside = False
            self._slots._leave()  # noqa: SLF001  # the two classes are one thing

    @contextlib.asynccontextmanager
    async def lent(self) -> AsyncIterator[None]:
        """Frees the slot while the block runs and takes one again after it."""
        self.free()
        yield
        await self._slots._enter()  # noqa: SLF001
        self._inside = True

    def end(self) -> None:
        """The check is no longer held."""
        self.free()
        self._slots._drop()  # noqa: SLF001
