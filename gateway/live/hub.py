"""One resource's stream, read once and kept for all its readers."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import grpc

from gateway.live.entries import entry_of
from gateway.live.ring import Ring
from gateway.live.sources import Limits, Source, transient

log = logging.getLogger(__name__)

_EVERY_SECONDS = 0.01
_EVERY_SECONDS_PER_READER = 0.0005
"""Readers are woken together and not more often: 200 of them ten times a second. So what a chatty
check costs grows with its readers, and not with its lines times its readers."""

_FIRST_RETRY_SECONDS = 0.1
_LONGEST_RETRY_SECONDS = 2.0


class Follower(Protocol):
    """A reader, as far as its hub is concerned."""

    @property
    def place(self) -> int | None:
        """Where in the ring it goes on; None while it is elsewhere."""
        ...


class Ended:
    """A stream is complete."""


Ending: TypeAlias = Ended | Exception


class Hub:
    """Reads a stream into a ring, and wakes its readers. Nobody waits for the slowest of them."""

    def __init__(
        self,
        source: Source,
        *,
        token: str,
        limits: Limits,
        on_left: Callable[["Hub"], None],
    ) -> None:
        """Begins to read.

        Args:
            source: What.
            token: Where to go on.
            limits: How much is kept, for how long.
            on_left: Called when it has had no reader for a while.
        """
        self.source = source
        self.ring = Ring(limit=limits.ring_bytes, after=token)
        self.ending: Ending | None = None
        """What became of the stream; None while it goes on."""
        self.news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when something came. Take it before looking, then wait for it; never cancel it."""
        self._limits = limits
        self._on_left = on_left
        self._readers: set[Follower] = set()
        self._told = 0.0
        self._telling: asyncio.TimerHandle | None = None
        self._leaving: asyncio.TimerHandle | None = None
        self._taken = asyncio.Event()
        self._waits = True
        self._pumping = asyncio.ensure_future(self._pump(token))

    def add(self, reader: Follower) -> None:
        """Takes up a reader."""
        if self._leaving:
            self._leaving.cancel()
            self._leaving = None
        self._readers.add(reader)
        self.taken()

    def remove(self, reader: Follower) -> None:
        """Lets go of a reader; after the last one it ends, but not at once."""
        self._readers.discard(reader)
        self.taken()
        if not self._readers and self._leaving is None:
            loop = asyncio.get_running_loop()
            self._leaving = loop.call_later(self._limits.linger_seconds, self._on_left, self)

    def taken(self) -> None:
        """Says that a reader went on: there is room for more."""
        self._waits = True
        self._taken.set()

    def close(self) -> None:
        """Ends the call."""
        for timer in (self._telling, self._leaving):
            if timer:
                timer.cancel()
        self._pumping.cancel()

    async def _pump(self, token: str) -> None:
        """Reads to the end; a service that went away is asked again where it stopped."""
        loop = asyncio.get_running_loop()
        wait, since = _FIRST_RETRY_SECONDS, 0.0
        while True:
            call = self.source.open(token)
            try:
                async with contextlib.AsyncExitStack() as stack:
                    stack.callback(call.cancel)
                    while (message := await call.read()) is not grpc.aio.EOF:
                        wait, since = _FIRST_RETRY_SECONDS, 0.0
                        token = await self._take(message) or token
                if self.source.resumes:
                    self._end(Ended())
                    return
                # The present state has no end; its service stops.
            except grpc.aio.AioRpcError as failure:
                since = since or loop.time()
                late = loop.time() - since > self._limits.retry_seconds
                if late or not transient(failure) or not self.ring.end:
                    self._end(failure)
                    return
                log.info(f"{self.source.key}: {failure.code().name}, asking again")
            except Exception as failure:
                log.exception(f"{self.source.key} cannot be read")
                self._end(failure)
                return
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_RETRY_SECONDS)

    async def _take(self, message: Any) -> str:
        entry = entry_of(message)
        self.ring.append(entry)
        self._tell()
        while self._waits and self._all_behind():
            self._taken.clear()
            try:
                async with asyncio.timeout(self._limits.hold_seconds):
                    await self._taken.wait()
            except TimeoutError:
                self._waits = False  # until somebody takes something
        return entry.token

    def _all_behind(self) -> bool:
        """Whether even the fastest reader has half a ring before it.

        Then what is replayed from a log waits for it. One that does not read from the ring now
        waits for what comes into it.
        """
        places = [reader.place for reader in self._readers]
        if not places or None in places:
            return False
        fastest = max(place for place in places if place is not None)
        if fastest < self.ring.first:
            return False
        waiting = self.ring.bytes_before(self.ring.end) - self.ring.bytes_before(fastest)
        return waiting > self._limits.ring_bytes // 2

    def _end(self, ending: Ending) -> None:
        self.ending = ending
        self._wake()

    def _tell(self) -> None:
        if self._telling is not None:
            return
        loop = asyncio.get_running_loop()
        due = self._told + max(_EVERY_SECONDS, len(self._readers) * _EVERY_SECONDS_PER_READER)
        if loop.time() >= due:
            self._wake()
        else:
            self._telling = loop.call_at(due, self._wake)

    def _wake(self) -> None:
        loop = asyncio.get_running_loop()
        self._telling, self._told = None, loop.time()
        news, self.news = self.news, loop.create_future()
        if not news.done():
            news.set_result(None)


class Hubs:
    """The streams that a gateway reads now."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._hubs: dict[str, Hub] = {}

    def __len__(self) -> int:
        return len(self._hubs)

    def join(self, reader: Follower, source: Source, *, token: str) -> Hub:
        """Gives a reader the stream of a source, which begins with the first one's token."""
        hub = self._hubs.get(source.key)
        if hub is None or isinstance(hub.ending, Exception):
            hub = Hub(source, token=token, limits=self.limits, on_left=self._left)
            self._hubs[source.key] = hub
        hub.add(reader)
        return hub

    def close(self) -> None:
        """Ends all."""
        for hub in self._hubs.values():
            hub.close()
        self._hubs.clear()

    def _left(self, hub: Hub) -> None:
        hub.close()
        if self._hubs.get(hub.source.key) is hub:
            del self._hubs[hub.source.key]
