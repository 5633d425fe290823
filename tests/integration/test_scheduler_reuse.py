"""Reuse of results through a real scheduler process, with a runner that says what it has."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ackrep.scheduler.v1 import (
    check_pb2,
    dispatch_pb2,
    explanation_pb2,
    explanation_pb2_grpc,
    scheduler_pb2,
)
from services import rpc
from services.errors import NotFoundError
from tests.nats_servers import NatsServer
from tests.scheduler_runners import FakeRunner
from tests.scheduler_system import System, leasing_system

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
Kind = explanation_pb2.Reason.Kind


@pytest.fixture
async def system(tmp_path: Path, nats_server: NatsServer) -> AsyncIterator[System]:
    """A scheduler with one checkable entity, without runners."""
    async with leasing_system(tmp_path, nats_server) as running:
        yield running


@contextlib.asynccontextmanager
async def runner_with(
    system: System, digest: str, *, runs_in: str = ""
) -> AsyncIterator[FakeRunner]:
    """A runner whose environment is this image; checks may run in another one all the same."""

    async def work(lease: dispatch_pb2.Lease) -> check_pb2.Result:
        image = runs_in or digest
        await system.runners.RecordEnvironment(
            dispatch_pb2.RecordEnvironmentRequest(
                digest=image,
                environment="environments/demo_environment",
                python="3.11.2",
                packages=[f"numpy=={image[7]}", "scipy==1"],
            )
        )
        return check_pb2.Result(
            verdict=check_pb2.VERDICT_SUCCESS,
            message="success",
            provenance=check_pb2.Provenance(environment_digest=image, runtime_version="1"),
        )

    runner = FakeRunner(system, work=work)
    runner.environments = {"demo_environment": digest}
    async with runner.running():
        yield runner


async def forced(system: System, key: str) -> check_pb2.Check:
    """A check that runs in any case."""
    return await system.users.CreateCheck(
        scheduler_pb2.CreateCheckRequest(entity=f"entities/{key}", force=True)
    )


async def explained(system: System, name: str) -> explanation_pb2.Explanation:
    """Why a check ran or not."""
    with rpc.remote_errors():
        return await explanation_pb2_grpc.ExplanationServiceStub(system.channel).ExplainCheck(
            explanation_pb2.ExplainCheckRequest(name=name)
        )


def kinds(found: explanation_pb2.Explanation) -> list[int]:
    """The kinds of its reasons."""
    return [reason.kind for reason in found.reasons]


async def test_an_equal_check_does_not_run(system: System) -> None:
    """It ends as the one that ran, with its packages and its log, and is explained."""
    async with runner_with(system, ONE) as runner:
        ran = await system.finished((await system.create("AAAAA")).name)
        check = await system.create("AAAAA")
        claims = list(runner.claims)
        again = await system.finished((await forced(system, "AAAAA")).name)
    found = await system.get(check.name)

    assert [(ran.name, 1)] == claims
    assert (check_pb2.Check.STATE_FINISHED, ran.name, 0) == (
        check.state,
        check.reused_from,
        check.attempt,
    )
    assert ran.result == found.result
    assert ["numpy==1", "scipy==1"] == list(found.result.provenance.packages)
    assert ran.inputs_digest == check.inputs_digest
    assert "" == again.reused_from
    assert [Kind.KIND_FIRST] == kinds(await explained(system, ran.name))
    assert [Kind.KIND_SAME_INPUTS] == kinds(await explained(system, check.name))
    assert [Kind.KIND_FORCED] == kinds(await explained(system, again.name))


async def test_the_log_of_a_reused_result_can_be_watched(system: System) -> None:
    """From the beginning and from any place, as what happened to this check."""
    async with runner_with(system, ONE):
        ran = await system.finished((await system.create("AAAAA")).name)
        original = await system.watch(ran.name)
        check = await system.create("AAAAA")

    events = await system.watch(check.name)

    assert [e.log.text for e in original if e.HasField("log")] == [
        e.log.text for e in events if e.HasField("log")
    ]
    assert {check.name} == {event.check for event in events}
    assert check_pb2.VERDICT_SUCCESS == events[-1].check_changed.verdict
    assert [(0, number) for number in range(1, 5)] == [
        (event.attempt, event.sequence) for event in events[:-1]
    ]
    for place, event in enumerate(events):
        assert events[place + 1 :] == await system.watch(check.name, token=event.resume_token)


async def test_another_image_lets_checks_run(system: System) -> None:
    """The explanation names it, with the packages that differ."""
    async with runner_with(system, ONE):
        await system.finished((await system.create("AAAAA")).name)
    async with runner_with(system, TWO):
        check = await system.finished((await system.create("AAAAA")).name)

    found = await explained(system, check.name)

    assert "" == check.reused_from
    assert [Kind.KIND_IMAGE_CHANGED] == kinds(found)
    [reason] = found.reasons
    assert (ONE, TWO) == (reason.before, reason.after)
    assert [("numpy", "1", "2")] == [(p.name, p.before, p.after) for p in reason.packages]
    assert TWO == found.inputs.environment_digest
    assert ["AAAAA"] == [folder.path for folder in found.inputs.folders]


async def test_a_result_of_an_unexpected_image_is_not_reused(system: System) -> None:
    """It ran in another image than was said when it was created: it stands for that one alone."""
    async with runner_with(system, ONE, runs_in=TWO):
        first = await system.finished((await system.create("AAAAA")).name)
        second = await system.finished((await system.create("AAAAA")).name)
    async with runner_with(system, TWO) as runner:
        third = await system.create("AAAAA")

    assert "" == second.reused_from
    assert TWO == first.result.provenance.environment_digest
    assert second.name == third.reused_from
    assert [] == runner.claims


async def test_nothing_is_reused_while_runners_disagree(system: System) -> None:
    """With two images it is not known in which one a check would run."""
    async with runner_with(system, ONE):
        await system.finished((await system.create("AAAAA")).name)
        other = FakeRunner(system, name="two")
        other.environments = {"demo_environment": TWO}
        await other.register()
        await other.heartbeat()
        check = await system.create("AAAAA")

    assert "" == check.reused_from
    assert [Kind.KIND_IMAGE_UNKNOWN] == kinds(await explained(system, check.name))


async def test_a_new_check_waits_for_what_a_new_runner_says(system: System) -> None:
    """So that the first command after a start runs nothing that need not run."""
    async with runner_with(system, ONE):
        await system.finished((await system.create("AAAAA")).name)
    runner = FakeRunner(system)
    runner.environments = {"demo_environment": ONE}
    await runner.register()

    creating = asyncio.create_task(system.create("AAAAA"))
    done, _ = await asyncio.wait([creating], timeout=0.3)
    await runner.heartbeat()

    assert set() == done
    assert (await creating).reused_from


async def test_the_request_stays_the_same_when_its_image_becomes_known(system: System) -> None:
    """While a check is active an equal request gets it, though it says more by now."""
    first = await system.create("AAAAA")
    runner = FakeRunner(system)
    await runner.register()
    await runner.claim(first.name)
    runner.environments = {"demo_environment": ONE}
    await runner.heartbeat()

    assert first.name == (await system.create("AAAAA")).name


async def test_changed_content_lets_a_check_run(system: System) -> None:
    """In a run too, where the others are reused."""
    system.catalog.entities = {"AAAAA": "a", "BBBBB": "b"}
    async with runner_with(system, ONE) as runner:
        for key in ("AAAAA", "BBBBB"):
            await system.finished((await system.create(key)).name)
        system.catalog.entities["BBBBB"] = "another"
        run = await system.users.CreateRun(scheduler_pb2.CreateRunRequest())
        page = await system.users.ListChecks(
            scheduler_pb2.ListChecksRequest(filter=f"run = {run.name}")
        )
        for check in page.checks:
            await system.finished(check.name)
        claimed = [name for name, _ in runner.claims[2:]]

    ran = {check.entity: not check.reused_from for check in page.checks}
    assert {"entities/AAAAA": False, "entities/BBBBB": True} == ran
    assert 1 == len(claimed)
    assert [Kind.KIND_FOLDER_CHANGED] == kinds(await explained(system, claimed[0]))


async def test_an_image_can_be_looked_up(system: System) -> None:
    """By the digits of its digest; what nobody told of is not found."""
    async with runner_with(system, ONE):
        await system.finished((await system.create("AAAAA")).name)
    stub = explanation_pb2_grpc.ExplanationServiceStub(system.channel)

    image = await stub.GetEnvironmentImage(
        explanation_pb2.GetEnvironmentImageRequest(name=f"environmentImages/{'1' * 64}")
    )

    assert (ONE, "3.11.2", ["numpy==1", "scipy==1"]) == (
        image.digest,
        image.python,
        list(image.packages),
    )
    with pytest.raises(NotFoundError), rpc.remote_errors():
        await stub.GetEnvironmentImage(
            explanation_pb2.GetEnvironmentImageRequest(name=f"environmentImages/{'2' * 64}")
        )
