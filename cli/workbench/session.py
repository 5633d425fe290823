"""One session's stream: what is said in it, and what comes back."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import grpc

from ackrep.runner.v1 import workbench_pb2, workbench_pb2_grpc
from cli.calls import errors
from cli.client import Client
from cli.progress import Notice
from cli.screen import Screen
from cli.workbench.changes import Changes
from cli.workbench.outgoing import Bar, Outgoing
from cli.workbench.tunnels import Tunnels
from services.errors import Error, UnavailableError

Request = workbench_pb2.RunWorkbenchRequest
Response = workbench_pb2.RunWorkbenchResponse
Sink = Callable[[bytes], Awaitable[None]]

_INPUT_WINDOW: Final = 1024 * 1024
_INPUT_PIECE: Final = 64 * 1024
_READ_PARTS: Final = 32
_SHOWN_BYTES: Final = 1024 * 1024
"""Less is sent before a bar could be looked at."""


class Session:
    """A session that is open. Made by `opened`."""

    def __init__(
        self, call: Any, *, notice: Notice, on_output: Sink, on_error_output: Sink
    ) -> None:
        self.tunnels = Tunnels(lambda message: self.send(Request(tunnel=message)))
        self._on_output, self._on_error_output = on_output, on_error_output
        self._call = call
        self._notice = notice
        self._changes: Changes | None = None
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = loop.create_future()
        self._started: asyncio.Future[workbench_pb2.WorkbenchStarted] = loop.create_future()
        self._ended: asyncio.Future[int] = loop.create_future()
        self._collected: asyncio.Future[None] = loop.create_future()
        self._credit = _INPUT_WINDOW
        self._more_credit = asyncio.Event()
        self._sending = asyncio.Lock()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            with errors("runner"):
                while isinstance(answer := await self._call.read(), Response):
                    await self._hear(answer)
        except Error as error:
            # All that gRPC says where the other side ends a stream while something is being sent.
            if type(error) is not Error:
                raise
        raise UnavailableError("the runner ended the session")

    async def _hear(self, answer: Response) -> None:
        match answer.WhichOneof("body"):
            case "progress":
                self._notice(answer.progress)
            case "ready":
                self._ready.set_result(None)
            case "started":
                self._started.set_result(answer.started)
            case "output":
                await self._on_output(answer.output)
            case "error_output":
                await self._on_error_output(answer.error_output)
            case "input_consumed":
                self._credit += answer.input_consumed
                self._more_credit.set()
            case "tunnel":
                self.tunnels.hear(answer.tunnel)
            case "ended":
                if not self._ended.done():
                    self._ended.set_result(answer.ended.status)
            case "file":
                if self._changes is not None:
                    self._changes.add(answer.file)
            case "collected":
                if self._changes is not None and not self._collected.done():
                    self._changes.skipped += answer.collected.skipped
                    self._collected.set_result(None)
            case _:
                pass  # of a newer runner

    async def send(self, request: Request) -> None:
        """Sends one message; raises what ended the session if it has ended."""
        try:
            async with self._sending:
                await self._call.write(request)
        except (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError):
            await self._reader
            raise UnavailableError("the runner ended the session") from None

    async def _until(self, future: "asyncio.Future[Any]") -> Any:
        """What a future gets, or what ended the session before."""
        await asyncio.wait({future, self._reader}, return_when=asyncio.FIRST_COMPLETED)
        return future.result() if future.done() else self._reader.result()

    async def lay_out(self, outgoing: Outgoing, *, screen: Screen) -> None:
        """Sends the working copy, once the container is there."""
        parts = outgoing.parts()

        def some() -> list[workbench_pb2.WorkbenchFile]:
            return list(itertools.islice(parts, _READ_PARTS))

        await self._until(self._ready)
        self._notice.done()
        bar = Bar("sending", total=outgoing.total)
        shown = screen.live(bar) if outgoing.total > _SHOWN_BYTES else contextlib.nullcontext()
        with shown:
            while read := await asyncio.to_thread(some):
                for part in read:
                    await self.send(Request(file=part))
                    bar.done += len(part.data)
        await self.send(Request(files_end=workbench_pb2.FilesEnd()))

    async def started(self) -> workbench_pb2.WorkbenchStarted:
        """Waits for the program to run."""
        found: workbench_pb2.WorkbenchStarted = await self._until(self._started)
        return found

    async def ended(self) -> int:
        """Waits for the program's end; its status."""
        return int(await self._until(self._ended))

    async def feed(self, data: bytes) -> None:
        """Gives the program input, or no bytes for its end; waits while it has enough."""
        for first in range(0, max(1, len(data)), _INPUT_PIECE):
            piece = data[first : first + _INPUT_PIECE]
            while self._credit < len(piece):
                self._more_credit.clear()
                await self._more_credit.wait()
            self._credit -= len(piece)
            await self.send(Request(input=piece))

    async def collect(self, changes: Changes) -> None:
        """Fetches all that is not as it was sent."""
        changes.clear()
        self._changes = changes
        self._collected = asyncio.get_running_loop().create_future()
        await self.send(Request(collect=workbench_pb2.CollectFiles()))
        await self._until(self._collected)

    async def close(self) -> None:
        """Ends it, with its container."""
        self._reader.cancel()
        self._call.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)


@contextlib.asynccontextmanager
async def opened(
    client: Client,
    opening: workbench_pb2.OpenWorkbench,
    outgoing: Outgoing,
    *,
    screen: Screen,
    on_output: Sink,
    on_error_output: Sink,
) -> AsyncIterator[tuple[Session, workbench_pb2.WorkbenchStarted]]:
    """A session whose program runs, while the block does.

    What the program writes goes to `on_output` and, without a terminal, `on_error_output`.

    Raises:
        NotFoundError: There is no such environment.
        PreconditionError: It cannot be had there.
        ResourceExhaustedError: The runner has as many sessions as it allows.
    """
    notice = Notice(screen)
    stub = workbench_pb2_grpc.WorkbenchServiceStub(client.channel("runner"))
    session = Session(
        stub.RunWorkbench(),
        notice=notice,
        on_output=on_output,
        on_error_output=on_error_output,
    )
    try:
        notice(f"reading {outgoing.root}")
        await asyncio.to_thread(outgoing.read)
        await session.send(Request(open=opening))
        await session.lay_out(outgoing, screen=screen)
        started = await session.started()
        notice.done()
        yield session, started
    finally:
        notice.done()
        await session.close()
