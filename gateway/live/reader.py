"""One reader's way through a stream: from the ring where it can, by itself where it must."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import grpc

from gateway.live.catching import CatchUp, Slots
from gateway.live.entries import Entry
from gateway.live.hub import Ended, Ending, Hub, Hubs
from gateway.live.sources import Source


@dataclass(frozen=True, kw_only=True)
class Lost:
    """What can no longer be had."""

    events: int
    """How many messages; 0 where that is not known."""
    token: str
    """Where the reader goes on."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What a reader gets at a time."""

    entries: Sequence[Entry] = ()
    lost: Lost | None = None
    """What is missing before `entries`."""
    ending: Ending | None = None
    """Set with the last batch."""


class Reader:
    """A cursor on a stream. Every message comes once and in order, however slow the reader is."""

    def __init__(
        self,
        hubs: Hubs,
        slots: Slots,
        source: Source,
        *,
        token: str,
        on_close: Callable[["Reader"], None],
    ) -> None:
        """Joins; close it afterwards.

        Args:
            hubs: Where streams are shared.
            slots: Of those that catch up.
            source: The stream.
            token: Where to go on; empty: from the beginning.
            on_close: Told when it is closed.
        """
        self.source = source
        self.token = token
        """Of the last entry that it gave."""
        self._hubs = hubs
        self._slots = slots
        self._on_close = on_close
        self._place: int | None = None
        self._left_at: int | None = None  # the place in the ring where it fell behind
        self._own: CatchUp | None = None
        self._proved = not token
        self._hub: Hub = hubs.join(self, source, token=token)
        if source.from_now and not token:
            self.token, self._place = self._hub.ring.last, self._hub.ring.end

    @property
    def place(self) -> int | None:
        """Where in the ring it goes on; None while it catches up."""
        return self._place

    def close(self) -> None:
        """Leaves."""
        if self._own is not None:
            self._own.drop()
        self._hub.remove(self)
        self._on_close(self)

    async def next(self) -> Batch:
        """Waits for what comes next."""
        while True:
            batch = await (self._shared() if self._joined() else self._alone())
            if batch is not None:
                if batch.entries:
                    self.token = batch.entries[-1].token or self.token
                    self._proved = True
                return batch

    def _joined(self) -> bool:
        """Whether it reads from the ring now."""
        ring = self._hub.ring
        if self._place is not None and self._place < ring.first:  # it was too slow
            self._left_at = self._place
            self._place = None
        if self._place is None:
            if not self.source.resumes:  # each message is the whole state: the last one will do
                self._place = max(ring.first, ring.end - 1)
            else:
                self._place = ring.after(self.token)
            if self._place is not None and self._own is not None:
                self._own.drop()
                self._own = None
        return self._place is not None

    async def _shared(self) -> Batch | None:
        hub = self._hub
        place = self._place or 0
        news = hub.news
        entries = hub.ring.read(place, limit=self._hubs.limits.batch_bytes)
        if entries:
            self._place = place + len(entries)
            hub.taken()
            return Batch(entries=entries)
        if hub.ending is not None:
            return Batch(ending=hub.ending)
        await asyncio.wait({news})
        return None

    async def _alone(self) -> Batch | None:
        if self.source.from_now and not self.token:  # a call of its own would begin later
            return self._skipped()
        if self._own is None:
            self._own = CatchUp(
                self._hub, token=self.token, slots=self._slots, limits=self._hubs.limits
            )
            self._hub.taken()
        try:
            entries = await self._own.page()
        except grpc.aio.AioRpcError as failure:
            return self._refused(failure)
        if entries:
            return Batch(entries=entries)
        return Batch(ending=Ended()) if self._own.complete else None

    def _refused(self, failure: grpc.aio.AioRpcError) -> Batch:
        """Goes on with what the ring has where what came before is gone for good."""
        ring = self._hub.ring
        if not self._proved or ring.end == ring.first or self._left_at is None:
            return Batch(ending=failure)
        return self._skipped()

    def _skipped(self) -> Batch:
        ring = self._hub.ring
        lost = Lost(events=ring.first - (self._left_at or 0), token=ring.before)
        self.token, self._place, self._own = ring.before, ring.first, None
        return Batch(lost=lost)
