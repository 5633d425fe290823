"""A copy of a scheduler at work: made and proved with the commands, brought back, and worked on."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ackrep.scheduler.v1 import check_pb2, dispatch_pb2
from services import rpc
from tests.nats_servers import NatsServer, running_nats
from tests.scheduler_runners import FakeRunner
from tests.scheduler_system import SchedulerProcess, System, queued_many, running_system, until

ENGINES = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))


@pytest.fixture(params=ENGINES)
async def system(
    request: pytest.FixtureRequest, tmp_path: Path, nats_server: NatsServer
) -> AsyncIterator[System]:
    """A scheduler over each kind of database, with leases of 5 s, without runners."""
    more = {}
    if request.param == "postgres":
        more["database"] = request.getfixturevalue("postgres_url")
    async with running_system(
        tmp_path, nats_server, lease_seconds="5", reconcile_seconds="0.2", **more
    ) as running:
        yield running


async def ackrep(system: System, *arguments: object) -> tuple[int, str, str]:
    """Runs the command; gives exit code, output and errors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cli",
        *map(str, arguments),
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "ACKREP_TOKEN": system.nats.token,
            "ACKREP_CATALOG": system.scheduler.catalog,
            "ACKREP_SCHEDULER": f"127.0.0.1:{system.scheduler.port}",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def told(system: System, *arguments: object) -> dict[str, Any]:
    """Runs the command with `--json`, which has to succeed; gives its document."""
    code, output, errors = await ackrep(system, *arguments, "--json")
    assert code == 0, errors
    document: dict[str, Any] = json.loads(output)
    return document


async def test_a_copy_of_a_system_at_work_goes_on_elsewhere(system: System, tmp_path: Path) -> None:
    """Checks finish during the copy; restored elsewhere, all others finish there, each once."""
    names = await queued_many(system, 60)
    copying, copied = asyncio.Event(), asyncio.Event()
    during: list[str] = []

    async def work(lease: dispatch_pb2.Lease) -> check_pb2.Result:
        if copying.is_set() and not copied.is_set():
            during.append(lease.check.name)
        plot = await runner.upload(lease.check.name.encode() * 1000)
        return check_pb2.Result(
            verdict=check_pb2.VERDICT_SUCCESS,
            artefacts=[check_pb2.Artefact(name=plot, path="plot.png")],
        )

    runner = FakeRunner(system, work=work)
    absent = FakeRunner(system, name="absent")
    await absent.register()
    held = names[-1]
    await absent.claim(held)

    async def keeping_busy() -> None:
        """A copy takes a second; there has to be something to do for so long."""
        count = 0
        while not copied.is_set():
            count += 1
            system.catalog.entities[f"X{count:04d}"] = f"more {count}"
            await absent.heartbeat()
            await system.create(f"X{count:04d}")
            await asyncio.sleep(0.05)

    async with runner.running():
        busy = asyncio.create_task(keeping_busy())
        await until(lambda: _some_finished(system, names))
        copying.set()
        summary = await told(system, "backup", tmp_path / "copy.tar")
        copied.set()
        await busy
    proof = await told(system, "restore", tmp_path / "copy.tar", "--verify")
    (tmp_path / "again").mkdir()
    await told(
        system,
        "restore",
        tmp_path / "copy.tar",
        "--into-database",
        f"sqlite:///{tmp_path / 'again' / 'scheduler.sqlite'}",
        "--artefacts",
        tmp_path / "again" / "artefacts",
    )

    assert during, "nothing ran while the copy was made"
    assert (summary["checks"], summary["artefacts"], summary["bytes"]) == (
        proof["checks"],
        proof["artefacts"],
        proof["bytes"],
    )
    assert [] == proof["missingArtefacts"]
    assert 1 <= proof["requeued"] <= 3
    await _finish_the_rest(system, tmp_path / "again", held=held, names=names)


async def _some_finished(system: System, names: list[str]) -> bool:
    found = [await system.get(name) for name in names[:3]]
    return any(check.verdict for check in found)


async def _finish_the_rest(system: System, folder: Path, *, held: str, names: list[str]) -> None:
    """Starts a scheduler over what was restored, with a broker that knows nothing, and a runner."""
    with running_nats(folder) as nats:
        scheduler = SchedulerProcess(folder, nats, system.scheduler.catalog)
        await scheduler.start()
        try:
            async with rpc.dial(f"127.0.0.1:{scheduler.port}", token=nats.token) as channel:
                again = System(scheduler, nats, system.catalog, channel)
                done_before = {name for name in names if (await again.get(name)).verdict}
                async with FakeRunner(again, name="other").running() as other:
                    for name in names:
                        check = await again.finished(name)
                        assert check_pb2.VERDICT_SUCCESS == check.verdict
            claims = [name for name, _ in other.claims]
            assert len(claims) == len(set(claims))
            assert done_before.isdisjoint(claims)
            assert (held, 2) in other.claims
        finally:
            await scheduler.stop()


async def test_a_damaged_copy_is_refused(system: System, tmp_path: Path) -> None:
    """One flipped bit, and the command names the file in the copy, and exits with 3."""
    await queued_many(system, 3)
    code, output, errors = await ackrep(system, "backup", tmp_path / "copy.tar")
    assert (0, True) == (code, "saved" in output), errors
    code, output, _ = await ackrep(system, "restore", tmp_path / "copy.tar", "--verify")
    assert (0, True) == (code, "proved" in output)
    content = bytearray((tmp_path / "copy.tar").read_bytes())
    content[-5000] ^= 1
    (tmp_path / "copy.tar").write_bytes(content)

    code, output, errors = await ackrep(system, "restore", tmp_path / "copy.tar", "--verify")

    assert (3, "") == (code, output)
    assert "scheduler.sqlite is damaged" in errors
