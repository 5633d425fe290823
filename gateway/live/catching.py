"""How a reader gets what its hub no longer keeps: a call of its own, of which there are few."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import grpc

from gateway.live.entries import Entry, entry_of
from gateway.live.hub import Hub
from gateway.live.sources import Limits, transient

_TOGETHER_SECONDS = 0.005
"""A page that has something waits so long for more."""
_PATIENCE_SECONDS = 1.0
_RETRY_SECONDS = 0.5


class Slots:
    """Bounds the calls of readers who catch up. One whose reader is busy elsewhere gives way."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._idle: dict[CatchUp, None] = {}
        self._freed = asyncio.Event()

    async def take(self) -> None:
        """Waits for a slot, and takes it."""
        while self._taken >= self._most:
            if self._idle:
                next(iter(self._idle)).drop()
                continue
            self._freed.clear()
            await self._freed.wait()
        self._taken += 1

    def give_back(self) -> None:
        """Frees a slot."""
        self._taken -= 1
        self._freed.set()

    def rest(self, one: "CatchUp", *, resting: bool) -> None:
        """Notes whether the reader of a call is busy with what it got."""
        if resting:
            self._idle[one] = None
            self._freed.set()
        else:
            self._idle.pop(one, None)


class CatchUp:
    """One reader's own call, a page at a time; opened again by its token where it was taken away.

    A page is all that it keeps, so that a reader that takes long costs no more than that.
    """

    def __init__(self, hub: Hub, *, token: str, slots: Slots, limits: Limits) -> None:
        self._hub = hub
        self._token = token
        self._slots = slots
        self._limits = limits
        self._call: Any = None
        self._reading: asyncio.Task[Any] | None = None
        self.complete = False
        """Whether the stream is at its end."""

    async def page(self) -> Sequence[Entry]:
        """Gives what comes next; ends with what the hub knows too, or where nothing comes.

        Raises:
            AioRpcError: The service refuses it, or is away.
        """
        self._slots.rest(self, resting=False)
        try:
            if self._call is None:
                await self._slots.take()
                self._call = self._hub.source.open(self._token)
            return await self._page()
        except grpc.aio.AioRpcError as failure:
            self.drop()
            if not transient(failure) or not self._hub.ring.end:
                raise
            await asyncio.sleep(_RETRY_SECONDS)
            return []
        except BaseException:
            self.drop()
            raise
        finally:
            if self._call is not None:
                self._slots.rest(self, resting=True)

    async def _page(self) -> Sequence[Entry]:
        entries: list[Entry] = []
        size = 0
        while size < self._limits.batch_bytes and self._hub.ring.after(self._token) is None:
            self._reading = self._reading or asyncio.ensure_future(self._call.read())
            waiting: set[asyncio.Future[Any]] = {self._reading}
            if not entries:
                waiting.add(self._hub.news)
            await asyncio.wait(
                waiting,
                timeout=_TOGETHER_SECONDS if entries else _PATIENCE_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not self._reading.done():
                break
            message = self._reading.result()
            self._reading = None
            if message is grpc.aio.EOF:
                self.complete = True
                break
            entry = entry_of(message)
            self._token = entry.token
            entries.append(entry)
            size += len(entry.data)
        return entries

    def drop(self) -> None:
        """Ends the call; the next page opens another one."""
        self._slots.rest(self, resting=False)
        if self._call is None:
            return
        if self._reading is not None:
            self._reading.cancel()
            self._reading.add_done_callback(_forget)
            self._reading = None
        self._call.cancel()
        self._call = None
        self._slots.give_back()


def _forget(task: asyncio.Task[Any]) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        task.exception()
