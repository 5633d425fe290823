"""Server streams that belong to one request, as server-sent events.

They do something for who asks, such as preparing an environment, or have a deadline of their own;
what many watch is shared (`gateway.live`). A stream that ended is told by `event: end`, one that
failed by `event: error`.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import grpc
from google.protobuf.message import Message
from starlette.types import Receive, Scope, Send

from gateway.live.entries import entry_of
from gateway.live.feed import (
    BEGIN,
    END,
    FIRST_MESSAGE_SECONDS,
    HEADERS,
    KEEP_ALIVE,
    KEEP_ALIVE_SECONDS,
    disconnected,
    failure_event,
)

_END: Any = grpc.aio.EOF


def event(message: Message) -> bytes:
    """Formats one message as an event."""
    entry = entry_of(message)
    line = f"id: {entry.token}\n".encode() if entry.token else b""
    return b"%sdata: %s\n\n" % (line, entry.data)


async def events(
    call: Any, first: asyncio.Task[Any], *, keep_alive: float, closing: asyncio.Event
) -> AsyncGenerator[bytes, None]:
    """Yields the bytes of a stream until its end, its failure, or the gateway's shutdown."""
    yield BEGIN
    shutdown = asyncio.ensure_future(closing.wait())
    reading: asyncio.Task[Any] = first
    try:
        while True:
            done, _ = await asyncio.wait(
                {reading, shutdown}, timeout=keep_alive, return_when=asyncio.FIRST_COMPLETED
            )
            if shutdown in done:
                return  # without `end`: the client comes back to the next gateway
            if not done:
                yield KEEP_ALIVE
                continue
            try:
                message = reading.result()
            except grpc.aio.AioRpcError as failure:
                yield failure_event(failure)
                return
            if message is _END:
                yield END
                return
            yield event(message)
            reading = asyncio.ensure_future(call.read())
    finally:
        shutdown.cancel()
        reading.cancel()


class EventStream:
    """Answers one HTTP request with the messages of one call, and cancels the call with it."""

    def __init__(
        self, call: Any, *, closing: asyncio.Event, keep_alive: float = KEEP_ALIVE_SECONDS
    ) -> None:
        self._call = call
        self._closing = closing
        self._keep_alive = keep_alive

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends until the stream ends or the client is gone.

        Raises:
            AioRpcError: The call failed before anything was sent.
        """
        first = asyncio.ensure_future(self._call.read())
        try:
            await asyncio.wait({first}, timeout=FIRST_MESSAGE_SECONDS)
            if first.done():
                first.result()  # raises an early failure, which has an HTTP status of its own
            sending = asyncio.ensure_future(self._send(first, send))
            gone = asyncio.ensure_future(disconnected(receive))
            try:
                await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
                if sending.done():
                    sending.result()
            finally:
                for task in (sending, gone):
                    task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await sending
        finally:
            first.cancel()
            self._call.cancel()

    async def _send(self, first: asyncio.Task[Any], send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
        async with contextlib.aclosing(
            events(self._call, first, keep_alive=self._keep_alive, closing=self._closing)
        ) as chunks:
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
