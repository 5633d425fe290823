"""Watching checks and runs through a real scheduler process, whatever happens meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError as NoStreamError

from ackrep.scheduler.v1 import check_pb2, dispatch_pb2, scheduler_pb2
from services import bus
from services.errors import InvalidArgumentError, NotFoundError
from tests.nats_servers import NatsServer
from tests.scheduler_runners import FakeRunner, log_event, succeed
from tests.scheduler_system import System, leasing_system, positions, until


@pytest.fixture
async def system(tmp_path: Path, nats_server: NatsServer) -> AsyncIterator[System]:
    """A scheduler with one checkable entity, leases of 2 s, without runners."""
    async with leasing_system(tmp_path, nats_server) as running:
        yield running


async def test_a_watch_resumes_without_gap_or_repetition(system: System) -> None:
    """From each token on, while it runs and when it is finished, come exactly the later events."""
    gate = asyncio.Event()

    async def wait(lease: dispatch_pb2.Lease) -> check_pb2.Result:
        await gate.wait()
        return await succeed(lease)

    async with FakeRunner(system, work=wait, lines=20).running():
        name = (await system.create("AAAAA")).name
        call = system.users.WatchCheck(scheduler_pb2.WatchCheckRequest(name=name))
        first: list[check_pb2.CheckEvent] = []
        async for event in call:
            first.append(event)
            if (event.attempt, event.sequence) == (1, 8):
                break
        call.cancel()
        going_on = asyncio.create_task(system.watch(name, token=first[-1].resume_token))
        gate.set()
        events = [*first, *await going_on]
    expected = [(0, 1), *((1, sequence) for sequence in range(1, 23))]
    assert expected == positions(events)
    assert "".join(f"line {number}\n" for number in range(20)) == "".join(
        event.log.text for event in events
    )
    for event in events:
        later = await system.watch(name, token=event.resume_token)
        assert [at for at in expected if at > (event.attempt, event.sequence)] == positions(later)
    assert events == await system.watch(name)


async def test_a_watch_outlives_nats_and_its_streams(system: System) -> None:
    """When NATS dies and its events are gone, a watcher still gets all: from the stored log."""
    gate = asyncio.Event()

    async def wait(lease: dispatch_pb2.Lease) -> check_pb2.Result:
        await gate.wait()
        return await succeed(lease)

    async with FakeRunner(system, work=wait).running():
        name = (await system.create("AAAAA")).name
        watching = asyncio.create_task(system.watch(name))

        async def running() -> bool:
            return (await system.get(name)).state == check_pb2.Check.STATE_RUNNING

        await until(running)
        system.nats.kill()
        gate.set()
        events = await watching
        system.nats.start()
    assert [(0, 1), (1, 1), (1, 2), (1, 3), (1, 4), (1, 5)] == positions(events)


async def test_what_the_broker_lost_is_announced(system: System) -> None:
    """Events that went with their stream leave one event that counts them, then come the others."""
    runner = FakeRunner(system)
    await runner.register()
    name = (await system.create("AAAAA")).name
    await runner.claim(name)
    server = system.nats
    async with bus.connected(server.url, token=server.token, name="test") as client:
        jetstream = client.jetstream()
        for sequence in (1, 2, 3, 4):
            await _publish(jetstream, name, sequence)
        seen = await _watched(system, name, token="", until_sequence=2)
        await jetstream.delete_stream(bus.EVENTS)

        async def again() -> bool:
            try:
                return (await jetstream.stream_info(bus.EVENTS)).state.messages == 0
            except NoStreamError:
                return False

        await until(again)
        for sequence in (7, 8):
            await _publish(jetstream, name, sequence)
        events = await _watched(system, name, token=seen[-1].resume_token, until_sequence=8)
        assert [(1, 6), (1, 7), (1, 8)] == positions(events)
        assert ["gap", "log", "log"] == [event.WhichOneof("body") for event in events]
        assert 4 == events[0].gap.events
        later = await _watched(system, name, token=events[0].resume_token, until_sequence=8)
        assert events[1:] == later


async def _publish(jetstream: JetStreamContext, name: str, sequence: int) -> None:
    event = log_event(name, 1, sequence, f"line {sequence}\n")
    await jetstream.publish(bus.event_subject(name), event.SerializeToString())


async def _watched(
    system: System, name: str, *, token: str, until_sequence: int
) -> list[check_pb2.CheckEvent]:
    """The events after a token, up to that sequence of the first attempt."""
    request = scheduler_pb2.WatchCheckRequest(name=name, resume_token=token)
    call = system.users.WatchCheck(request, timeout=20)
    events = []
    async for event in call:
        events.append(event)
        if (event.attempt, event.sequence) >= (1, until_sequence):
            break
    call.cancel()
    return events


async def test_bad_resume_tokens_are_refused(system: System) -> None:
    """A token of another form is an error, not a silent beginning."""
    name = (await system.create("AAAAA")).name
    with pytest.raises(InvalidArgumentError):
        await system.watch(name, token="here")
    with pytest.raises(NotFoundError):
        await system.watch("checks/" + "0" * 32)


async def test_a_run_is_watched_to_its_end(system: System) -> None:
    """First the present state of all, then each change; resumed anywhere, nothing is missing."""
    system.catalog.entities = {f"B{number:04d}": str(number) for number in range(7)}
    system.catalog.broken["DDDDD"] = "solved_problem_list names ZZZZZ, which does not exist"
    run = await system.users.CreateRun(scheduler_pb2.CreateRunRequest(title="all"))
    assert (8, 1) == (run.check_count, run.finished_count)
    request = scheduler_pb2.WatchRunRequest(name=run.name)
    events: list[check_pb2.RunEvent] = []
    async for event in system.users.WatchRun(request):
        events.append(event)
        if len(events) == 8:
            break
    assert 8 == len({event.check.name for event in events})
    [broken] = [event.check for event in events if event.check.entity == "entities/DDDDD"]
    assert (check_pb2.VERDICT_SCRIPT_ERROR, system.catalog.broken["DDDDD"]) == (
        broken.verdict,
        broken.result.message,
    )
    request.resume_token = events[-1].resume_token
    async with FakeRunner(system).running():
        rest = [event async for event in system.users.WatchRun(request)]
    states = {event.check.name: event.check.state for event in [*events, *rest]}
    assert {check_pb2.Check.STATE_FINISHED} == set(states.values())
    tokens = [int(event.resume_token) for event in [*events, *rest]]
    assert sorted(set(tokens)) == tokens
    last = rest[-1].run
    assert (8, True) == (last.finished_count, last.HasField("finish_time"))
    assert last == await system.users.GetRun(scheduler_pb2.GetRunRequest(name=run.name))
    listed = await system.users.ListRuns(scheduler_pb2.ListRunsRequest())
    assert [last] == list(listed.runs)
