"""Streams with wrong settings, and connections that NATS closes for good: real servers."""

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import RetentionPolicy, StreamConfig

from services import bus, streams
from services.errors import UnavailableError
from services.runner.checks.jobs import NatsEvents, NatsJobs
from tests.nats_servers import NatsServer
from tests.scheduler_runners import FakeRunner
from tests.scheduler_system import all_finished, queued_many, running_system, until


@pytest.fixture
async def client(nats_server: NatsServer) -> AsyncIterator[Client]:
    """A connection of the test itself."""
    async with bus.connected(nats_server.url, token=nats_server.token, name="test") as opened:
        yield opened


@pytest.mark.parametrize("wanted", [bus.jobs_stream(), bus.events_stream()], ids=["jobs", "events"])
async def test_the_server_has_exactly_what_is_asked_for(
    client: Client, wanted: StreamConfig, caplog: pytest.LogCaptureFixture
) -> None:
    """No setting is left to the server: what it reports is what was said, and is said once."""
    jetstream = client.jetstream()
    with caplog.at_level(logging.WARNING):
        await streams.ensure_stream(jetstream, wanted)
        await streams.ensure_stream(jetstream, wanted)
    assert [] == caplog.messages
    found = (await jetstream.stream_info(str(wanted.name))).config
    assert [] == streams.differences(wanted, found, apart_from={"metadata"})


async def test_a_stream_made_by_hand_is_corrected_in_place(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """Other bounds are named and corrected; the messages stay."""
    jetstream = client.jetstream()
    wanted = bus.events_stream()
    await jetstream.add_stream(
        dataclasses.replace(wanted, max_age=600.0, max_bytes=1024**2, deny_purge=False)
    )
    await jetstream.publish("events.one", b"kept")
    await streams.ensure_stream(jetstream, wanted)
    info = await jetstream.stream_info(bus.EVENTS)
    assert (wanted.max_age, wanted.max_bytes, 1) == (
        info.config.max_age,
        info.config.max_bytes,
        info.state.messages,
    )
    [said] = caplog.messages
    assert "max_age is 600.0, not 86400.0" in said


async def test_a_consumer_made_by_hand_is_corrected(client: Client) -> None:
    """Most settings can be changed in place; the others mean a new consumer."""
    jetstream = client.jetstream()
    await streams.ensure_stream(jetstream, bus.jobs_stream())
    wanted = bus.runners_consumer("default")
    name = str(wanted.durable_name)
    for wrong in (
        dataclasses.replace(wanted, ack_wait=77.0),
        dataclasses.replace(wanted, inactive_threshold=5.0, max_deliver=3),
        dataclasses.replace(wanted, max_waiting=7),  # the server changes it in no consumer
    ):
        await _remove_consumer(jetstream, name)
        await jetstream.add_consumer(bus.JOBS, wrong)
        await streams.ensure_consumer(jetstream, bus.JOBS, wanted)
        found = (await jetstream.consumer_info(bus.JOBS, name)).config
        assert [] == streams.differences(
            wanted, found, apart_from={"metadata", "name", "num_replicas"}
        )


async def _remove_consumer(jetstream: JetStreamContext, name: str) -> None:
    if any(found.name == name for found in await jetstream.consumers_info(bus.JOBS)):
        await jetstream.delete_consumer(bus.JOBS, name)


async def test_a_stream_that_cannot_be_corrected_is_made_again_with_its_jobs(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    """With another retention the jobs stream is deleted, and its jobs come again from SQL."""
    async with running_system(tmp_path, nats_server) as system:
        names = await queued_many(system, 20)
        async with bus.connected(nats_server.url, token=nats_server.token, name="test") as client:
            jetstream = client.jetstream()

            async def published() -> bool:
                return (await jetstream.stream_info(bus.JOBS)).state.messages > 0

            await until(published, seconds=10)
            await system.scheduler.kill()
            await jetstream.delete_stream(bus.JOBS)
            wrong = dataclasses.replace(bus.jobs_stream(), retention=RetentionPolicy.LIMITS)
            await jetstream.add_stream(wrong)
            await system.scheduler.start()

            async def corrected() -> bool:
                config = (await jetstream.stream_info(bus.JOBS)).config
                return config.retention == RetentionPolicy.WORK_QUEUE

            await until(corrected, seconds=15)
        assert "retention is limits, not workqueue" in (tmp_path / "scheduler.log").read_text()
        async with FakeRunner(system, slots=4).running():
            await all_finished(system, names)


async def test_a_runner_outlives_a_connection_that_was_closed_for_good(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    """The server revokes the token and takes it back: jobs and events flow again, by themselves."""
    url, token = nats_server.url, nats_server.token
    async with bus.connected(url, token=token, name="test") as client:
        await streams.ensure_stream(client.jetstream(), bus.jobs_stream())
        await streams.ensure_stream(client.jetstream(), bus.events_stream())
        await streams.ensure_consumer(client.jetstream(), bus.JOBS, bus.runners_consumer("default"))
    async with bus.lasting(url, token=token, name="runner") as connection:
        jobs, events = NatsJobs(connection, pool="default"), NatsEvents(connection)
        await events.send(subject="events.one", message_id="1", data=b"before")
        first = connection.jetstream
        nats_server.configure(token="another")
        await until(_closed(first), seconds=10)
        with pytest.raises(UnavailableError):
            await events.send(subject="events.one", message_id="2", data=b"meanwhile")
        assert await jobs.next(timeout=0.2) is None
        nats_server.configure(token=token)

        async def sent() -> bool:
            try:
                await events.send(subject="events.one", message_id="3", data=b"after")
            except UnavailableError:
                return False
            return True

        await until(sent, seconds=15)
        assert first is not connection.jetstream
        assert await jobs.next(timeout=0.2) is None
        await connection.jetstream.publish("jobs.default.demo", b"", headers={"Nats-Msg-Id": "a"})
        job = None
        async with asyncio.timeout(10):
            while job is None:
                job = await jobs.next(timeout=1)


async def test_a_scheduler_outlives_a_connection_that_was_closed_for_good(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    """The same with a scheduler: what was queued meanwhile is published and ends."""
    async with running_system(tmp_path, nats_server) as system:
        token = nats_server.token
        await queued_many(system, 1)
        nats_server.configure(token="another")

        async def noticed() -> bool:
            return "NATS" in (tmp_path / "scheduler.log").read_text()

        await until(noticed, seconds=15)
        names = await queued_many(system, 10)
        nats_server.configure(token=token)
        async with FakeRunner(system, slots=4).running():
            await all_finished(system, names)


def _closed(jetstream: JetStreamContext) -> Callable[[], Awaitable[bool]]:
    async def closed() -> bool:
        return bool(jetstream._nc.is_closed)

    return closed
