"""Server streams as server-sent events that resume.

The `id:` of an event is the message's `resume_token`; a client that comes back with it in
`Last-Event-ID` (browsers do so by themselves) or in `?lastEventId=` goes on after it. A stream
that ended is told by `event: end`, one that failed by `event: error`; a connection that closes
without either was cut, and asking again is right.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message
from starlette.types import Receive, Scope, Send

from gateway import failures

KEEP_ALIVE_SECONDS = 15.0
"""A comment is sent after so long a silence, so that nothing between takes the stream for dead."""

FIRST_MESSAGE_SECONDS = 1.0
"""So long the status line waits for the first message, so that early failures have their status."""

_END: Any = grpc.aio.EOF


def message_json(message: Message) -> str:
    """Prints a message as JSON in one line, with all fields that have no presence of their own."""
    return json.dumps(
        json_format.MessageToDict(message, always_print_fields_with_no_presence=True),
        ensure_ascii=False,
        separators=(",", ":"),
    )


def event(message: Message) -> bytes:
    """Formats one message as an event."""
    token = str(getattr(message, "resume_token", ""))
    # A token is ours and has no line break; a forged one must not add fields to the event.
    line = f"id: {token}\n" if token and token.isprintable() else ""
    return f"{line}data: {message_json(message)}\n\n".encode()


def failure_event(failure: Exception) -> bytes:
    """Formats a failure as the last event."""
    _, body = failures.describe(failure)
    return f"event: error\ndata: {json.dumps(body, ensure_ascii=False)}\n\n".encode()


async def events(
    call: Any, first: asyncio.Task[Any], *, keep_alive: float, closing: asyncio.Event
) -> AsyncGenerator[bytes, None]:
    """Yields the bytes of a stream until its end, its failure, or the gateway's shutdown."""
    yield b"retry: 1000\n: connected\n\n"
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
                yield b": keep-alive\n\n"
                continue
            try:
                message = reading.result()
            except grpc.aio.AioRpcError as failure:
                yield failure_event(failure)
                return
            if message is _END:
                yield b"event: end\ndata: {}\n\n"
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
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async with contextlib.aclosing(
            events(self._call, first, keep_alive=self._keep_alive, closing=self._closing)
        ) as chunks:
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def disconnected(receive: Receive) -> None:
    """Returns when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
