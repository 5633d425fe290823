"""A real scheduler process over real NATS for tests, and what they ask of it."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from ackrep.scheduler.v1 import check_pb2, dispatch_pb2_grpc, scheduler_pb2, scheduler_pb2_grpc
from services import rpc
from tests.catalog_fakes import FakeCatalog, serving_catalog
from tests.nats_servers import NatsServer


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 20.0) -> None:
    """Returns when the condition holds; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


@dataclass
class SchedulerProcess:
    """One scheduler process; can be killed and started again over the same state."""

    folder: Path
    nats: NatsServer
    catalog: str
    settings: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Starts it, and returns when it serves."""
        if not self.port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "ACKREP_TOKEN": self.nats.token,
            "ACKREP_NATS": self.nats.url,
            "ACKREP_SCHEDULER_ADDRESS": f"127.0.0.1:{self.port}",
            "ACKREP_SCHEDULER_CATALOG": self.catalog,
            "ACKREP_SCHEDULER_DATABASE": f"sqlite:///{self.folder / 'scheduler.sqlite'}",
            "ACKREP_SCHEDULER_ARTEFACTS": str(self.folder / "artefacts"),
            **self.settings,
        }
        log = (self.folder / "scheduler.log").open("ab")
        with log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.scheduler", env=environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            alive = self.process.returncode is None and time.monotonic() < deadline
            assert alive, (self.folder / "scheduler.log").read_text()
            await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """Ends it without warning."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def stop(self) -> None:
        """Ends it, if it runs."""
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()


@dataclass
class System:
    """A scheduler with everything around it."""

    scheduler: SchedulerProcess
    nats: NatsServer
    catalog: FakeCatalog
    channel: grpc.aio.Channel

    def __post_init__(self) -> None:
        self.users = scheduler_pb2_grpc.SchedulerServiceStub(self.channel)
        self.runners = dispatch_pb2_grpc.DispatchServiceStub(self.channel)

    async def create(self, key: str, *, request_id: str = "") -> check_pb2.Check:
        """Creates a check of an entity."""
        with rpc.remote_errors():
            return await self.users.CreateCheck(
                scheduler_pb2.CreateCheckRequest(entity=f"entities/{key}", request_id=request_id),
                wait_for_ready=True,
                timeout=20,
            )

    async def get(self, name: str) -> check_pb2.Check:
        """Gets a check."""
        with rpc.remote_errors():
            return await self.users.GetCheck(
                scheduler_pb2.GetCheckRequest(name=name), wait_for_ready=True, timeout=20
            )

    async def finished(self, name: str, *, seconds: float = 20.0) -> check_pb2.Check:
        """Waits until a check has a verdict."""

        async def done() -> bool:
            return (await self.get(name)).state == check_pb2.Check.STATE_FINISHED

        await until(done, seconds=seconds)
        return await self.get(name)

    async def watch(self, name: str, *, token: str = "") -> list[check_pb2.CheckEvent]:
        """Follows a check to its end."""
        call = self.users.WatchCheck(
            scheduler_pb2.WatchCheckRequest(name=name, resume_token=token), timeout=30
        )
        with rpc.remote_errors():
            return [event async for event in call]


@contextlib.asynccontextmanager
async def running_system(folder: Path, nats: NatsServer, **settings: str) -> AsyncIterator[System]:
    """Runs a scheduler and a fake catalog over a NATS server while the block runs."""
    catalog = FakeCatalog()
    async with serving_catalog(catalog, token=nats.token) as address:
        scheduler = SchedulerProcess(
            folder,
            nats,
            address,
            {f"ACKREP_SCHEDULER_{name.upper()}": value for name, value in settings.items()},
        )
        await scheduler.start()
        try:
            async with rpc.dial(f"127.0.0.1:{scheduler.port}", token=nats.token) as channel:
                yield System(scheduler, nats, catalog, channel)
        finally:
            await scheduler.stop()


@contextlib.asynccontextmanager
async def leasing_system(folder: Path, nats: NatsServer) -> AsyncIterator[System]:
    """Runs a scheduler with one checkable entity, leases of 2 s, without runners."""
    async with running_system(folder, nats, lease_seconds="2", reconcile_seconds="0.2") as running:
        running.catalog.entities["AAAAA"] = "digest of AAAAA"
        yield running


def positions(events: list[check_pb2.CheckEvent]) -> list[tuple[int, int]]:
    """Where events stand: attempt and sequence of each."""
    return [(event.attempt, event.sequence) for event in events]


async def queued_many(system: System, count: int) -> list[str]:
    """Creates a run of many checks, and gives their names."""
    system.catalog.entities = {f"B{number:04d}": str(number) for number in range(count)}
    with rpc.remote_errors():
        run = await system.users.CreateRun(
            scheduler_pb2.CreateRunRequest(title="all"), wait_for_ready=True, timeout=30
        )
    assert count == run.check_count
    page = await system.users.ListChecks(
        scheduler_pb2.ListChecksRequest(page_size=500, filter=f"run = {run.name}")
    )
    return [check.name for check in page.checks]


async def all_finished(system: System, names: list[str], *, seconds: float = 60.0) -> None:
    """Waits until each has a verdict; asserts that each succeeded."""

    async def done() -> bool:
        with rpc.remote_errors():
            page = await system.users.ListChecks(
                scheduler_pb2.ListChecksRequest(page_size=500, filter="verdict = success"),
                wait_for_ready=True,
                timeout=20,
            )
        return set(names) <= {check.name for check in page.checks}

    await until(done, seconds=seconds)
