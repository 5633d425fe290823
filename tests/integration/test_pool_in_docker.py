"""The pool over a real engine: containers that are killed, that never come up, that nobody owns."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ackrep.runner.v1 import runner_pb2, runner_pb2_grpc
from ackrep.scheduler.v1 import check_pb2
from services import rpc
from services.errors import Error, UnavailableError
from services.runner.domain.pools import PoolPolicy, Warmth
from services.runner.engine.containers import RUNNER_LABEL
from services.runner.environments import Environments
from services.runner.sessions.outcome import Verdict
from services.runner.workplaces.pool import Pool
from tests.backends import containers, quiet, run
from tests.engine import engine_or_reason, write_bare_environment
from tests.requirements import need
from tests.runner_builders import until
from tests.whole_systems import Service, running_system

pytestmark = pytest.mark.engine

MODEL = """
from ackrep_core import ResultContainer
def simulate():
    print("hello")
def evaluate_simulation(data):
    return ResultContainer(success=True)
"""


async def docker(*arguments: str) -> list[str]:
    """Lines that the Docker command line prints."""
    process = await asyncio.create_subprocess_exec(
        "docker", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        out, errors = await process.communicate()
    assert 0 == process.returncode, errors.decode()
    return out.decode().split()


async def names(runner: str, *, state: str = "") -> set[str]:
    """Containers of a runner, or those of them in that state."""
    filters = ["--filter", f"label={RUNNER_LABEL}={runner}"]
    filters += ["--filter", f"status={state}"] if state else []
    return set(await docker("ps", "--all", "--format", "{{.Names}}", *filters))


@pytest.fixture
def environments(tmp_path: Path) -> Environments:
    """An environment without packages."""
    engine, reason = engine_or_reason()
    need(engine, what=f"Docker engine: {reason}")
    write_bare_environment(tmp_path / "environments")
    return Environments([tmp_path / "environments"])


@contextlib.asynccontextmanager
async def pool_of(policy: PoolPolicy, *, runner: str) -> AsyncIterator[Pool]:
    """A pool over containers that is closed in the end."""
    pool = Pool(containers(runner=runner), policy=policy)
    try:
        yield pool
    finally:
        await pool.close()


async def test_a_killed_idle_container_costs_no_check(environments: Environments) -> None:
    """`docker kill` of a warm container: the next check gets a fresh one and succeeds."""
    bare = environments.get("bare_environment")
    async with pool_of(PoolPolicy(slots=1), runner="test-pool-kill") as pool:
        await pool.warm(bare, quiet)
        (killed,) = [status.info.id for status in pool.statuses()]
        await docker("kill", killed)
        async with pool.workplace(bare, quiet) as borrowed:
            assert killed != borrowed.workplace.info.id
            outcome, _ = await run(borrowed.workplace, "pass")
            borrowed.cleanliness = outcome.cleanliness
        assert Verdict.SUCCESS == outcome.verdict, outcome.traceback
    assert set() == await names("test-pool-kill")


async def test_what_is_kept_warm_is_replaced_when_it_is_killed(environments: Environments) -> None:
    """Two are to be warm: one is killed, and upkeep notices it and starts another."""
    policy = PoolPolicy(slots=1, spare=2, warm={"bare_environment": Warmth(minimum=2)})
    async with pool_of(policy, runner="test-pool-warm") as pool:
        await pool.warm(environments.get("bare_environment"), quiet)
        before = await names("test-pool-warm", state="running")
        assert 2 == len(before)
        killed = min(before)
        await docker("kill", killed)

        async with asyncio.timeout(60):
            while True:
                await pool.tidy()
                idle = {s.info.id for s in pool.statuses() if s.state == "idle"}
                if len(idle) == 2 and killed not in idle:
                    break
                await asyncio.sleep(0.05)
        await until(lambda: killed not in {s.info.id for s in pool.statuses()}, seconds=30)
        assert idle == await names("test-pool-warm", state="running")


async def test_containers_that_never_come_up_are_not_started_for_ever(tmp_path: Path) -> None:
    """An image without Python: the environment is failed and says why, after three containers."""
    engine, reason = engine_or_reason()
    need(engine, what=f"Docker engine: {reason}")
    assert engine is not None
    write_bare_environment(tmp_path, "headless_environment")
    dockerfile = tmp_path / "Dockerfile_headless_environment"
    # Python is there and ends at once: the harness never says hello.
    dockerfile.write_text(
        dockerfile.read_text()
        + "RUN rm -f /usr/bin/python3 && printf '#!/bin/sh\\necho no head >&2; exit 1\\n' "
        "> /usr/bin/python3 && chmod 755 /usr/bin/python3\n"
    )
    headless = Environments([tmp_path]).get("headless_environment")
    backend = containers(runner="test-pool-headless")
    starts = 0
    real = backend.open

    async def counted(*arguments: object, **facts: object) -> object:
        nonlocal starts
        starts += 1
        return await real(*arguments, **facts)  # type: ignore[arg-type]

    backend.open = counted  # type: ignore[method-assign,assignment]
    warm = {"headless_environment": Warmth(minimum=2)}
    pool = Pool(backend, policy=PoolPolicy(slots=1, warm=warm))
    try:
        with pytest.raises(UnavailableError, match="no workplace comes up"):
            await pool.warm(headless, quiet)
        assert 3 == starts
        for _ in range(10):
            await pool.tidy()
        assert 3 == starts
        status = await pool.status(headless)
        assert "failed" == status.state
        assert "no head" in status.message
        assert "next try in" in status.message
        await until(lambda: not pool.statuses())
        assert set() == await names("test-pool-headless")
    finally:
        await pool.close()
        with contextlib.suppress(Error):
            await engine.images.remove(headless.image)
        await engine.close()


def write_repository(folder: Path) -> Path:
    """A data repository with one model."""
    for path, text in {
        "environment_specifications/bare/metadata.yml": (
            "name: bare_environment\nkey: BARE1\ntype: environment_specification\n"
        ),
        "system_models/fine/metadata.yml": (
            "name: fine\nkey: FINE1\ntype: system_model\ncreator: nobody\n"
            "compatible_environment: BARE1\n"
        ),
        "system_models/fine/system_model.py": "",
        "system_models/fine/simulation.py": MODEL,
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def free_address() -> str:
    """An address on loopback where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


async def warmed(service: Service) -> set[str]:
    """The two containers that a runner keeps warm, once it knows that they take checks."""
    variables = service.environment
    async with (
        rpc.dial(variables["ACKREP_RUNNER_ADDRESS"], token=variables["ACKREP_TOKEN"]) as channel,
        asyncio.timeout(90),
    ):
        stub = runner_pb2_grpc.RunnerServiceStub(channel)
        while True:
            found = await stub.GetRunner(
                runner_pb2.GetRunnerRequest(name="runners/-"), wait_for_ready=True
            )
            if len(idle := {w.id for w in found.workplaces if w.state == "idle"}) == 2:
                return idle
            await asyncio.sleep(0.1)


async def test_a_killed_runner_leaves_the_other_one_alone(
    tmp_path: Path, environments: Environments
) -> None:
    """SIGKILL of one of two runners on an engine: its containers end by themselves.

    Whoever sweeps removes them; those of the living runner go on, and take the next check.
    """
    async with running_system(
        tmp_path,
        source=write_repository(tmp_path / "data"),
        backend="docker",
        environments=tmp_path / "environments",
        more={
            "ACKREP_RUNNER_NAME": "test-pool-one",
            "ACKREP_RUNNER_WARM": "bare_environment:2-2",
            "ACKREP_RUNNER_SLOTS": "1",
            "ACKREP_RUNNER_DRAIN_SECONDS": "1",
        },
    ) as system:
        first = system.services.pop("runner")
        system.services["test-pool-one"] = first
        second = Service(
            name="runner",
            environment={
                **first.environment,
                "ACKREP_RUNNER_NAME": "test-pool-two",
                "ACKREP_RUNNER_STATE": str(tmp_path / "second"),
                "ACKREP_RUNNER_ADDRESS": free_address(),
            },
            log=tmp_path / "second.log",
        )
        system.services["test-pool-two"] = second
        second.start()
        theirs, ours = await warmed(first), await warmed(second)
        assert theirs == await names("test-pool-one", state="running")
        assert ours == await names("test-pool-two", state="running")
        first.kill()
        async with asyncio.timeout(30):
            while await names("test-pool-one", state="running"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert ours == await names("test-pool-two", state="running")
        sweeper = containers(runner="test-pool-sweeper")
        try:
            assert theirs == await names("test-pool-one"), "ended, and nobody removed them yet"
            async with asyncio.timeout(30):
                while await names("test-pool-one"):
                    await sweeper.sweep(ended_seconds=1.0)
                    await asyncio.sleep(0.1)
        finally:
            await sweeper.close()
        assert ours == await names("test-pool-two", state="running")
        check, _ = await system.check("FINE1")
        assert check_pb2.VERDICT_SUCCESS == check.verdict, system.logs
        assert "runners/test-pool-two" == check.result.provenance.runner
    assert set() == await names("test-pool-two"), "a runner that is stopped leaves nothing"
