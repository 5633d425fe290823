"""Interactive sessions for tests: a real engine behind a real server, and a client of messages."""

from __future__ import annotations  # the stubs' types exist for the type checker only

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

from ackrep.runner.v1 import workbench_pb2, workbench_pb2_grpc
from services import rpc
from services.runner.domain.environments import Definition
from services.runner.engine.containers import RUNNER_LABEL, Bounds, Engine
from services.runner.environments import Environments
from services.runner.ports import Progress
from services.runner.servicer.workbench import WorkbenchServicer
from services.runner.workbench.workbenches import Workbenches

TOKEN = "secret"
ENVIRONMENTS = Path(__file__).parents[1] / "environments"
Request = workbench_pb2.RunWorkbenchRequest
Response = workbench_pb2.RunWorkbenchResponse
FILES = {"models/one.py": b"print('one')\n", "models/data.csv": b"1,2\n", "README.md": b"# Hi\n"}
BOUNDS = Bounds(memory_bytes=1 << 30, cpus=2, processes=256, shm_bytes=64 << 20)


class Sessions:
    """A server of sessions."""

    def __init__(self, address: str, workbenches: Workbenches, runner: str, engine: Engine) -> None:
        self.address = address
        self.workbenches = workbenches
        self._runner = runner
        self._engine = engine

    async def containers(self) -> list[str]:
        """Names of all its containers that the engine knows."""
        found = await asyncio.to_thread(
            self._engine._client.containers,
            all=True,
            filters={"label": f"{RUNNER_LABEL}={self._runner}"},
        )
        return [one["Names"][0].lstrip("/") for one in found]

    @contextlib.asynccontextmanager
    async def session(
        self,
        *,
        files: Mapping[str, bytes] | None = None,
        environment: str = "demo_environment",
        links: Mapping[str, str] | None = None,
        **facts: object,
    ) -> AsyncIterator[Session]:
        """A session whose program has started."""
        async with rpc.dial(self.address, token=TOKEN) as channel:
            call = workbench_pb2_grpc.WorkbenchServiceStub(channel).RunWorkbench()
            session = Session(call)
            opening = workbench_pb2.OpenWorkbench(environment=environment, **facts)  # type: ignore[arg-type]
            await session.send(Request(open=opening))
            await session.until(lambda one: one.HasField("ready"))
            for path, content in (FILES if files is None else files).items():
                for first in range(0, max(1, len(content)), 1 << 18):
                    part = workbench_pb2.WorkbenchFile(
                        path=path,
                        data=content[first : first + (1 << 18)],
                        more=first + (1 << 18) < len(content),
                    )
                    await session.send(Request(file=part))
            for path, target in (links or {}).items():
                await session.send(
                    Request(file=workbench_pb2.WorkbenchFile(path=path, link=target))
                )
            await session.send(Request(files_end=workbench_pb2.FilesEnd()))
            session.started = (await session.until(lambda one: one.HasField("started"))).started
            try:
                yield session
            finally:
                call.cancel()


class Session:
    """One session, in messages; what came is kept."""

    def __init__(self, call: object) -> None:
        self.call: object = call
        self.started = workbench_pb2.WorkbenchStarted()
        self.output = b""
        self.errors = b""
        self.progress: list[str] = []
        self.files: dict[str, workbench_pb2.WorkbenchFile] = {}
        self.skipped: list[str] = []

    async def send(self, request: Request) -> None:
        """Sends one message."""
        await self.call.write(request)  # type: ignore[attr-defined]

    async def type(self, text: str) -> None:
        """Types at the terminal."""
        await self.send(Request(input=text.encode()))

    async def next(self) -> Response:
        """The next message; raises what the server raised, or EOFError at the end."""
        with rpc.remote_errors():
            answer = await self.call.read()  # type: ignore[attr-defined]
        if not isinstance(answer, Response):
            with rpc.remote_errors():
                code = await self.call.code()  # type: ignore[attr-defined]
                raise EOFError(str(code))
        self.output += answer.output
        self.errors += answer.error_output
        if answer.progress:
            self.progress.append(answer.progress)
        if answer.HasField("file"):
            known = self.files.setdefault(answer.file.path, workbench_pb2.WorkbenchFile())
            data = known.data + answer.file.data
            known.CopyFrom(answer.file)
            known.data = data
        return answer

    async def until(self, holds: Callable[[Response], bool]) -> Response:
        """Reads until a message is the one that is waited for; an image may have to be made."""
        async with asyncio.timeout(240):
            while not holds(answer := await self.next()):
                pass
        return answer

    async def shows(self, text: str) -> None:
        """Reads until the output has a text."""
        try:
            async with asyncio.timeout(30):
                while text.encode() not in self.output:
                    await self.next()
        except TimeoutError:
            raise AssertionError(f"no {text!r} in {self.output!r}") from None

    async def ended(self) -> int:
        """Reads to the program's end; its status."""
        return (await self.until(lambda one: one.HasField("ended"))).ended.status

    async def collected(self) -> dict[str, workbench_pb2.WorkbenchFile]:
        """What changed, by path."""
        self.files.clear()
        await self.send(Request(collect=workbench_pb2.CollectFiles()))
        end = await self.until(lambda one: one.HasField("collected"))
        self.skipped = list(end.collected.skipped)
        assert len(self.files) == end.collected.files
        return self.files


@contextlib.asynccontextmanager
async def sessions(
    engine: Engine, *, most: int = 2, bounds: Bounds = BOUNDS, idle_seconds: float = 3600
) -> AsyncIterator[Sessions]:
    """Serves sessions in the images that are here."""

    async def prepare(definition: Definition, progress: Progress) -> str:
        image = await engine.images.find(definition.image)
        assert image is not None, f"build {definition.image} first"
        return image.id

    runner = f"test-workbench-{secrets.token_hex(4)}"
    workbenches = Workbenches(
        engine,
        runner=runner,
        incarnation="1",
        bounds=bounds,
        most=most,
        prepare=prepare,
        idle_seconds=idle_seconds,
    )
    servicer = WorkbenchServicer(workbenches, definition=Environments([ENVIRONMENTS]).get)
    async with rpc.serving(
        address="127.0.0.1:0",
        token=TOKEN,
        register=lambda server: workbench_pb2_grpc.add_WorkbenchServiceServicer_to_server(
            servicer, server
        ),
        services=("ackrep.runner.v1.WorkbenchService",),
        grace=0.5,
    ) as port:
        found = Sessions(f"127.0.0.1:{port}", workbenches, runner, engine)
        try:
            yield found
        finally:
            await workbenches.close()
