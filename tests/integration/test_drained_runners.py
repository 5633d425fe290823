"""Draining a runner, with two of them over one scheduler."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ackrep.scheduler.v1 import check_pb2, scheduler_pb2, scheduler_pb2_grpc
from services import rpc
from services.errors import NotFoundError
from tests.engine import write_bare_environment
from tests.integration.test_runner_service import write_repository
from tests.scheduler_system import until
from tests.whole_systems import Service, System, running_system

Scheduler = scheduler_pb2_grpc.SchedulerServiceStub
_SECONDS = 20.0


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    """The whole system with two runners of one slot, `first` and `second`."""
    write_bare_environment(tmp_path / "environments")
    async with running_system(
        tmp_path,
        source=write_repository(tmp_path / "data"),
        backend="process",
        environments=tmp_path / "environments",
        more={
            "ACKREP_RUNNER_SLOTS": "1",
            "ACKREP_RUNNER_NAME": "first",
            "ACKREP_RUNNER_DRAIN_SECONDS": "1",
        },
    ) as running:
        first = running.services["runner"]
        second = dataclasses.replace(
            first,
            environment={
                **first.environment,
                "ACKREP_RUNNER_NAME": "second",
                "ACKREP_RUNNER_ADDRESS": "127.0.0.1:0",
                "ACKREP_RUNNER_STATE": str(tmp_path / "second"),
            },
            log=tmp_path / "second.log",
            process=None,
            module="services.runner",
        )
        running.services["second"] = second
        second.start()
        async with running.scheduler() as scheduler:
            await until(lambda: _heard(scheduler, "first", "second"))
        yield running


async def _runners(scheduler: Scheduler) -> dict[str, check_pb2.RunnerStatus]:
    answer = await scheduler.ListRunners(
        scheduler_pb2.ListRunnersRequest(), wait_for_ready=True, timeout=_SECONDS
    )
    return {one.name.removeprefix("runners/"): one for one in answer.runners}


async def _heard(scheduler: Scheduler, *names: str) -> bool:
    return set(names) <= set(await _runners(scheduler))


async def _drain(scheduler: Scheduler, name: str, reason: str) -> check_pb2.RunnerStatus:
    return await scheduler.DrainRunner(
        scheduler_pb2.DrainRunnerRequest(name=f"runners/{name}", reason=reason), timeout=_SECONDS
    )


async def _resume(scheduler: Scheduler, name: str) -> None:
    await scheduler.ResumeRunner(
        scheduler_pb2.ResumeRunnerRequest(name=f"runners/{name}"), timeout=_SECONDS
    )


async def _ran_on(system: System, times: int) -> set[str]:
    """Runs so many checks one after the other, and names the runners that had them."""
    found = set()
    for _ in range(times):
        check, _ = await system.check("FINE1")
        assert check_pb2.VERDICT_SUCCESS == check.verdict, system.logs
        found.add(check.result.provenance.runner.removeprefix("runners/"))
    return found


@contextlib.asynccontextmanager
async def _running(scheduler: Scheduler) -> AsyncIterator[check_pb2.Check]:
    """A check that runs for a minute, unless it is cancelled."""
    made = await scheduler.CreateCheck(
        scheduler_pb2.CreateCheckRequest(entity="entities/SLOW1", force=True), timeout=_SECONDS
    )
    get = scheduler_pb2.GetCheckRequest(name=made.name)

    async def runs() -> bool:
        return (await scheduler.GetCheck(get)).state == check_pb2.Check.STATE_RUNNING

    await until(runs, seconds=60)
    yield await scheduler.GetCheck(get)
    await scheduler.CancelCheck(scheduler_pb2.CancelCheckRequest(name=made.name), timeout=_SECONDS)


async def test_the_other_runner_takes_over(system: System) -> None:
    """What a drained runner holds goes on; all that is new goes to the other, until it resumes."""
    async with system.scheduler() as scheduler:
        async with _running(scheduler) as held:
            holder = next(n for n, one in (await _runners(scheduler)).items() if one.checks)
            other = ({"first", "second"} - {holder}).pop()
            drained = await _drain(scheduler, holder, "a new disk")
            assert ("a new disk", True) == (drained.drain.reason, drained.draining)
            assert [held.name] == list(drained.checks)
            assert {other} == await _ran_on(system, 3)
            now = await scheduler.GetCheck(scheduler_pb2.GetCheckRequest(name=held.name))
            assert (held.attempt, check_pb2.Check.STATE_RUNNING) == (now.attempt, now.state)
        assert {other} == await _ran_on(system, 2)

        await _resume(scheduler, holder)
        await _drain(scheduler, other, "")
        assert {holder} == await _ran_on(system, 2), system.logs


async def test_a_drain_outlives_restarts(system: System) -> None:
    """Of the scheduler and of the runner; a check waits where all are drained."""
    async with system.scheduler() as scheduler:
        for name in ("first", "second"):
            await _drain(scheduler, name, "moving house")
        for service in (system.services["scheduler"], system.services["second"]):
            _restart(service)
        await until(lambda: _is_back(scheduler, "second"))
        made = await scheduler.CreateCheck(
            scheduler_pb2.CreateCheckRequest(entity="entities/FINE1", force=True),
            wait_for_ready=True,
            timeout=_SECONDS,
        )
        get = scheduler_pb2.GetCheckRequest(name=made.name)
        await asyncio.sleep(2)  # nothing can be waited for: nothing is to happen
        assert check_pb2.Check.STATE_QUEUED == (await scheduler.GetCheck(get)).state
        assert "moving house" == (await _runners(scheduler))["second"].drain.reason

        await _resume(scheduler, "second")

        async def ended() -> bool:
            return (await scheduler.GetCheck(get)).state == check_pb2.Check.STATE_FINISHED

        await until(ended, seconds=60)
        assert "runners/second" == (await scheduler.GetCheck(get)).result.provenance.runner


async def test_what_a_runner_tells_of_itself(system: System) -> None:
    """Free slots, environments that are ready, and its state."""
    check, _ = await system.check("FINE1")
    name = check.result.provenance.runner.removeprefix("runners/")
    async with system.scheduler() as scheduler:

        async def told() -> bool:
            one = (await _runners(scheduler))[name]
            return bool(one.environments) and one.free_slots == 1

        await until(told, seconds=60)
        one = (await _runners(scheduler))[name]
        assert ["environments/bare_environment"] == [e.environment for e in one.environments]
        assert one.environments[0].digest.startswith("sha256:")
        assert (False, False, False) == (one.draining, one.lost, one.HasField("drain"))


async def test_names_that_are_wrong(system: System) -> None:
    """A runner that nobody knows cannot be drained; one that is not drained, not resumed."""
    async with system.scheduler() as scheduler:
        with pytest.raises(NotFoundError, match="runners/oen was ever heard of"), _errors():
            await _drain(scheduler, "oen", "")
        with pytest.raises(NotFoundError, match="runners/first is not drained"), _errors():
            await _resume(scheduler, "first")


def _restart(service: Service) -> None:
    service.kill()
    service.start()


async def _is_back(scheduler: Scheduler, name: str) -> bool:
    """Whether the runner was heard of after its restart: the new process has all slots free."""
    with contextlib.suppress(Exception):
        one = (await _runners(scheduler))[name]
        return one.draining and one.drain.create_time.seconds < one.heartbeat_time.seconds
    return False


_errors = rpc.remote_errors
