"""NATS JetStream as ACKREP uses it: two streams, their subjects, and every setting said.

SQL is the truth and JetStream the transport: losing either stream loses no check. `JOBS` carries
what is about to run, `EVENTS` what watchers see while it runs.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import nats
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import BadRequestError, NotFoundError

from services.errors import UnavailableError

log = logging.getLogger(__name__)

JOBS = "JOBS"
EVENTS = "EVENTS"
ACK_WAIT_SECONDS = 5.0
"""A job message that is neither acknowledged nor renewed for so long is delivered again."""

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


def job_subject(*, pool: str, environment: str) -> str:
    """Subject of jobs for an environment (`environments/{name}` or the name) in a pool."""
    return f"jobs.{_token(pool)}.{_token(environment.removeprefix('environments/'))}"


def event_subject(check: str) -> str:
    """Subject of the events of `checks/{id}`."""
    return f"events.{_token(check.removeprefix('checks/'))}"


def _token(text: str) -> str:
    return _UNSAFE.sub("_", text) or "_"


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
        duplicate_window=120.0,
        num_replicas=1,
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
        duplicate_window=120.0,
        num_replicas=1,
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
    )


@contextlib.asynccontextmanager
async def connected(url: str, *, token: str, name: str) -> AsyncIterator[Client]:
    """Connects to NATS while the block runs; reconnects for ever in between.

    Args:
        url: `nats://host:port`.
        token: Shared secret.
        name: Shown in the server's connection list.

    Raises:
        UnavailableError: Nothing listens there for 15 s.
    """
    await _wait_for_port(url, seconds=15.0)

    async def on_error(error: Exception) -> None:
        log.warning(f"NATS: {error or type(error).__name__}")

    client = await nats.connect(
        url,
        name=name,
        token=token,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.2,
        ping_interval=10,
        error_cb=on_error,
    )
    try:
        yield client
    finally:
        with contextlib.suppress(Exception):  # the server may be gone already
            await asyncio.wait_for(client.close(), 3.0)


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


async def ensure_stream(jetstream: JetStreamContext, wanted: StreamConfig) -> None:
    """Makes a stream have exactly the wanted settings; one that cannot be updated is recreated.

    What a recreated stream held is published again from SQL by the scheduler's reconciler.
    """
    assert wanted.name is not None  # noqa: S101  # both configurations above name themselves
    try:
        await jetstream.stream_info(wanted.name)
    except NotFoundError:
        await jetstream.add_stream(wanted)
        return
    try:
        await jetstream.update_stream(wanted)
    except BadRequestError as error:
        log.warning(f"recreating the stream {wanted.name}: {error.description}")
        await jetstream.delete_stream(wanted.name)
        await jetstream.add_stream(wanted)
