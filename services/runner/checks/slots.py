"""Slots: capacity for one check at a time, and how many checks a runner may hold in all.

A slot is occupied while a check needs a workplace. While its environment is being built, and once
its result is only to be stored, it is free for another check; the bound on all held checks keeps
those from piling up.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable


class Slots:
    """The slots of one runner.

    Args:
        count: Checks that may run at once.
        waiting: Checks that may be held beyond those.
    """

    def __init__(self, count: int, *, waiting: int) -> None:
        self.count = count
        self._most = count + waiting
        self._occupied = 0
        self._held = 0
        self._changed = asyncio.Event()

    @property
    def free(self) -> int:
        """Slots without a check."""
        return self.count - self._occupied

    async def room(self) -> None:
        """Waits until another check could begin at once."""
        await self._until(lambda: self.free > 0 and self._held < self._most)

    def hold(self) -> "Slot":
        """Notes one more check; it has no slot yet."""
        self._change(held=1)
        return Slot(self)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def _enter(self) -> None:
        await self._until(lambda: self.free > 0)
        self._change(occupied=1)

    def _change(self, *, occupied: int = 0, held: int = 0) -> None:
        self._occupied += occupied
        self._held += held
        self._changed.set()


class Slot:
    """The claim of one check on a slot. `end` it exactly once."""

    # Slots and Slot are one thing in two classes.
    # ruff: noqa: SLF001

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._inside = False

    async def enter(self) -> None:
        """Waits for a slot and occupies it."""
        await self._slots._enter()
        self._inside = True

    def free(self) -> None:
        """Nothing runs any more, but the check is still held. Idempotent."""
        if self._inside:
            self._inside = False
            self._slots._change(occupied=-1)

    @contextlib.asynccontextmanager
    async def lent(self) -> AsyncIterator[None]:
        """Frees the slot while the block runs and takes one again after it."""
        self.free()
        yield
        await self.enter()

    def end(self) -> None:
        """The check is no longer held."""
        self.free()
        self._slots._change(held=-1)
