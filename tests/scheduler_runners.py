"""A runner that pretends to run checks, for tests of the scheduler."""

import asyncio
import contextlib
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

import nats.errors
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp
from nats.aio.msg import Msg
from nats.js.errors import Error as JetStreamError

from ackrep.scheduler.v1 import check_pb2, dispatch_pb2
from services import bus, rpc
from services.errors import Error, NotClaimableError, UnavailableError
from tests.scheduler_system import System

SUCCESS = check_pb2.Result(verdict=check_pb2.VERDICT_SUCCESS, message="success")


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
        self.environments: dict[str, str] = {}
        """Names to digests of those that it says are ready."""
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
                    environments=[
                        check_pb2.EnvironmentDigest(
                            environment=f"environments/{name}", digest=digest
                        )
                        for name, digest in self.environments.items()
                    ],
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
