"""The whole system of the chaos test: six processes that can be killed, stopped and started."""

import asyncio
import contextlib
import shutil
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import grpc

from services import rpc
from tests.chaos import entities
from tests.chaos.engine import VictimEngine
from tests.chaos.plan import ENGINE, RUNNERS, Plan
from tests.nats_servers import NatsServer, running_nats
from tests.whole_systems import Service

START_SECONDS = 60.0
"""How long a process may take until it serves; the machine may be busy."""


@dataclass(kw_only=True)
class World:
    """A running system.

    Args:
        folder: With the state and the logs of all.
        database: SQLAlchemy URL of the scheduler's database, for synchronous reading.
        nats: The broker.
        services: By name: the two runners, scheduler, catalog, gateway.
        ports: Where they listen.
    """

    folder: Path
    database: str
    nats: NatsServer
    services: dict[str, Service]
    ports: dict[str, int]
    engine: VictimEngine | None = None

    @property
    def artefacts(self) -> Path:
        """Folder of the artefact store."""
        return self.folder / "artefacts"

    def channel(self, name: str) -> grpc.aio.Channel:
        """To a service."""
        return rpc.dial(f"127.0.0.1:{self.ports[name]}", token=self.nats.token)

    def kill(self, name: str) -> None:
        """SIGKILL."""
        if name == "nats":
            self.nats.kill()
        elif name == ENGINE:
            self.own_engine.kill()
        else:
            self.services[name].kill()

    async def start(self, name: str) -> None:
        """Starts it, and returns when it accepts connections."""
        if name == "nats":
            await asyncio.to_thread(self.nats.start)
            return
        if name == ENGINE:
            await asyncio.to_thread(self.own_engine.start)
            return
        self.services[name].start()
        await self.serving(name)

    async def serving(self, name: str) -> None:
        """Waits until a service accepts connections."""
        late = deadline(START_SECONDS)
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.ports[name])
                writer.close()
                return
            service = self.services[name]
            if service.process is None or service.process.poll() is not None or late():
                raise AssertionError(f"{name} does not serve:\n{service.log.read_text()[-4000:]}")
            await asyncio.sleep(0.02)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Sends a signal, as SIGSTOP."""
        if name == "nats":
            self.nats.process.send_signal(number)
            return
        if name == ENGINE:
            self.own_engine.process.send_signal(number)
            return
        process = self.services[name].process
        assert process is not None
        process.send_signal(number)

    def wipe_nats(self) -> None:
        """Kills the broker and removes what it stored."""
        self.nats.kill()
        shutil.rmtree(self.folder / "streams")

    @property
    def own_engine(self) -> VictimEngine:
        """The engine of the story."""
        assert self.engine is not None, "this world has no engine of its own"
        return self.engine

    def process_id(self, name: str) -> int:
        """Of a service."""
        process = self.services[name].process
        assert process is not None
        return process.pid


@contextlib.asynccontextmanager
async def running_world(
    folder: Path,
    plan: Plan,
    *,
    database: str,
    synchronous: str,
    backend: str,
    engine: VictimEngine | None = None,
) -> AsyncIterator[World]:
    """Runs the system while the block runs.

    Args:
        folder: For their state and logs.
        plan: Says which entities there are, and how long leases and checks last.
        database: SQLAlchemy URL of the scheduler's database.
        synchronous: The same for synchronous reading.
        backend: Of the runners.
        engine: In whose containers the runners work; else the engine of the tests.
    """
    source, definitions = folder / "source", folder / "environments"
    entities.write(source, definitions, plan.keys)
    with running_nats(folder) as nats:
        names = ("catalog", "scheduler", *RUNNERS, "gateway")
        ports = {name: _free_port() for name in names}
        addresses = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
        common = {
            "ACKREP_TOKEN": nats.token,
            "ACKREP_NATS": nats.url,
            "ACKREP_CATALOG_SOURCE": str(source),
            "ACKREP_CATALOG_STATE": str(folder / "catalog"),
            "ACKREP_CATALOG_ADDRESS": addresses["catalog"],
            "ACKREP_SCHEDULER_ADDRESS": addresses["scheduler"],
            "ACKREP_SCHEDULER_DATABASE": database,
            "ACKREP_SCHEDULER_ARTEFACTS": str(folder / "artefacts"),
            "ACKREP_SCHEDULER_CATALOG": addresses["catalog"],
            "ACKREP_SCHEDULER_LEASE_SECONDS": str(plan.lease_seconds),
            "ACKREP_SCHEDULER_HEARTBEAT_SECONDS": "0.5",
            "ACKREP_SCHEDULER_RECONCILE_SECONDS": "0.5",
            "ACKREP_SCHEDULER_WALL_SECONDS": str(plan.wall_seconds),
            "ACKREP_RUNNER_CATALOG": addresses["catalog"],
            "ACKREP_RUNNER_SCHEDULER": addresses["scheduler"],
            "ACKREP_RUNNER_BACKEND": backend,
            "ACKREP_RUNNER_SLOTS": "2",
            "ACKREP_RUNNER_AUDIT_EVERY": "0",
            "ACKREP_RUNNER_ENVIRONMENTS": str(definitions),
            "ACKREP_RUNNER_WARM": entities.ENVIRONMENT,
            "ACKREP_GATEWAY_CATALOG": addresses["catalog"],
            "ACKREP_GATEWAY_SCHEDULER": addresses["scheduler"],
            "ACKREP_GATEWAY_ADDRESS": addresses["gateway"],
        }
        if engine is not None:
            common["DOCKER_HOST"] = engine.host
        services = {}
        for name in names:
            own = {}
            module = "gateway" if name == "gateway" else f"services.{name}"
            if name in RUNNERS:
                module = "services.runner"
                own = {
                    "ACKREP_RUNNER_NAME": name,
                    "ACKREP_RUNNER_STATE": str(folder / name),
                    "ACKREP_RUNNER_ADDRESS": addresses[name],
                }
            services[name] = Service(
                name=name, environment=common | own, log=folder / f"{name}.log", module=module
            )
        world = World(
            folder=folder,
            database=synchronous,
            nats=nats,
            services=services,
            ports=ports,
            engine=engine,
        )
        for service in services.values():
            service.start()
        try:
            for name in names:
                await world.serving(name)
            yield world
        finally:
            for service in reversed(services.values()):
                if service.process is not None and service.process.poll() is None:
                    service.process.send_signal(signal.SIGCONT)
                    service.stop()


def deadline(seconds: float) -> Callable[[], bool]:
    """Tells, from now on, whether so much time is over."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
