"""What a runner says of its environments: what is there, by every name, as the pool has it."""

from pathlib import Path

from services.runner.checks.messages import result_of
from services.runner.checks.readiness import Readiness
from services.runner.domain.attempts import Report, failed
from services.runner.domain.pools import PoolPolicy
from services.runner.domain.workplaces import WorkplaceInfo
from services.runner.environments import Environments
from services.runner.memory import MemoryBackend
from services.runner.sessions.outcome import Verdict
from services.runner.workplaces.pool import Pool
from tests.runner_builders import assignment, small_runner, until, write_definition


def silent(message: str, fraction: float | None) -> None:
    """Nobody listens."""


async def test_what_is_there_is_told_by_every_name(tmp_path: Path) -> None:
    """Aliases too; an environment that has to be made first is left out."""
    write_definition(tmp_path, "demo_environment", aliases=("other_environment",))
    write_definition(tmp_path, "absent_environment")
    backend = MemoryBackend()
    backend.digests["demo_environment"] = "sha256:1"
    readiness = Readiness(Pool(backend, policy=PoolPolicy(slots=1)), Environments([tmp_path]))

    assert {"demo_environment": "sha256:1", "other_environment": "sha256:1"} == dict(
        await readiness.digests()
    )


async def test_what_was_made_is_told_at_once(tmp_path: Path) -> None:
    """Without waiting for the next look; an image by reference once a check asked for it."""
    write_definition(tmp_path, "demo_environment")
    environments = Environments([tmp_path])
    pool = Pool(MemoryBackend(), policy=PoolPolicy(slots=1))
    readiness = Readiness(pool, environments)
    assert {} == dict(await readiness.digests())

    await pool.prepare(environments.get("demo_environment"), silent)
    await pool.prepare(environments.get("demo_environment@1.2.3"), silent)
    readiness.asked_for("environments/demo_environment@1.2.3")

    assert {"demo_environment", "demo_environment@1.2.3"} == set(await readiness.digests())
    await pool.close()


async def test_heartbeats_carry_it(tmp_path: Path) -> None:
    """After its first check at the latest."""
    async with small_runner(tmp_path) as runner:
        runner.add(assignment())
        await runner.dispatch.report("checks/1")
        await until(lambda: runner.dispatch.environments == {"demo_environment": "sha256:1"})


def test_results_leave_packages_out() -> None:
    """They are told once for each image, not with each result."""
    info = WorkplaceInfo(
        id="w",
        environment="demo_environment",
        environment_digest="sha256:1",
        confinement="none",
        packages=("numpy==1.0",),
    )
    report = Report(outcome=failed(Verdict.SUCCESS, ""), workplace=info, on_revision=True)

    result = result_of(
        report, assignment(), runner="runners/r", backend="memory", runtime_version="v"
    )

    assert "sha256:1" == result.provenance.environment_digest
    assert [] == list(result.provenance.packages)
    assert result.depends_on_revision
