"""Server-sent events of one or more streams on one connection."""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from typing import Any, Protocol
from urllib.parse import quote

from starlette.types import Receive, Scope, Send

from gateway import failures
from gateway.live.entries import Entry
from gateway.live.hub import Ended, Ending
from gateway.live.reader import Batch, Lost, Reader

KEEP_ALIVE_SECONDS = 15.0
"""A comment is sent after so long a silence, so that nothing between takes the stream for dead."""

FIRST_MESSAGE_SECONDS = 1.0
"""So long the status line waits for the first message, so that early failures have their status."""

ABORT = "ackrep.abort"
"""Key of an ASGI scope: what cuts the connection without waiting for what is still to be sent."""

HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)
BEGIN = b"retry: 1000\n: connected\n\n"
KEEP_ALIVE = b": keep-alive\n\n"
END = b"event: end\ndata: {}\n\n"


class Form(Protocol):
    """How the events of a connection look."""

    def entry(self, reader: Reader, entry: Entry) -> bytes:
        """One message."""
        ...

    def lost(self, reader: Reader, lost: Lost) -> bytes:
        """What can no longer be had."""
        ...

    def ended(self, reader: Reader, ending: Ending) -> bytes:
        """The end of one stream, or its failure."""
        ...

    def end(self) -> bytes:
        """The end of all."""
        ...


class Single:
    """One stream: `id` is the message's resume token, `data` the message."""

    def __init__(self, *, errors: bool) -> None:
        self._errors = errors

    def entry(self, reader: Reader, entry: Entry) -> bytes:
        data = entry.seen(errors=self._errors)
        if data is None:
            return b""
        line = f"id: {entry.token}\n".encode() if entry.token else b""
        return b"%sdata: %s\n\n" % (line, data)

    def lost(self, reader: Reader, lost: Lost) -> bytes:
        return b'event: gap\nid: %s\ndata: {"events":"%d"}\n\n' % (lost.token.encode(), lost.events)

    def ended(self, reader: Reader, ending: Ending) -> bytes:
        return END if isinstance(ending, Ended) else failure_event(ending)

    def end(self) -> bytes:
        return b""


class Several:
    """Streams of several topics: `data` says which, `id` is where all of them stand."""

    def __init__(
        self, readers: Sequence[Reader], topics: Sequence[str], shown: Sequence[bool]
    ) -> None:
        """Names the readers.

        Args:
            readers: In the order of the `id`.
            topics: How each is called.
            shown: Whether each is read by somebody who may see errors in it.
        """
        self._tokens = {reader: quote(reader.token, safe="") for reader in readers}
        self._topics = dict(zip(readers, topics, strict=True))
        self._shown = dict(zip(readers, shown, strict=True))

    def entry(self, reader: Reader, entry: Entry) -> bytes:
        if entry.token:
            self._tokens[reader] = quote(entry.token, safe="")
        data = entry.seen(errors=self._shown[reader])
        if data is None:
            return b""
        return b'%sdata: {"topic":"%s","token":"%s","event":%s}\n\n' % (
            self._id(),
            self._topics[reader].encode(),
            self._tokens[reader].encode(),
            data,
        )

    def lost(self, reader: Reader, lost: Lost) -> bytes:
        self._tokens[reader] = quote(lost.token, safe="")
        facts = {"topic": self._topics[reader], "token": lost.token, "events": str(lost.events)}
        return b"event: gap\n%sdata: %s\n\n" % (self._id(), json.dumps(facts).encode())

    def ended(self, reader: Reader, ending: Ending) -> bytes:
        facts: dict[str, Any] = {"topic": self._topics[reader]}
        if isinstance(ending, Ended):
            return b"event: complete\ndata: %s\n\n" % json.dumps(facts).encode()
        facts |= failures.describe(ending)[1]
        return b"event: failed\ndata: %s\n\n" % json.dumps(facts, ensure_ascii=False).encode()

    def end(self) -> bytes:
        return END

    def _id(self) -> bytes:
        return b"id: %s\n" % ",".join(self._tokens.values()).encode()


def failure_event(failure: Exception) -> bytes:
    """Formats a failure as the last event."""
    _, body = failures.describe(failure)
    return f"event: error\ndata: {json.dumps(body, ensure_ascii=False)}\n\n".encode()


class StalledError(Exception):
    """The other side took nothing for too long."""


class Feed:
    """Answers one HTTP request with what its readers get, and closes them with it."""

    def __init__(
        self,
        readers: Sequence[Reader],
        form: Form,
        *,
        closing: asyncio.Event,
        stall_seconds: float,
        keep_alive: float = KEEP_ALIVE_SECONDS,
        early: bool = False,
        among: set["Feed"] | None = None,
    ) -> None:
        """Prepares an answer.

        Args:
            readers: Of which streams.
            form: How events look.
            closing: Set when the gateway stops.
            stall_seconds: So long the other side may take nothing.
            keep_alive: Seconds of silence after which a comment is sent.
            early: Whether a failure before the first message is the answer's own status.
            among: Holds it as long as it is open.
        """
        self._readers = readers
        self._form = form
        self._closing = closing
        self._stall_seconds = stall_seconds
        self._keep_alive = keep_alive
        self._early = early
        self._among = set() if among is None else among

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends until all streams ended or the client is gone.

        Raises:
            Exception: What a stream failed with before anything was sent.
        """
        coming: dict[asyncio.Future[Any], Reader] = {
            asyncio.ensure_future(reader.next()): reader for reader in self._readers
        }
        gone: asyncio.Future[Any] = asyncio.ensure_future(disconnected(receive))
        shutdown: asyncio.Future[Any] = asyncio.ensure_future(self._closing.wait())
        self._among.add(self)
        try:
            if self._early:
                await asyncio.wait(
                    {*coming, gone},
                    timeout=FIRST_MESSAGE_SECONDS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for first in coming:
                    if first.done() and isinstance(ending := first.result().ending, Exception):
                        raise ending
            await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
            with contextlib.suppress(StalledError):
                await self._follow(coming, {gone, shutdown}, scope, send)
        finally:
            self._among.discard(self)
            for task in (*coming, gone, shutdown):
                task.cancel()
            await asyncio.gather(*coming, gone, shutdown, return_exceptions=True)
            for reader in self._readers:
                reader.close()

    async def _follow(
        self,
        coming: dict[asyncio.Future[Any], Reader],
        leaving: set[asyncio.Future[Any]],
        scope: Scope,
        send: Send,
    ) -> None:
        await self._send(BEGIN, scope, send)
        while coming:
            done, _ = await asyncio.wait(
                {*coming, *leaving},
                timeout=self._keep_alive,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if done & leaving:  # on shutdown without `end`: the client goes on at the next gateway
                await self._send(b"", scope, send, last=True)
                return
            chunks = [] if done else [KEEP_ALIVE]
            for task in done:
                reader = coming.pop(task)
                batch = task.result()
                chunks += self._chunks(reader, batch)
                if batch.ending is None:
                    coming[asyncio.ensure_future(reader.next())] = reader
            await self._send(b"".join(chunks), scope, send)
        await self._send(self._form.end(), scope, send, last=True)

    def _chunks(self, reader: Reader, batch: Batch) -> list[bytes]:
        chunks = [self._form.lost(reader, batch.lost)] if batch.lost else []
        chunks += [self._form.entry(reader, entry) for entry in batch.entries]
        if batch.ending is not None:
            chunks.append(self._form.ended(reader, batch.ending))
        return chunks

    async def _send(self, body: bytes, scope: Scope, send: Send, *, last: bool = False) -> None:
        if not body and not last:
            return
        try:
            async with asyncio.timeout(self._stall_seconds):
                await send({"type": "http.response.body", "body": body, "more_body": not last})
        except TimeoutError:
            # Closing would wait for what the other side does not take.
            scope.get(ABORT, lambda: None)()
            raise StalledError from None


async def disconnected(receive: Receive) -> None:
    """Returns when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
