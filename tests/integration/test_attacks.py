"""Entities that attack what runs them, in Docker through the whole system.

Each ends with the right verdict and in time, the next check is a clean success, and nothing of it
reaches the host.
"""

from __future__ import annotations  # the stubs' types exist for the type checker only

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from ackrep.runner.v1 import runner_pb2, runner_pb2_grpc
from ackrep.scheduler.v1 import check_pb2
from services.runner.engine.containers import RUNNER_LABEL
from services.runner.workplaces.conformance import TOP_RUNG
from tests.engine import engine_or_reason, write_bare_environment
from tests.hostile_entities import FINE, HOSTILE, MARK, PORT, key_of, write_repository
from tests.requirements import need
from tests.whole_systems import ROOT, System, running_system

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

WALL_SECONDS = 5
LIMITS = {
    "ACKREP_SCHEDULER_WALL_SECONDS": str(WALL_SECONDS),
    "ACKREP_SCHEDULER_CPU_SECONDS": str(WALL_SECONDS),
    "ACKREP_SCHEDULER_MEMORY_BYTES": str(384 * 1024**2),
    "ACKREP_SCHEDULER_PROCESSES": "64",
    "ACKREP_SCHEDULER_FILE_BYTES": str(16 * 1024**2),
    "ACKREP_SCHEDULER_OUTPUT_BYTES": str(64 * 1024),
    "ACKREP_SCHEDULER_ARTEFACT_BYTES": str(4 * 1024**2),
    "ACKREP_RUNNER_SLOTS": "1",
    "ACKREP_RUNNER_DISK_BYTES": str(128 * 1024**2),
    "ACKREP_RUNNER_SHM_BYTES": str(32 * 1024**2),
}
USERS: Final = range(20000, 65000)
"""User ids of checks: of all containers."""
PLACES = [Path(p) for p in ("/tmp", "/var/tmp", "/dev/shm", "/run", "/", "/etc", "/root", "/home")]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """One runner with one slot for all attacks, over a repository that is nothing but attacks."""
    engine, reason = engine_or_reason()
    need(engine, what=f"Docker engine: {reason}")
    folder = tmp_path_factory.mktemp("attacks")
    write_bare_environment(folder / "environments")
    source = write_repository(folder / "data", ["bare", "demo"])
    places = f"{folder / 'environments'},{ROOT / 'environments'}"
    more = {**LIMITS, "ACKREP_RUNNER_ENVIRONMENTS": places}
    async with running_system(folder, source=source, backend="docker", more=more) as running:
        await running.check(FINE, seconds=240)
        yield running


@pytest.mark.parametrize(
    "number", HOSTILE, ids=[one.name.replace(" ", "-") for one in HOSTILE.values()]
)
async def test_attack(system: System, number: int) -> None:
    """The right verdict, in time; the next check is a clean success; the host notices nothing."""
    hostile = HOSTILE[number]
    check, events = await system.check(key_of(number), seconds=240)
    result = check.result
    found = f"{result.message}\n{result.traceback}\n{result.remarks}\n{result.cleanliness}"

    assert hostile.verdict == _verdict(check), found
    assert hostile.says in result.message
    assert f"container+{TOP_RUNG}" == result.provenance.confinement
    assert WALL_SECONDS + 1 >= _seconds(result), result.phases
    if hostile.left:
        assert getattr(result.cleanliness, hostile.left), found
    if hostile.replaced is not None:
        assert hostile.replaced == bool(result.cleanliness.replaced), found
    for artefact in result.artefacts:
        assert not {"..", ".", ""} & set(artefact.path.split("/")), artefact.path
    log = "".join(event.log.text for event in events)
    assert system.nats.token not in log
    assert 128 * 1024 > len(log.encode())

    after, printed = await system.check(FINE, seconds=240)
    assert "SUCCESS" == _verdict(after), f"{after.result.message}\n{after.result.traceback}"
    assert "fine\n" == "".join(event.log.text for event in printed)
    assert "" == after.result.cleanliness.replaced
    await _nothing_on_the_host(system)


async def test_the_host_would_notice(system: System) -> None:
    """Processes of a check are seen from the host while it runs: the search above can find."""
    (number,) = [n for n, one in HOSTILE.items() if one.name == "processor time of many processes"]
    running = asyncio.create_task(system.check(key_of(number), seconds=240))
    async with system.runner() as runner, asyncio.timeout(60):
        ours = await _containers(runner)
        while len(_processes_of_checks(ours)) < len(ours) + 8:
            await asyncio.sleep(0.02)
            ours = await _containers(runner)
    check, _ = await running
    assert "TIMED_OUT" == _verdict(check)
    await _nothing_on_the_host(system)


def _verdict(check: check_pb2.Check) -> str:
    return check_pb2.Verdict.Name(check.verdict).removeprefix("VERDICT_")


def _seconds(result: check_pb2.Result) -> float:
    """From the start of the entity's code until nothing of it was left."""
    after = sum(
        (phase.duration.ToTimedelta() for phase in result.phases if phase.name in _AFTER),
        timedelta(),
    )
    return result.usage.wall_seconds + after.total_seconds()


_AFTER = {"end", "clean"}


async def _nothing_on_the_host(system: System) -> None:
    """No file, no process, no socket of a check, but one waiting process in each container."""
    assert [] == [str(p) for place in PLACES if place.is_dir() for p in place.glob(f"*{MARK}*")]
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", PORT), 1).close()
    assert MARK not in Path("/proc/net/unix").read_text()
    async with system.runner() as runner, asyncio.timeout(10):
        while True:
            ours = await _containers(runner)
            if len(ours) >= len(_processes_of_checks(ours)):
                return
            await asyncio.sleep(0.02)


async def _containers(runner: runner_pb2_grpc.RunnerServiceStub) -> list[str]:
    """Ids of the containers of this system's runner."""
    engine, _ = engine_or_reason()
    assert engine is not None
    status = await runner.GetRunner(runner_pb2.GetRunnerRequest(name="runners/-"))
    label = f"{RUNNER_LABEL}={status.name.removeprefix('runners/')}"
    found = await asyncio.to_thread(engine._client.containers, filters={"label": label})
    await engine.close()
    return [one["Id"] for one in found]


def _processes_of_checks(containers: list[str]) -> list[str]:
    """Processes of users that only checks have, in some containers."""
    return [
        entry.name
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _is_of_a_check(entry, containers)
    ]


def _is_of_a_check(process: Path, containers: list[str]) -> bool:
    try:
        status = process.joinpath("status").read_text()
        members = process.joinpath("cgroup").read_text()
    except OSError:
        return False  # it has just ended
    (uids,) = [line for line in status.splitlines() if line.startswith("Uid:")]
    return int(uids.split()[1]) in USERS and any(one in members for one in containers)
