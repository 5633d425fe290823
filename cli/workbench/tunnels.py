"""Connections on this machine, passed through a session's stream to the server in its container.

Each side sends at most `WINDOW` bytes more than the other has consumed: what waits is bounded,
and a slow connection makes nobody wait but itself.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

from ackrep.runner.v1 import workbench_pb2

WINDOW: Final = 256 * 1024
PIECE: Final = 64 * 1024
HOST: Final = "127.0.0.1"

Message = workbench_pb2.Tunnel
Send = Callable[[Message], Awaitable[None]]


class _Connection:
    def __init__(self, number: int, send: Send) -> None:
        self._number = number
        self._send = send
        self._credit = WINDOW
        self._more_credit = asyncio.Event()
        self._received: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._waiting = 0
        self._broken = asyncio.Event()

    def hear(self, message: Message) -> None:
        """Takes what the session says of it."""
        self._credit += message.consumed
        self._more_credit.set()
        self._waiting += len(message.data)
        if message.reset or self._waiting > WINDOW:
            self._broken.set()
            return
        if message.data:
            self._received.put_nowait(message.data)
        if message.closed:
            self._received.put_nowait(None)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Passes bytes on, both ways, until both sides have closed or one is broken."""
        await self._say()
        ways = asyncio.gather(self._up(reader), self._down(writer))
        broken = asyncio.ensure_future(self._broken.wait())
        try:
            waiting: set[asyncio.Future[Any]] = {ways, broken}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if not ways.done():
                writer.transport.abort()
            elif ways.exception() is not None:
                await self._say(reset=True)
        finally:
            ways.cancel()
            broken.cancel()
            await asyncio.gather(ways, broken, return_exceptions=True)

    async def _up(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(min(PIECE, await self._some_credit())):
            self._credit -= len(data)
            await self._say(data)
        await self._say(closed=True)

    async def _some_credit(self) -> int:
        while self._credit <= 0:
            self._more_credit.clear()
            await self._more_credit.wait()
        return self._credit

    async def _down(self, writer: asyncio.StreamWriter) -> None:
        while (data := await self._received.get()) is not None:
            writer.write(data)
            await writer.drain()
            self._waiting -= len(data)
            await self._say(consumed=len(data))
        if writer.can_write_eof():
            writer.write_eof()

    async def _say(
        self, data: bytes = b"", *, closed: bool = False, consumed: int = 0, reset: bool = False
    ) -> None:
        await self._send(
            Message(
                connection=self._number, data=data, closed=closed, consumed=consumed, reset=reset
            )
        )


class Tunnels:
    """All connections of a session.

    Args:
        send: Sends a message about one.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._numbers = itertools.count(1)
        self._open: dict[int, _Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def hear(self, message: Message) -> None:
        """Takes what the session says; never waits."""
        if (connection := self._open.get(message.connection)) is not None:
            connection.hear(message)

    @contextlib.asynccontextmanager
    async def listening(self, port: int) -> AsyncIterator[int]:
        """Takes connections from this machine alone while the block runs; yields the port.

        Raises:
            OSError: The port cannot be had.
        """
        server = await asyncio.start_server(self._accept, HOST, port, limit=PIECE)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # asyncio runs this in one
        self._tasks.add(task)
        number = next(self._numbers)
        connection = self._open[number] = _Connection(number, self._send)
        try:
            await connection.serve(reader, writer)
        except asyncio.CancelledError:
            pass  # the session is over, which is no error of the connection's
        finally:
            del self._open[number]
            self._tasks.discard(task)
            with contextlib.suppress(OSError):
                writer.close()
