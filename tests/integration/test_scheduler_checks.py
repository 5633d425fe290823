"""Checks through a real scheduler process: asked for, run, cancelled, and listed."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ackrep.scheduler.v1 import check_pb2, dispatch_pb2, scheduler_pb2
from services import rpc
from services.errors import (
    ArtefactMissingError,
    InvalidArgumentError,
    NotCheckableError,
    NotClaimableError,
    NotFoundError,
    StaleAttemptError,
)
from tests.nats_servers import NatsServer
from tests.scheduler_runners import SUCCESS, FakeRunner
from tests.scheduler_system import System, leasing_system, positions, queued_many, until


@pytest.fixture
async def system(tmp_path: Path, nats_server: NatsServer) -> AsyncIterator[System]:
    """A scheduler with one checkable entity, leases of 2 s, without runners."""
    async with leasing_system(tmp_path, nats_server) as running:
        yield running


# From request to verdict --------------------------------------------------------------------------


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


async def test_a_repeated_request_is_answered_whatever_changed_since(system: System) -> None:
    """Whose answer was lost gets it, even where nothing new could be asked for any more."""
    check = await system.create("AAAAA", request_id="one")
    request = scheduler_pb2.CreateRunRequest(entities=["entities/AAAAA"], request_id="one")
    run = await system.users.CreateRun(request)
    system.catalog.broken["AAAAA"] = "solved_problem_list names ZZZZZ, which does not exist"
    assert check == await system.create("AAAAA", request_id="one")
    assert run == await system.users.CreateRun(request)
    with pytest.raises(NotCheckableError):
        await system.create("AAAAA", request_id="two")


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


# Cancelling ---------------------------------------------------------------------------------------


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


# Lists --------------------------------------------------------------------------------------------


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


async def test_verdicts_of_entities_are_listed(system: System) -> None:
    """The newest finished check of each entity is told in short, page by page."""
    runner = FakeRunner(system)
    await runner.register()
    system.catalog.entities |= {"BBBBB": "digest of BBBBB", "CCCCC": "digest of CCCCC"}
    checks = []
    for entity, verdict in (("BBBBB", 3), ("AAAAA", 3), ("AAAAA", 1)):
        name = (await system.create(entity)).name
        await runner.claim(name)
        checks.append(await runner.finish(name, 1, check_pb2.Result(verdict=verdict)))  # type: ignore[arg-type]  # a number
    await system.create("CCCCC")
    request = scheduler_pb2.ListEntityVerdictsRequest(page_size=1)
    first = await system.users.ListEntityVerdicts(request)
    request.page_token = first.next_page_token
    second = await system.users.ListEntityVerdicts(request)
    assert "" == second.next_page_token
    assert [
        scheduler_pb2.EntityVerdict(
            entity=check.entity,
            verdict=check.verdict,
            check=check.name,
            finish_time=check.finish_time,
            revision=check.revision,
        )
        for check in (checks[2], checks[0])
    ] == [*first.verdicts, *second.verdicts]


async def test_bad_requests_for_verdicts(system: System) -> None:
    """Unknown verdicts, names of no entity, too many and other queries' tokens are refused."""
    for fields, message in (
        ({"verdict": 99}, "unknown verdict 99"),
        ({"entities": ["checks/AAAAA"]}, "entities/"),
        ({"entities": ["entities/AAAAA"] * 1001}, "at most 1000"),
        ({"page_size": -1}, "negative"),
        ({"page_token": "x"}, "page_token"),
    ):
        request = scheduler_pb2.ListEntityVerdictsRequest(**fields)
        with pytest.raises(InvalidArgumentError, match=message), rpc.remote_errors():
            await system.users.ListEntityVerdicts(request)


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
