"""NATS JetStream as ACKREP uses it: two streams, their subjects, and every setting said.

SQL is the truth and JetStream the transport: losing either stream loses no check. `JOBS` carries
what is about to run, `EVENTS` what watchers see while it runs.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Callable
from typing import Any, Final
from urllib.parse import urlsplit

import nats
import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    ReplayPolicy,
    RetentionPolicy,
    StorageType,
    StoreCompression,
    StreamConfig,
)

from services.errors import Error, UnavailableError

log = logging.getLogger(__name__)

UNTRUSTED = "untrusted"
"""Pool of the checks of proposals: what strangers wrote runs apart, and tighter."""
JOBS = "JOBS"
EVENTS = "EVENTS"
ACK_WAIT_SECONDS = 5.0
"""A job message that is neither acknowledged nor renewed for so long is delivered again."""

_AGAIN_SECONDS = 0.5
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


def job_subject(*, pool: str, environment: str) -> str:
    """Subject of jobs for an environment (`environments/{name}` or the name) in a pool."""
    return f"jobs.{_token(pool)}.{_token(environment.removeprefix('environments/'))}"


def event_subject(check: str) -> str:
    """Subject of the events of `checks/{id}`."""
    return f"events.{_token(check.removeprefix('checks/'))}"


def _token(text: str) -> str:
    return _UNSAFE.sub("_", text) or "_"


_COMMON: Final[dict[str, Any]] = {
    "duplicate_window": 120.0,
    "num_replicas": 1,
    "no_ack": False,
    "sealed": False,
    "deny_delete": False,
    "deny_purge": False,
    "allow_rollup_hdrs": False,
    "allow_direct": False,
    "mirror_direct": False,
    "discard_new_per_subject": False,
    "compression": StoreCompression.NONE,
}
"""What holds for both streams."""


def jobs_stream() -> StreamConfig:
    """The work queue: a message goes away when a runner acknowledges it."""
    return StreamConfig(
        name=JOBS,
        subjects=["jobs.>"],
        retention=RetentionPolicy.WORK_QUEUE,
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        max_msgs=100_000,
        max_bytes=64 * 1024 * 1024,
        max_msg_size=64 * 1024,
        max_consumers=-1,
        max_msgs_per_subject=-1,
        max_age=0,
        **_COMMON,
    )


def events_stream() -> StreamConfig:
    """What watchers read: bounded by age and size; whole logs are kept as artefacts."""
    return StreamConfig(
        name=EVENTS,
        subjects=["events.>"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        max_msgs=-1,
        max_bytes=512 * 1024 * 1024,
        max_msg_size=1024 * 1024,
        max_consumers=-1,
        max_msgs_per_subject=100_000,
        max_age=24 * 3600.0,
        **_COMMON,
    )


def runners_consumer(pool: str) -> ConsumerConfig:
    """The durable pull consumer that all runners of a pool share."""
    return ConsumerConfig(
        durable_name=f"runners-{_token(pool)}",
        filter_subject=f"jobs.{_token(pool)}.>",
        ack_policy=AckPolicy.EXPLICIT,
        deliver_policy=DeliverPolicy.ALL,
        ack_wait=ACK_WAIT_SECONDS,
        max_deliver=-1,  # the scheduler bounds attempts; a dropped wake-up must not strand a check
        max_ack_pending=10_000,
        max_waiting=512,
        replay_policy=ReplayPolicy.INSTANT,
        headers_only=False,
        mem_storage=False,
        inactive_threshold=0,  # a pool whose runners are away keeps its consumer
    )


@contextlib.asynccontextmanager
async def connected(
    url: str, *, token: str, name: str, on_closed: Callable[[], None] = lambda: None
) -> AsyncIterator[Client]:
    """Connects to NATS while the block runs; reconnects for ever in between.

    Where the server refuses the client with an error, as it does with one that was too slow to
    authenticate, the library gives the connection up for good.

    Args:
        url: `nats://host:port`.
        token: Shared secret.
        name: Shown in the server's connection list.
        on_closed: Called when the connection is closed for good, also at the end of the block.

    Raises:
        UnavailableError: Nothing listens there for 15 s.
    """
    await _wait_for_port(url, seconds=15.0)

    async def on_error(error: Exception) -> None:
        log.warning(f"NATS: {error or type(error).__name__}")

    async def on_close() -> None:
        on_closed()

    client = await nats.connect(
        url,
        name=name,
        token=token,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.2,
        ping_interval=10,
        error_cb=on_error,
        closed_cb=on_close,
    )
    try:
        yield client
    finally:
        with contextlib.suppress(Exception):  # the server may be gone already
            await asyncio.wait_for(client.close(), 3.0)


class Connection:
    """What is at hand of a connection that `lasting` keeps."""

    def __init__(self) -> None:
        self._jetstream: JetStreamContext | None = None

    @property
    def jetstream(self) -> JetStreamContext:
        """JetStream over the present connection; another object after it was made anew.

        Raises:
            UnavailableError: There is none now.
        """
        if self._jetstream is None:
            raise UnavailableError("NATS does not answer")
        return self._jetstream

    async def _hold(self, url: str, *, token: str, name: str, held: asyncio.Event) -> None:
        """Connects, and returns when that connection is closed for good."""
        closed = asyncio.Event()
        try:
            async with connected(url, token=token, name=name, on_closed=closed.set) as client:
                self._jetstream = client.jetstream()
                held.set()
                await closed.wait()
        finally:
            self._jetstream = None

    async def _keep(self, url: str, *, token: str, name: str, held: asyncio.Event) -> None:
        while True:
            try:
                await self._hold(url, token=token, name=name, held=held)
                log.warning("NATS closed the connection; making another one")
            except (Error, nats.errors.Error, OSError) as error:
                if not held.is_set():
                    raise
                log.warning(f"NATS: {error}")
            await asyncio.sleep(_AGAIN_SECONDS)


@contextlib.asynccontextmanager
async def lasting(url: str, *, token: str, name: str) -> AsyncIterator[Connection]:
    """Keeps a connection while the block runs, and makes a new one where one was given up.

    Args:
        url: `nats://host:port`.
        token: Shared secret.
        name: Shown in the server's connection list.

    Raises:
        UnavailableError: Nothing listens there for 15 s at the beginning.
    """
    connection, held = Connection(), asyncio.Event()
    keeping = asyncio.create_task(connection._keep(url, token=token, name=name, held=held))  # noqa: SLF001  # its own
    waiting = asyncio.create_task(held.wait())
    try:
        await asyncio.wait({keeping, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if keeping.done():
            keeping.result()
        yield connection
    finally:
        for task in (keeping, waiting):
            task.cancel()
        await asyncio.gather(keeping, waiting, return_exceptions=True)


async def _wait_for_port(url: str, *, seconds: float) -> None:
    """Waits until the port accepts: nats-py itself would sleep 2 s after a first refusal."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 4222
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError as error:
            if asyncio.get_running_loop().time() > deadline:
                raise UnavailableError(f"no NATS server answers at {host}:{port}") from error
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return
