"""Jobs from and events to NATS JetStream."""

import asyncio
import logging
from collections.abc import Sequence

import nats.errors
from google.protobuf.message import DecodeError
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.errors import APIError
from nats.js.errors import Error as JetStreamError

from ackrep.scheduler.v1 import dispatch_pb2
from services import bus
from services.errors import UnavailableError

log = logging.getLogger(__name__)

_ACK_SECONDS = 2.0
_RETRY_SECONDS = 0.2
_TURN_SECONDS = 1.0
_GLANCE_SECONDS = 0.05


class NatsJob:
    """One job message."""

    def __init__(self, message: Msg, check: str) -> None:
        self._message = message
        self.check = check

    async def done(self) -> None:
        await self._tell(self._message.ack())

    async def later(self, seconds: float) -> None:
        await self._tell(self._message.nak(delay=seconds))

    async def _tell(self, answer: object) -> None:
        try:
            await answer  # type: ignore[misc]  # a coroutine of nats-py, which has no types
        except nats.errors.Error as error:
            # It is delivered again, and dropped then: the claim decides, not the message.
            log.warning(f"a job message could not be answered: {error}")


class NatsJobs:
    """The pull consumer that all runners of a pool share; the scheduler makes it."""

    def __init__(self, connection: bus.Connection, *, pool: str) -> None:
        self._connection = connection
        self._consumer = bus.runners_consumer(pool).durable_name
        self._bound: JetStreamContext | None = None
        """What the subscription was made over."""
        self._subscription: JetStreamContext.PullSubscription | None = None

    async def next(self, *, timeout: float) -> NatsJob | None:  # noqa: ASYNC109  # the broker's
        try:
            jetstream = self._connection.jetstream
            if self._subscription is None or self._bound is not jetstream:
                self._subscription = await jetstream.pull_subscribe_bind(
                    consumer=self._consumer, stream=bus.JOBS
                )
                self._bound = jetstream
            messages = await self._subscription.fetch(1, timeout=timeout)
        except (TimeoutError, nats.errors.TimeoutError):
            return None
        except (JetStreamError, APIError, nats.errors.Error, UnavailableError) as error:
            # The scheduler has not made the consumer yet, or the server restarts.
            log.debug(f"no jobs: {error}")
            self._subscription = None
            await asyncio.sleep(_RETRY_SECONDS)
            return None
        message = messages[0]
        try:
            job = dispatch_pb2.Job.FromString(message.data)
        except DecodeError:
            log.warning(f"a job message on {message.subject} that is none")
            await message.term()
            return None
        return NatsJob(message, job.check)


class SeveralJobs:
    """Jobs of several pools: those of the first one come first.

    Only the first pool is waited for at length. The others are asked once a second while nothing
    is there, and at once after one of them had a job.

    Args:
        pools: The jobs of each pool.
    """

    def __init__(self, pools: Sequence[NatsJobs]) -> None:
        self._first, *self._others = pools
        self._busy = False

    async def next(self, *, timeout: float) -> NatsJob | None:  # noqa: ASYNC109  # the broker's
        if not self._others:
            return await self._first.next(timeout=timeout)
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            job = await self._first.next(timeout=_GLANCE_SECONDS if self._busy else _TURN_SECONDS)
            if job is not None:
                return job
            for other in self._others:
                job = await other.next(timeout=_GLANCE_SECONDS)
                self._busy = job is not None
                if job is not None:
                    return job
            if asyncio.get_running_loop().time() >= deadline:
                return None


class NatsEvents:
    """Stores events in the stream that watchers read."""

    def __init__(self, connection: bus.Connection) -> None:
        self._connection = connection

    async def send(self, *, subject: str, message_id: str, data: bytes) -> None:
        try:
            await self._connection.jetstream.publish(
                subject, data, timeout=_ACK_SECONDS, headers={"Nats-Msg-Id": message_id}
            )
        except (TimeoutError, nats.errors.Error, JetStreamError) as error:
            raise UnavailableError(f"an event was not stored: {error}") from error
