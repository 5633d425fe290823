"""Checks through the whole system: real broker, catalog, scheduler and runner, as processes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ackrep.runner.v1 import environment_pb2, runner_pb2
from ackrep.scheduler.v1 import check_pb2, scheduler_pb2, scheduler_pb2_grpc
from tests.engine import engine_or_reason, write_bare_environment
from tests.requirements import need
from tests.whole_systems import System, running_system

Scheduler = scheduler_pb2_grpc.SchedulerServiceStub
SIMULATION = """
import pathlib, time
from ackrep_core import ResultContainer
def simulate():
    {body}
def evaluate_simulation(data):
    return ResultContainer(success=True)
"""
BODIES = {
    "FINE1": "print('hello'); pathlib.Path('out.txt').write_text('x')",
    "SLOW1": "print('begun', flush=True); time.sleep(60)",
    "BAD01": "raise ValueError('no')",
    "UNDE1": "print(pathlib.Path('../fine1/metadata.yml').read_text()[:10])",
    "MUCH1": "[print(n) for n in range(20000)]",
}
BARE = "name: bare_environment\nkey: BARE1\ntype: environment_specification\n"


def write_repository(folder: Path) -> Path:
    """A data repository with one model for each of `BODIES`."""
    environment = folder / "environment_specifications" / "bare"
    environment.mkdir(parents=True)
    (environment / "metadata.yml").write_text(BARE)
    for key, body in BODIES.items():
        model = folder / "system_models" / key.lower()
        model.mkdir(parents=True)
        (model / "metadata.yml").write_text(
            f"name: {key.lower()}\nkey: {key}\ntype: system_model\ncreator: nobody\n"
            "compatible_environment: BARE1\n"
        )
        (model / "system_model.py").write_text("")
        (model / "simulation.py").write_text(SIMULATION.format(body=body))
    return folder


@pytest.fixture(params=["process", pytest.param("docker", marks=pytest.mark.engine)])
async def system(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[System]:
    """The whole system over a small repository, with each backend."""
    if request.param == "docker":
        engine, reason = engine_or_reason()
        need(engine, what=f"Docker engine: {reason}")
    write_bare_environment(tmp_path / "environments")
    async with running_system(
        tmp_path,
        source=write_repository(tmp_path / "data"),
        backend=request.param,
        environments=tmp_path / "environments",
        more={"ACKREP_RUNNER_SLOTS": "2", "ACKREP_RUNNER_DRAIN_SECONDS": "1"},
    ) as running:
        yield running


async def test_checks_end_to_end(system: System) -> None:
    """Verdict, log, artefact and provenance of right and wrong entities, as a client sees them."""
    check, events = await system.check("FINE1")
    assert check_pb2.VERDICT_SUCCESS == check.verdict, system.logs
    assert "hello\n" == "".join(event.log.text for event in events)
    assert ["system_models/fine1/out.txt"] == [one.path for one in check.result.artefacts]
    assert check.result.provenance.environment_digest.startswith("sha256:")
    assert check.result.provenance.python.startswith("3.")
    assert check.result.log.startswith("artefacts/")
    async with system.scheduler() as scheduler:
        name = check.result.artefacts[0].name
        parts = [
            part.data
            async for part in scheduler.DownloadArtefact(
                scheduler_pb2.DownloadArtefactRequest(name=name)
            )
        ]
    assert b"x" == b"".join(parts)
    wrong, _ = await system.check("BAD01")
    assert check_pb2.VERDICT_SCRIPT_ERROR == wrong.verdict
    assert "ValueError: no" == wrong.result.message
    assert "system_models/bad01/simulation.py" in wrong.result.traceback


async def test_events_come_in_order_without_gap(system: System) -> None:
    """A watcher gets every line of a check that prints a lot, numbered without a gap."""
    check, events = await system.check("MUCH1")
    assert check_pb2.VERDICT_SUCCESS == check.verdict, system.logs
    text = "".join(event.log.text for event in events)
    assert "".join(f"{n}\n" for n in range(20000)) == text
    own = [event.sequence for event in events if event.attempt == 1]
    assert list(range(1, len(own) + 1)) == own


async def test_an_undeclared_dependency_is_named(system: System) -> None:
    """A file outside the closure is found with the whole repository, and the remark says whose."""
    check, _ = await system.check("UNDE1")
    assert check_pb2.VERDICT_SUCCESS == check.verdict, system.logs
    (remark,) = [one for one in check.result.remarks if one.startswith("undeclared dependency")]
    assert "declare FINE1" in remark


async def test_cancelled_while_it_runs(system: System) -> None:
    """A running check ends within two seconds of the request, as CANCELLED."""
    async with system.scheduler() as scheduler:
        check = await _started(scheduler, "SLOW1")
        started = asyncio.get_running_loop().time()
        await scheduler.CancelCheck(scheduler_pb2.CancelCheckRequest(name=check.name))
        finished = await _finished(scheduler, check.name)
    assert check_pb2.VERDICT_CANCELLED == finished.verdict, system.logs
    assert 3.0 > asyncio.get_running_loop().time() - started


async def test_a_killed_runner_loses_nothing(system: System) -> None:
    """After SIGKILL its successor runs the check again, as a further attempt."""
    async with system.scheduler() as scheduler:
        check = await _started(scheduler, "SLOW1")
        system.services["runner"].kill()
        system.services["runner"].start()
        again = await _until_attempt(scheduler, check.name, 2)
        assert 2 == again.attempt
        await scheduler.CancelCheck(scheduler_pb2.CancelCheckRequest(name=check.name))
        finished = await _finished(scheduler, check.name)
        assert check_pb2.VERDICT_CANCELLED == finished.verdict, system.logs


async def test_a_stopped_runner_hands_back(system: System) -> None:
    """SIGTERM ends it in time; what still ran is queued again and is no failure."""
    async with system.scheduler() as scheduler:
        check = await _started(scheduler, "SLOW1")
        assert 0 == await asyncio.to_thread(system.services["runner"].stop, seconds=15)
        found = await scheduler.GetCheck(scheduler_pb2.GetCheckRequest(name=check.name))
        assert check_pb2.Check.STATE_QUEUED == found.state, system.logs
        assert ["the runner stops"] == [one.reason for one in found.failed_attempts]
        await scheduler.CancelCheck(scheduler_pb2.CancelCheckRequest(name=check.name))


async def test_a_paused_runner_changes_nothing_afterwards(system: System) -> None:
    """A runner that is silent past its lease finds its check with another attempt, and stops."""
    async with system.scheduler() as scheduler:
        check = await _started(scheduler, "SLOW1")
        process = system.services["runner"].process
        assert process is not None
        os.kill(process.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(40):
                running = check_pb2.Check.STATE_RUNNING
                while (await _get(scheduler, check.name)).state == running:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        finally:
            os.kill(process.pid, signal.SIGCONT)
        await _until_attempt(scheduler, check.name, 2)
        await scheduler.CancelCheck(scheduler_pb2.CancelCheckRequest(name=check.name))
        finished = await _finished(scheduler, check.name)
        assert check_pb2.VERDICT_CANCELLED == finished.verdict, system.logs
        assert 2 <= finished.attempt


async def test_the_runner_shows_what_it_does(system: System) -> None:
    """Its workplaces, backend and environments can be asked for."""
    await system.check("FINE1")
    async with system.runner() as runner:
        found = await runner.GetRunner(runner_pb2.GetRunnerRequest(name="runners/-"))
        assert 2 == found.slots
        assert {"environments/bare_environment"} == {w.environment for w in found.workplaces}
    async with system.environments() as environments:
        listed = await environments.ListEnvironments(environment_pb2.ListEnvironmentsRequest())
        assert [environment_pb2.Environment.STATE_READY] == [e.state for e in listed.environments]


async def _started(scheduler: Scheduler, entity: str) -> check_pb2.Check:
    check: check_pb2.Check = await scheduler.CreateCheck(
        scheduler_pb2.CreateCheckRequest(entity=f"entities/{entity}", force=True),
        wait_for_ready=True,
        timeout=30,
    )
    async with asyncio.timeout(90):
        while True:
            found = await _get(scheduler, check.name)
            if found.state == check_pb2.Check.STATE_RUNNING:
                return found
            assert found.state != check_pb2.Check.STATE_FINISHED, found
            await asyncio.sleep(0.05)


async def _get(scheduler: Scheduler, name: str) -> check_pb2.Check:
    found: check_pb2.Check = await scheduler.GetCheck(scheduler_pb2.GetCheckRequest(name=name))
    return found


async def _finished(scheduler: Scheduler, name: str) -> check_pb2.Check:
    async with asyncio.timeout(30):
        while True:
            found = await _get(scheduler, name)
            if found.state == check_pb2.Check.STATE_FINISHED:
                return found
            await asyncio.sleep(0.05)


async def _until_attempt(scheduler: Scheduler, name: str, attempt: int) -> check_pb2.Check:
    async with asyncio.timeout(60):
        while True:
            found = await _get(scheduler, name)
            if found.attempt >= attempt and found.state == check_pb2.Check.STATE_RUNNING:
                return found
            await asyncio.sleep(0.05)
