"""The life of checks through a real scheduler process, over real gRPC and a real nats-server."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ackrep.scheduler.v1 import check_pb2, dispatch_pb2, scheduler_pb2
from services import bus, rpc
from services.errors import (
    ArtefactMissingError,
    InvalidArgumentError,
    NotCheckableError,
    NotClaimableError,
    NotFoundError,
    StaleAttemptError,
)
from tests.nats_servers import NatsServer
from tests.scheduler_system import (
    FakeRunner,
    SchedulerProcess,
    System,
    running_system,
    succeed,
    until,
)

SUCCESS = check_pb2.Result(verdict=check_pb2.VERDICT_SUCCESS, message="success")


@pytest.fixture
async def system(tmp_path: Path, nats_server: NatsServer) -> AsyncIterator[System]:
    """A scheduler with one checkable entity, leases of 2 s, without runners."""
    async with running_system(
        tmp_path, nats_server, lease_seconds="2", reconcile_seconds="0.2"
    ) as running:
        running.catalog.entities["AAAAA"] = "digest of AAAAA"
        yield running


def positions(events: list[check_pb2.CheckEvent]) -> list[tuple[int, int]]:
    return [(event.attempt, event.sequence) for event in events]


async def queued_many(system: System, count: int) -> list[str]:
    """Creates a run of many checks, and gives their names."""
    system.catalog.entities = {f"B{number:04d}": str(number) for number in range(count)}
    with rpc.remote_errors():
        run = await system.users.CreateRun(
            scheduler_pb2.CreateRunRequest(title="all"), wait_for_ready=True, timeout=30
        )
    assert count == run.check_count
    page = await system.users.ListChecks(
        scheduler_pb2.ListChecksRequest(page_size=500, filter=f"run = {run.name}")
    )
    return [check.name for check in page.checks]


async def all_finished(system: System, names: list[str], *, seconds: float = 60.0) -> None:
    """Waits until each has a verdict; asserts that each succeeded."""

    async def done() -> bool:
        with rpc.remote_errors():
            page = await system.users.ListChecks(
                scheduler_pb2.ListChecksRequest(page_size=500, filter="verdict = success"),
                wait_for_ready=True,
                timeout=20,
            )
        return set(names) <= {check.name for check in page.checks}

    await until(done, seconds=seconds)


# From request to verdict --------------------------------------------------------------------


async def test_check_goes_from_request_to_verdict(system: System) -> None:
    """A check that is asked for runs on a runner, ends once, and can be watched in order."""
    async with FakeRunner(system).running() as runner:
        created = await system.create("AAAAA")
        events = await system.watch(created.name)
    check = await system.get(created.name)
    assert check_pb2.Check.STATE_FINISHED == check.state
    assert check_pb2.VERDICT_SUCCESS == check.verdict
    assert [(created.name, 1)] == runner.claims
    assert [(0, 1), (1, 1), (1, 2), (1, 3), (1, 4), (1, 5)] == positions(events)
    assert check == events[-1].check_changed
    assert "queue" == check.result.phases[0].name


async def test_requests_that_cannot_become_checks(system: System) -> None:
    """Unknown entities, other types and dangling references are refused before anything is made."""
    system.catalog.packages.add("PPPPP")
    system.catalog.broken["DDDDD"] = "solved_problem_list names ZZZZZ, which does not exist"
    with pytest.raises(NotFoundError):
        await system.create("ZZZZZ")
    with pytest.raises(NotCheckableError, match="cannot be checked"):
        await system.create("PPPPP")
    with pytest.raises(NotCheckableError, match="ZZZZZ"):
        await system.create("DDDDD")
    with pytest.raises(InvalidArgumentError):
        await system.create("../..")
    with pytest.raises(NotFoundError):
        await system.get("checks/" + "0" * 32)


async def test_equal_requests_share_a_check(system: System) -> None:
    """While a check is active an equal request gets it, with or without a request id."""
    first = await system.create("AAAAA", request_id="one")
    assert first.name == (await system.create("AAAAA")).name
    assert first.name == (await system.create("AAAAA", request_id="one")).name


async def test_finish_is_accepted_once_and_only_from_the_present_attempt(system: System) -> None:
    """Repeating a finish gives the same check; another attempt's finish changes nothing."""
    runner = FakeRunner(system)
    await runner.register()
    name = (await system.create("AAAAA")).name
    lease = await runner.claim(name, claim_id="c")
    assert lease == await runner.claim(name, claim_id="c")
    assert 32 >= lease.seed.bit_length()
    assert 300 == lease.limits.wall_time.seconds
    with pytest.raises(NotClaimableError):
        await FakeRunner(system, name="two").claim(name)
    with pytest.raises(StaleAttemptError):
        await runner.finish(name, 2, SUCCESS)
    check = await runner.finish(name, 1, SUCCESS)
    other = check_pb2.Result(verdict=check_pb2.VERDICT_SCRIPT_ERROR)
    assert check == await runner.finish(name, 1, other)
    with pytest.raises(StaleAttemptError):
        await runner.start_check(name, 1)
    assert check == await system.get(name)


async def test_artefacts_have_to_be_there_first(system: System) -> None:
    """A result that names a file which the store lacks is refused; then uploaded it is accepted."""
    runner = FakeRunner(system)
    name = (await system.create("AAAAA")).name
    await runner.claim(name)
    content = b"\x89PNG\r\n\x1a\n" + b"x" * 700_000
    artefact = f"artefacts/{hashlib.sha256(content).hexdigest()}"
    result = check_pb2.Result(
        verdict=check_pb2.VERDICT_SUCCESS,
        artefacts=[
            check_pb2.Artefact(
                name=artefact,
                path="AAAAA/plot.png",
                size=len(content),
                content_type="text/html",
            )
        ],
    )
    with pytest.raises(ArtefactMissingError):
        await runner.finish(name, 1, result)
    missing = await system.runners.FindMissingArtefacts(
        dispatch_pb2.FindMissingArtefactsRequest(artefacts=[artefact])
    )
    assert [artefact] == list(missing.missing)
    assert artefact == await runner.upload(content)
    check = await runner.finish(name, 1, result)
    assert "image/png" == check.result.artefacts[0].content_type
    request = scheduler_pb2.DownloadArtefactRequest(name=artefact)
    parts = [part async for part in system.users.DownloadArtefact(request)]
    assert content == b"".join(part.data for part in parts)
    assert "image/png" == parts[0].content_type
    unknown = scheduler_pb2.DownloadArtefactRequest(name="artefacts/" + "0" * 64)
    with pytest.raises(NotFoundError), rpc.remote_errors():
        _ = [part async for part in system.users.DownloadArtefact(unknown)]


# Runners that fail --------------------------------------------------------------------------


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


# Cancelling ---------------------------------------------------------------------------------


async def cancel(system: System, name: str) -> check_pb2.Check:
    return await system.users.CancelCheck(scheduler_pb2.CancelCheckRequest(name=name))


async def test_cancel_a_queued_check(system: System) -> None:
    """It is finished at once, its watchers learn it, and no runner gets it any more."""
    name = (await system.create("AAAAA")).name
    watching = asyncio.create_task(system.watch(name))
    cancelled = await cancel(system, name)
    assert check_pb2.VERDICT_CANCELLED == cancelled.verdict
    assert [(0, 1), (0, 2**40)] == positions(await watching)
    assert cancelled == await cancel(system, name)
    with pytest.raises(NotClaimableError):
        await FakeRunner(system).claim(name)


async def test_cancel_a_running_check(system: System) -> None:
    """Its runner is told with the next heartbeat, and its verdict is cancelled."""
    started = asyncio.Event()

    async def wait_for_cancel(lease: dispatch_pb2.Lease) -> check_pb2.Result:
        started.set()

        async def cancelled() -> bool:
            return lease.check.name in runner.cancelled

        await until(cancelled)
        return check_pb2.Result(verdict=check_pb2.VERDICT_CANCELLED)

    runner = FakeRunner(system, work=wait_for_cancel)
    async with runner.running():
        name = (await system.create("AAAAA")).name
        await started.wait()
        assert (await cancel(system, name)).cancel_requested
        check = await system.finished(name, seconds=5)
    assert (check_pb2.VERDICT_CANCELLED, 0) == (check.verdict, len(check.failed_attempts))


async def test_cancel_a_check_whose_runner_is_gone(system: System) -> None:
    """When the lease runs out the check is cancelled, not tried again."""
    name = (await system.create("AAAAA")).name
    await FakeRunner(system).claim(name)
    await cancel(system, name)
    check = await system.finished(name)
    assert (check_pb2.VERDICT_CANCELLED, 1) == (check.verdict, check.attempt)


# What gets lost -----------------------------------------------------------------------------


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


# Watching -----------------------------------------------------------------------------------


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


# Lists --------------------------------------------------------------------------------------


async def test_checks_are_listed_page_by_page(system: System) -> None:
    """Pages of a filtered list hold each check once, newest first."""
    names = await queued_many(system, 7)
    found: list[str] = []
    request = scheduler_pb2.ListChecksRequest(page_size=3, filter="state = queued")
    while True:
        page = await system.users.ListChecks(request)
        found += [check.name for check in page.checks]
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert names == found
    with pytest.raises(InvalidArgumentError), rpc.remote_errors():
        await system.users.ListChecks(scheduler_pb2.ListChecksRequest(filter="colour = red"))


async def test_runners_are_listed_with_what_they_hold(system: System) -> None:
    """A runner that was heard of is listed with its slots and checks."""
    runner = FakeRunner(system, slots=3)
    await runner.register()
    name = (await system.create("AAAAA")).name
    await runner.claim(name)
    [listed] = (await system.users.ListRunners(scheduler_pb2.ListRunnersRequest())).runners
    assert ("runners/one", "default", 3, [name], "process") == (
        listed.name,
        listed.pool,
        listed.slots,
        list(listed.checks),
        listed.backend,
    )
