"""What fails around a real scheduler process: runners, NATS, the scheduler itself."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ackrep.scheduler.v1 import check_pb2, dispatch_pb2, scheduler_pb2
from services import bus, rpc
from services.errors import StaleAttemptError
from tests.nats_servers import NatsServer
from tests.scheduler_runners import SUCCESS, FakeRunner, succeed
from tests.scheduler_system import (
    SchedulerProcess,
    System,
    all_finished,
    leasing_system,
    positions,
    queued_many,
    running_system,
    until,
)


@pytest.fixture
async def system(tmp_path: Path, nats_server: NatsServer) -> AsyncIterator[System]:
    """A scheduler with one checkable entity, leases of 2 s, without runners."""
    async with leasing_system(tmp_path, nats_server) as running:
        yield running


# Runners that fail --------------------------------------------------------------------------------


async def test_an_expired_lease_means_a_second_attempt(system: System) -> None:
    """A runner that is not heard of loses the check; what it says later changes nothing."""
    silent = FakeRunner(system, name="silent")
    await silent.register()
    name = (await system.create("AAAAA")).name
    await silent.claim(name)
    async with FakeRunner(system, name="alive").running() as alive:
        check = await system.finished(name)
    assert [(name, 2)] == alive.claims
    assert (check_pb2.VERDICT_SUCCESS, 2) == (check.verdict, check.attempt)
    [failed] = check.failed_attempts
    assert (1, "runners/silent", "the runner was not heard of for 2 s") == (
        failed.attempt,
        failed.runner,
        failed.reason,
    )
    with pytest.raises(StaleAttemptError):
        await silent.finish(name, 1, check_pb2.Result(verdict=check_pb2.VERDICT_SCRIPT_ERROR))
    answer = (await silent.heartbeat()).answers[0]
    assert dispatch_pb2.DIRECTIVE_STALE == answer.directive
    assert check == await system.get(name)


async def test_a_restarted_runner_loses_its_old_leases_at_once(system: System) -> None:
    """Registering a new incarnation ends what the old one held, long before its lease would."""
    old = FakeRunner(system)
    await old.register()
    name = (await system.create("AAAAA")).name
    await old.claim(name)
    new = FakeRunner(system)
    await new.register()
    check = await system.get(name)
    assert (check_pb2.Check.STATE_QUEUED, "the runner restarted") == (
        check.state,
        check.failed_attempts[0].reason,
    )
    assert (await old.heartbeat()).register
    async with new.running():
        assert 2 == (await system.finished(name)).attempt


async def test_infrastructure_failures_are_given_up_after_three(system: System) -> None:
    """A check whose runner always fails ends as an infrastructure error after three attempts."""

    async def fail(lease: dispatch_pb2.Lease) -> check_pb2.Result:
        return check_pb2.Result(verdict=check_pb2.VERDICT_INFRASTRUCTURE_ERROR, message="no engine")

    async with FakeRunner(system, work=fail).running():
        name = (await system.create("AAAAA")).name
        events = await system.watch(name)
    check = await system.get(name)
    assert (check_pb2.VERDICT_INFRASTRUCTURE_ERROR, 3) == (check.verdict, check.attempt)
    assert ["no engine"] * 3 == [failed.reason for failed in check.failed_attempts]
    assert sorted(set(positions(events))) == positions(events)
    assert {0, 1, 2, 3} == {event.attempt for event in events}


async def test_a_released_check_goes_on_elsewhere(system: System) -> None:
    """A drain costs no attempt of the three, and no waiting."""
    draining = FakeRunner(system, name="draining")
    name = (await system.create("AAAAA")).name
    await draining.claim(name)
    with rpc.remote_errors():
        await system.runners.ReleaseCheck(
            dispatch_pb2.ReleaseCheckRequest(
                attempt=dispatch_pb2.AttemptRef(check=name, attempt=1), reason="drain"
            )
        )
    async with FakeRunner(system).running():
        check = await system.finished(name, seconds=2)
    assert ("drain", 2) == (check.failed_attempts[0].reason, check.attempt)


# What gets lost -----------------------------------------------------------------------------------


async def test_a_deleted_jobs_stream_loses_nothing(system: System) -> None:
    """With 50 checks queued the stream is deleted, twice: all finish, each exactly once."""
    names = await queued_many(system, 50)
    server = system.nats
    async with bus.connected(server.url, token=server.token, name="test") as client:
        jetstream = client.jetstream()

        async def published() -> bool:
            return (await jetstream.stream_info(bus.JOBS)).state.messages > 0

        await until(published)
        await jetstream.delete_stream(bus.JOBS)
        async with FakeRunner(system).running() as runner:

            async def some() -> bool:
                return len(runner.claims) >= 10

            await until(some)
            await jetstream.delete_stream(bus.JOBS)
            await all_finished(system, names)
    assert sorted(names) == sorted(name for name, _ in runner.claims)


async def test_nats_may_die_and_come_back(system: System) -> None:
    """Without NATS checks can be created; when it is back all finish, each exactly once."""
    async with FakeRunner(system).running() as runner:
        first = await system.create("AAAAA")
        await system.finished(first.name)
        system.nats.kill()
        names = await queued_many(system, 20)
        system.nats.start()
        await all_finished(system, names)
    assert sorted([first.name, *names]) == sorted(name for name, _ in runner.claims)


async def test_a_killed_scheduler_goes_on_where_it_was(system: System) -> None:
    """SIGKILL in the middle of 30 checks: after a restart all finish, each exactly once."""

    async def slowly(lease: dispatch_pb2.Lease) -> check_pb2.Result:
        await asyncio.sleep(0.05)
        return await succeed(lease)

    names = await queued_many(system, 30)
    async with FakeRunner(system, work=slowly).running() as runner:
        for claims in (5, 15):

            async def some(wanted: int = claims) -> bool:
                return len(runner.claims) >= wanted

            await until(some)
            await system.scheduler.kill()
            await system.scheduler.start()
        await all_finished(system, names)
    for name in names:
        check = await system.get(name)
        assert (check_pb2.VERDICT_SUCCESS, []) == (check.verdict, list(check.failed_attempts))
    assert sorted(names) == sorted({name for name, _ in runner.claims})


async def test_running_leases_get_time_after_a_restart(system: System) -> None:
    """A lease that ran out while the scheduler was away is not taken before a grace period."""
    runner = FakeRunner(system)
    await runner.register()
    name = (await system.create("AAAAA")).name
    await runner.claim(name)
    await system.scheduler.kill()
    await asyncio.sleep(2.1)  # the lease's length is what this test is about
    await system.scheduler.start()
    await system.get(name)
    answer = (await runner.heartbeat()).answers[0]
    assert dispatch_pb2.DIRECTIVE_CONTINUE == answer.directive
    assert 1 == (await runner.finish(name, 1, SUCCESS)).attempt


@pytest.mark.postgres
async def test_two_schedulers_share_a_database(
    tmp_path: Path, nats_server: NatsServer, postgres_url: str
) -> None:
    """Over PostgreSQL two schedulers serve at once; one is killed; each check ends exactly once."""
    async with running_system(tmp_path, nats_server, database=postgres_url) as system:
        second = SchedulerProcess(
            tmp_path, nats_server, system.scheduler.catalog, system.scheduler.settings
        )
        await second.start()
        try:
            async with rpc.dial(f"127.0.0.1:{second.port}", token=nats_server.token) as channel:
                other = System(second, nats_server, system.catalog, channel)
                names = await queued_many(system, 30)
                assert names == [
                    check.name
                    for check in (
                        await other.users.ListChecks(scheduler_pb2.ListChecksRequest())
                    ).checks
                ]
                watching = asyncio.create_task(other.watch(names[0]))
                async with FakeRunner(other).running() as runner:

                    async def some() -> bool:
                        return len(runner.claims) >= 5

                    await until(some)
                    await system.scheduler.kill()
                    await all_finished(other, names)
                assert (1, 5) == positions(await watching)[-1]
        finally:
            await second.stop()
    assert sorted(names) == sorted(name for name, _ in runner.claims)
