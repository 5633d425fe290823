"""The whole system as processes on free ports: a broker, catalog, scheduler, and a runner."""

from __future__ import annotations  # the stubs' types exist for the type checker only

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from google.protobuf import json_format

from ackrep.runner.v1 import environment_pb2_grpc, runner_pb2_grpc
from ackrep.scheduler.v1 import check_pb2, scheduler_pb2, scheduler_pb2_grpc
from services import rpc
from tests.nats_servers import NatsServer, running_nats

ROOT = Path(__file__).parents[1]


@dataclass
class Service:
    """One service process and where its log goes."""

    name: str
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    module: str = ""
    """What it runs; empty: the service of its name."""

    def start(self) -> None:
        """Starts it."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module or f"services.{self.name}"],
                env={**os.environ, **self.environment, "ACKREP_PARENT_PIPE": "1"},
                cwd=ROOT,
                stdin=subprocess.PIPE,  # its end stops the service, however this process ends
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """Ends it without warning."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()

    def stop(self, *, seconds: float = 40.0) -> int:
        """Ends it as an administrator would; its exit status."""
        assert self.process is not None
        self.process.terminate()
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop:\n{self.log.read_text()}") from None
        if self.process.stdin is not None:
            self.process.stdin.close()
        return status


@dataclass
class System:
    """A running system and clients of it."""

    folder: Path
    nats: NatsServer
    services: dict[str, Service] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def logs(self) -> str:
        """What all services logged."""
        return "\n".join(
            f"--- {service.name}\n{service.log.read_text()}" for service in self.services.values()
        )

    @contextlib.asynccontextmanager
    async def scheduler(self) -> AsyncIterator[scheduler_pb2_grpc.SchedulerServiceStub]:
        """A client of the scheduler."""
        async with self._dial("scheduler") as channel:
            yield scheduler_pb2_grpc.SchedulerServiceStub(channel)

    @contextlib.asynccontextmanager
    async def runner(self) -> AsyncIterator[runner_pb2_grpc.RunnerServiceStub]:
        """A client of the runner."""
        async with self._dial("runner") as channel:
            yield runner_pb2_grpc.RunnerServiceStub(channel)

    @contextlib.asynccontextmanager
    async def environments(self) -> AsyncIterator[environment_pb2_grpc.EnvironmentServiceStub]:
        """A client of the runner's environments."""
        async with self._dial("runner") as channel:
            yield environment_pb2_grpc.EnvironmentServiceStub(channel)

    def _dial(self, name: str) -> grpc.aio.Channel:
        return rpc.dial(f"127.0.0.1:{self.ports[name]}", token=self.nats.token)

    async def check(
        self, entity: str, *, force: bool = True, seconds: float = 120.0
    ) -> tuple[check_pb2.Check, list[check_pb2.CheckEvent]]:
        """Runs one check to its end; the finished check and all its events."""
        async with self.scheduler() as scheduler:
            check = await scheduler.CreateCheck(
                scheduler_pb2.CreateCheckRequest(entity=f"entities/{entity}", force=force),
                wait_for_ready=True,
                timeout=30,
            )
            events = []
            try:
                async for event in scheduler.WatchCheck(
                    scheduler_pb2.WatchCheckRequest(name=check.name), timeout=seconds
                ):
                    events.append(event)  # noqa: PERF401  # kept when the deadline ends the call
            except grpc.aio.AioRpcError as error:
                raise AssertionError(
                    f"{error.code()} {error.details()}\n{self.logs}\n"
                    + "\n".join(json_format.MessageToJson(e, indent=None) for e in events)
                ) from error
            return await scheduler.GetCheck(scheduler_pb2.GetCheckRequest(name=check.name)), events


@contextlib.asynccontextmanager
async def running_system(
    folder: Path,
    *,
    source: Path,
    backend: str,
    environments: Path | None = None,
    more: dict[str, str] | None = None,
) -> AsyncIterator[System]:
    """Runs catalog, scheduler and one runner over a data repository while the block runs.

    Args:
        folder: For their state and logs.
        source: The data repository.
        backend: Of the runner.
        environments: Folder of environment definitions; None: those of this repository.
        more: Further environment variables of all services.
    """
    with running_nats(folder) as nats:
        system = System(folder=folder, nats=nats)
        names = ("catalog", "scheduler", "runner")
        system.ports = {name: _free_port() for name in names}
        addresses = {name: f"127.0.0.1:{port}" for name, port in system.ports.items()}
        variables = {
            "ACKREP_TOKEN": nats.token,
            "ACKREP_NATS": nats.url,
            "ACKREP_CATALOG_SOURCE": str(source),
            "ACKREP_CATALOG_STATE": str(folder / "catalog"),
            "ACKREP_SCHEDULER_DATABASE": f"sqlite:///{folder / 'scheduler.sqlite'}",
            "ACKREP_SCHEDULER_ARTEFACTS": str(folder / "artefacts"),
            "ACKREP_SCHEDULER_CATALOG": addresses["catalog"],
            "ACKREP_RUNNER_CATALOG": addresses["catalog"],
            "ACKREP_RUNNER_SCHEDULER": addresses["scheduler"],
            "ACKREP_RUNNER_STATE": str(folder / "runner"),
            "ACKREP_RUNNER_BACKEND": backend,
            **{f"ACKREP_{name.upper()}_ADDRESS": address for name, address in addresses.items()},
            **({"ACKREP_RUNNER_ENVIRONMENTS": str(environments)} if environments else {}),
            **(more or {}),
        }
        system.services = {
            name: Service(name=name, environment=variables, log=folder / f"{name}.log")
            for name in names
        }
        for service in system.services.values():
            service.start()
        try:
            yield system
        finally:
            for service in reversed(system.services.values()):
                if service.process is not None and service.process.poll() is None:
                    service.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
