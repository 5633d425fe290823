"""A real scheduler process over real NATS for tests, and a runner that pretends to run checks."""

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import nats.errors
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp
from nats.aio.msg import Msg
from nats.js.errors import Error as JetStreamError

from ackrep.scheduler.v1 import (
    check_pb2,
    dispatch_pb2,
    dispatch_pb2_grpc,
    scheduler_pb2,
    scheduler_pb2_grpc,
)
from services import bus, rpc
from services.errors import Error, NotClaimableError, UnavailableError
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


class FakeRunner:
    """A runner without environments: pulls, claims, sends events and finishes as it is told.

    Args:
        system: Whose checks it takes.
        name: `runners/{name}`.
        work: Called in the middle of each check; gives the result, or nothing to abandon it.
    """

    def __init__(
        self,
        system: System,
        *,
        name: str = "one",
        work: Callable[[dispatch_pb2.Lease], Awaitable[check_pb2.Result | None]] | None = None,
        slots: int = 2,
        lines: int = 3,
    ) -> None:
        self.system = system
        self.name = f"runners/{name}"
        self.incarnation = secrets.token_hex(8)
        self.claims: list[tuple[str, int]] = []
        self.cancelled: set[str] = set()
        self.held: dict[str, int] = {}
        self._work = work or succeed
        self._slots = slots
        self._lines = lines
        self._tasks: set[asyncio.Task[None]] = set()

    async def register(self) -> None:
        """Registers this incarnation."""
        await self.system.runners.RegisterRunner(
            dispatch_pb2.RegisterRunnerRequest(
                runner=self.name,
                incarnation=self.incarnation,
                pool="default",
                slots=self._slots,
                backend="process",
                runtime_version="1",
                host="here",
            ),
            wait_for_ready=True,
            timeout=20,
        )

    async def claim(self, name: str, *, claim_id: str = "") -> dispatch_pb2.Lease:
        """Claims a check."""
        with rpc.remote_errors():
            lease = await self.system.runners.ClaimCheck(
                dispatch_pb2.ClaimCheckRequest(
                    check=name,
                    runner=self.name,
                    incarnation=self.incarnation,
                    claim_id=claim_id or secrets.token_hex(8),
                ),
                timeout=10,
            )
        self.claims.append((name, lease.check.attempt))
        self.held[name] = lease.check.attempt
        return lease

    async def heartbeat(self, *, free: int = 0) -> dispatch_pb2.HeartbeatResponse:
        """Sends one heartbeat for all it holds."""
        with rpc.remote_errors():
            reply = await self.system.runners.Heartbeat(
                dispatch_pb2.HeartbeatRequest(
                    runner=self.name,
                    incarnation=self.incarnation,
                    attempts=[
                        dispatch_pb2.AttemptRef(check=name, attempt=attempt)
                        for name, attempt in self.held.items()
                    ],
                    free_slots=free,
                ),
                timeout=5,
            )
        self.cancelled |= {
            answer.attempt.check
            for answer in reply.answers
            if answer.directive == dispatch_pb2.DIRECTIVE_CANCEL
        }
        return reply

    async def start_check(self, name: str, attempt: int) -> None:
        """Says that code runs."""
        with rpc.remote_errors():
            await self.system.runners.StartCheck(
                dispatch_pb2.StartCheckRequest(
                    attempt=dispatch_pb2.AttemptRef(check=name, attempt=attempt)
                ),
                timeout=5,
            )

    async def finish(
        self, name: str, attempt: int, result: check_pb2.Result, *, last_sequence: int = 0
    ) -> check_pb2.Check:
        """Ends an attempt."""
        with rpc.remote_errors():
            check = await self.system.runners.FinishCheck(
                dispatch_pb2.FinishCheckRequest(
                    attempt=dispatch_pb2.AttemptRef(check=name, attempt=attempt),
                    result=result,
                    last_sequence=last_sequence,
                ),
                timeout=10,
            )
        self.held.pop(name, None)
        return check

    async def upload(self, content: bytes) -> str:
        """Stores an artefact, and gives its name."""
        name = f"artefacts/{hashlib.sha256(content).hexdigest()}"

        async def parts() -> AsyncIterator[dispatch_pb2.UploadArtefactRequest]:
            yield dispatch_pb2.UploadArtefactRequest(artefact=name, size=len(content))
            for first in range(0, len(content), 65536):
                yield dispatch_pb2.UploadArtefactRequest(data=content[first : first + 65536])

        with rpc.remote_errors():
            await self.system.runners.UploadArtefact(parts(), timeout=10)
        return name

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["FakeRunner"]:
        """Pulls and runs checks while the block runs."""
        await self.register()
        loops = [asyncio.create_task(self._pull()), asyncio.create_task(self._beat())]
        try:
            yield self
        finally:
            for task in [*loops, *self._tasks]:
                task.cancel()
            await asyncio.gather(*loops, *self._tasks, return_exceptions=True)

    async def _beat(self) -> None:
        while True:
            with contextlib.suppress(Error):
                reply = await self.heartbeat(free=self._slots - len(self.held))
                if reply.register:
                    await self.register()
            await asyncio.sleep(0.2)

    async def _pull(self) -> None:
        server = self.system.nats
        slots = asyncio.Semaphore(self._slots)
        async with bus.connected(server.url, token=server.token, name="runner") as client:
            self._client = client
            jetstream = client.jetstream(timeout=2)
            consumer = bus.runners_consumer("default")
            subscription = await jetstream.pull_subscribe_bind(
                durable=consumer.durable_name, stream=bus.JOBS
            )
            while True:
                await slots.acquire()
                try:
                    [message] = await subscription.fetch(1, timeout=1)
                except (nats.errors.Error, JetStreamError, OSError, TimeoutError):
                    slots.release()
                    await asyncio.sleep(0.02)
                    continue
                task = asyncio.create_task(self._run(message, slots))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _run(self, message: Msg, slots: asyncio.Semaphore) -> None:
        job = dispatch_pb2.Job.FromString(message.data)
        claim_id = secrets.token_hex(8)
        try:
            while True:
                try:
                    lease = await self.claim(job.check, claim_id=claim_id)
                except NotClaimableError:
                    with contextlib.suppress(nats.errors.Error):
                        await message.ack()
                    return
                except UnavailableError:
                    await asyncio.sleep(0.1)
                    continue
                break
            with contextlib.suppress(nats.errors.Error):
                await message.ack()
            await self._attempt(lease)
        finally:
            slots.release()

    async def _attempt(self, lease: dispatch_pb2.Lease) -> None:
        name, attempt = lease.check.name, lease.check.attempt
        events = [event_of(lease.check, attempt, 1)]
        await self.publish(events[0])
        await self.insist(lambda: self.start_check(name, attempt))
        for number in range(self._lines):
            events.append(log_event(name, attempt, number + 2, f"line {number}\n"))
            await self.publish(events[-1])
        result = await self._work(lease)
        if result is None:
            return
        lines = "\n".join(json.dumps(json_format.MessageToDict(event)) for event in events)

        async def store() -> None:
            result.log = await self.upload(f"{lines}\n".encode())
            await self.finish(name, attempt, result, last_sequence=len(events))

        await self.insist(store)

    async def insist(self, call: Callable[[], Awaitable[None]]) -> None:
        """Repeats a call while the scheduler is away; other errors end the attempt."""
        while True:
            try:
                return await call()
            except UnavailableError:
                await asyncio.sleep(0.1)

    async def publish(self, event: check_pb2.CheckEvent) -> None:
        """Sends an event to watchers; lost where NATS is away."""
        name = event.check.removeprefix("checks/")
        with contextlib.suppress(nats.errors.Error, JetStreamError, OSError, TimeoutError):
            await self._client.jetstream(timeout=1).publish(
                bus.event_subject(event.check),
                event.SerializeToString(),
                headers={"Nats-Msg-Id": f"{name}/{event.attempt}/{event.sequence}"},
            )


async def succeed(lease: dispatch_pb2.Lease) -> check_pb2.Result:
    """The work of a check that succeeds at once."""
    return check_pb2.Result(verdict=check_pb2.VERDICT_SUCCESS, message="success")


def event_of(check: check_pb2.Check, attempt: int, sequence: int) -> check_pb2.CheckEvent:
    """An event that tells a check's state."""
    event = _event(check.name, attempt, sequence)
    event.check_changed.CopyFrom(check)
    return event


def log_event(name: str, attempt: int, sequence: int, text: str) -> check_pb2.CheckEvent:
    """An event that carries output."""
    event = _event(name, attempt, sequence)
    event.log.stream = check_pb2.LogChunk.STREAM_STDOUT
    event.log.text = text
    return event


def _event(name: str, attempt: int, sequence: int) -> check_pb2.CheckEvent:
    now = Timestamp()
    now.GetCurrentTime()
    return check_pb2.CheckEvent(
        check=name,
        attempt=attempt,
        sequence=sequence,
        resume_token=f"{attempt}.{sequence}",
        event_time=now,
    )
