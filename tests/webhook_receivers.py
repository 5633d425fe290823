"""A receiver of webhooks on loopback: keeps what it gets, and answers as it is told."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

Reply = Callable[["Received"], Awaitable[bytes]]
"""Gives the whole answer to a request."""


@dataclass(frozen=True)
class Received:
    """One request."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> dict[str, Any]:
        """Its body, read as JSON."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def delivery(self) -> str:
        """Which delivery it says it is."""
        return self.headers["ackrep-delivery"]


def answer(status: int = 200, body: bytes = b"thanks", *headers: str) -> bytes:
    """An answer with a body."""
    head = [f"HTTP/1.1 {status} Something", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*head, "connection: close", "", ""]).encode() + body


def always(status: int = 200, body: bytes = b"thanks", *headers: str) -> Reply:
    """Answers everything alike."""

    async def reply(_: Received) -> bytes:
        return answer(status, body, *headers)

    return reply


@dataclass
class Receiver:
    """Where it listens, what it got, and how it answers."""

    port: int
    reply: Reply = field(default_factory=always)
    got: list[Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/hook?for=tests"


@contextlib.asynccontextmanager
async def receiving(*, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Runs a receiver while the block runs."""
    receiver = Receiver(0)
    open_now: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_now.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, *fields = head.strip().split("\r\n")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (one.partition(":") for one in fields)
            }
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            received = Received(line, headers, body)
            receiver.got.append(received)
            writer.write(await receiver.reply(received))
            await writer.drain()
        writer.close()
        open_now.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in open_now:
            task.cancel()
        await asyncio.gather(*open_now, return_exceptions=True)
