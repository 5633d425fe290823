"""NATS JetStream: job messages for runners, events for watchers.

Nothing here is the truth. Streams that vanish are made again, and what they held is published
again from SQL (`loops.py`).
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NoStreamResponseError, NotFoundError

from ackrep.scheduler.v1 import dispatch_pb2
from services import bus, streams
from services.errors import Error, UnavailableError
from services.scheduler.messages import event_of
from services.scheduler.ports.store import Event, EventReader, Message, Publication
from services.scheduler.tasks import ended

log = logging.getLogger(__name__)

_PATIENCE = 2.0
"""Seconds that the broker gets to answer a request."""
_FETCH = 256
"""Events that are read from the stream at a time."""


class NatsBroker:
    """The port `Broker` over JetStream. Works, or says that it does not, at any time."""

    def __init__(
        self,
        url: str,
        *,
        token: str,
        pools: Sequence[str],
        on_connected: Callable[[], None] = lambda: None,
    ) -> None:
        self._url = url
        self._token = token
        self._client: Client | None = None
        self._jetstream: JetStreamContext | None = None
        self._pools = tuple(pools)
        self._on_connected = on_connected
        self._ensured: tuple[object, ...] = ()
        """Connection and pools for which streams and consumers were given their settings."""

    async def run(self, stop: asyncio.Event) -> None:
        """Keeps a connection until stopped, however long NATS takes to appear."""
        while not stop.is_set():
            over = asyncio.Event()
            try:
                async with bus.connected(
                    self._url, token=self._token, name="scheduler", on_closed=over.set
                ) as client:
                    self._jetstream = client.jetstream(timeout=_PATIENCE)
                    self._client = client
                    await self.ensure(pools=self._pools)
                    self._on_connected()
                    await _either(stop, over)
                if not stop.is_set():
                    log.warning("NATS closed the connection; making another one")
            except (Error, nats.errors.Error, OSError) as error:
                log.warning(f"NATS: {error}")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 0.5)
            finally:
                self._client = self._jetstream = None

    @property
    def connected(self) -> bool:
        """Whether NATS answers now."""
        return self._client is not None and self._client.is_connected

    async def ensure(self, *, pools: Sequence[str]) -> None:
        self._pools = tuple(pools)
        with self._translated():
            jetstream = self._stream()
            client = self._client
            wanted = (id(client), client.stats["reconnects"] if client else 0, self._pools)
            if self._ensured == wanted and await self._present(jetstream):
                return
            await streams.ensure_stream(jetstream, bus.jobs_stream())
            await streams.ensure_stream(jetstream, bus.events_stream())
            for pool in self._pools:
                await streams.ensure_consumer(jetstream, bus.JOBS, bus.runners_consumer(pool))
            self._ensured = wanted

    async def _present(self, jetstream: JetStreamContext) -> bool:
        try:
            await jetstream.stream_info(bus.EVENTS)
            for pool in self._pools:
                await jetstream.consumer_info(
                    bus.JOBS, bus.runners_consumer(pool).durable_name or ""
                )
        except NotFoundError:
            return False
        return True

    async def publish_job(self, job: Publication) -> int:
        message = dispatch_pb2.Job(
            check=f"checks/{job.check}",
            environment=f"environments/{job.environment}",
            attempts_made=job.attempt,
        )
        return await self._publish(
            bus.job_subject(pool=job.pool, environment=job.environment),
            message.SerializeToString(),
            message_id=f"{job.check}/{job.attempt}/{job.number}",
        )

    async def has_job(self, job: Publication) -> bool:
        with self._translated():
            try:
                found = await self._stream().get_msg(bus.JOBS, seq=job.sequence)
            except NotFoundError:
                return False
        message = dispatch_pb2.Job.FromString(found.data or b"")
        return message.check == f"checks/{job.check}"

    async def publish_event(self, message: Message) -> None:
        await self._publish(message.subject, message.payload, message_id=message.message_id)

    async def _publish(self, subject: str, payload: bytes, *, message_id: str) -> int:
        headers = {"Nats-Msg-Id": message_id}
        with self._translated():
            jetstream = self._stream()
            try:
                ack = await jetstream.publish(subject, payload, headers=headers)
            except NoStreamResponseError:  # the stream is gone
                await self.ensure(pools=self._pools)
                ack = await jetstream.publish(subject, payload, headers=headers)
        return int(ack.seq)

    @contextlib.asynccontextmanager
    async def events(self, check: str) -> AsyncIterator[EventReader]:
        reader = _NatsEvents(self, bus.event_subject(check))
        task = asyncio.create_task(reader.run())
        try:
            yield reader
        finally:
            await ended(task)

    def _stream(self) -> JetStreamContext:
        if self._jetstream is None or not self.connected:
            raise UnavailableError("NATS does not answer")
        return self._jetstream

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (nats.errors.Error, JetStreamError, OSError, TimeoutError) as error:
            raise UnavailableError(f"NATS: {error or type(error).__name__}") from error


async def _either(*events: asyncio.Event) -> None:
    """Returns when one of them is set."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await ended(*waiting)


class _NatsEvents:
    """Reads what a subject holds, then what comes: from one plain subscription, at no delay.

    A plain subscription outlives a restart of the server without help, but not without loss; so
    after each reconnection, and where a sequence jumps, the stream is read again. (The ordered
    consumer of nats-py does not recover where the stream itself was deleted.)
    """

    def __init__(self, broker: NatsBroker, subject: str) -> None:
        self._broker = broker
        self._subject = subject
        self._events: asyncio.Queue[Event] = asyncio.Queue(maxsize=10_000)
        self._last = (0, 0)

    async def next(self) -> Event:
        return await self._events.get()

    async def run(self) -> None:
        while True:
            try:
                await self._follow()
            except (Error, nats.errors.Error, JetStreamError, OSError, TimeoutError) as error:
                log.debug(f"events of {self._subject}: {error or type(error).__name__}")
            await asyncio.sleep(0.2)

    async def _follow(self) -> None:
        client = self._broker._client  # noqa: SLF001  # its own reader
        if client is None or not client.is_connected:
            return
        connections = client.stats["reconnects"]
        subscription = await client.subscribe(self._subject)
        try:
            await client.flush(timeout=2)
            await self._read_stream()
            while self._broker.connected and client.stats["reconnects"] == connections:
                try:
                    message: Msg = await subscription.next_msg(timeout=1.0)
                except nats.errors.TimeoutError:
                    continue
                event = event_of(message.data)
                if event.attempt == self._last[0] and event.sequence > self._last[1] + 1:
                    await self._read_stream()
                await self._put(event)
        finally:
            with contextlib.suppress(nats.errors.Error):
                await subscription.unsubscribe()

    async def _put(self, event: Event) -> None:
        if event.position > self._last:
            self._last = event.position
            await self._events.put(event)

    async def _read_stream(self) -> None:
        """Reads what the stream holds; one request where that is at most one event more."""
        jetstream = self._broker._stream()  # noqa: SLF001
        try:
            newest = await jetstream.get_last_msg(bus.EVENTS, self._subject)
        except NotFoundError:
            return
        event = event_of(newest.data or b"")
        if event.position <= self._last:
            return
        if event.position == (self._last[0], self._last[1] + 1):
            await self._put(event)
            return
        subscription = await jetstream.pull_subscribe(
            self._subject,
            stream=bus.EVENTS,
            config=ConsumerConfig(
                ack_policy=AckPolicy.NONE,
                deliver_policy=DeliverPolicy.ALL,
                mem_storage=True,
                inactive_threshold=10.0,
            ),
        )
        try:
            left = (await subscription.consumer_info()).num_pending or 0
            while left:
                for message in await subscription.fetch(min(left, _FETCH), timeout=_PATIENCE):
                    left = message.metadata.num_pending
                    await self._put(event_of(message.data))
        finally:
            with contextlib.suppress(nats.errors.Error, JetStreamError):
                await subscription.unsubscribe()
