"""A runner whose Docker engine is elsewhere: nothing but one TCP port joins the two."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ackrep.runner.v1 import runner_pb2
from ackrep.scheduler.v1 import check_pb2, scheduler_pb2
from services.runner.engine.containers import RUNNER_LABEL
from services.runner.environments import Environments
from services.runner.workplaces.conformance import TOP_RUNG
from tests.backends import containers, quiet
from tests.engine import write_bare_environment
from tests.remote_engines import RemoteEngine, remote_engine
from tests.whole_systems import ROOT, System, running_system

pytestmark = pytest.mark.engine

CONTENT = "made far away\n"
FILES = {
    "environment_specifications/bare/metadata.yml": (
        "name: bare_environment\nkey: BARE1\ntype: environment_specification\n"
    ),
    "system_models/far/metadata.yml": (
        "name: far\nkey: FAR01\ntype: system_model\ncreator: nobody\n"
        "compatible_environment: BARE1\n"
    ),
    "system_models/far/system_model.py": "",
    "system_models/far/data.csv": "1,2\n3,4\n",
    "system_models/far/simulation.py": f"""
import pathlib
from ackrep_core import ResultContainer
def simulate():
    here = pathlib.Path(__file__).parent
    pathlib.Path("far.txt").write_text({CONTENT!r})
    return sum(float(n) for line in (here / "data.csv").open() for n in line.split(","))
def evaluate_simulation(data):
    return ResultContainer(success=True, score=data)
""",
}


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteEngine]:
    """An engine that sees neither this repository nor any folder of the tests."""
    with remote_engine(hidden=[ROOT, tmp_path_factory.getbasetemp()]) as engine:
        yield engine


async def furnish(folder: Path, far: RemoteEngine) -> None:
    """Writes a data repository and an environment, whose image the far engine gets."""
    for path, text in FILES.items():
        (folder / "data" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "data" / path).write_text(text)
    write_bare_environment(folder / "environments")
    definition = Environments([folder / "environments"]).get("bare_environment")
    near = containers()
    try:
        await near.prepare(definition, quiet)
    finally:
        await near.close()
    if not far.docker("images", "--quiet", definition.image):
        far.load(definition.image)


async def proves_a_check(system: System, far: RemoteEngine, *, runner: str) -> None:
    """A check is right and its files arrive, though its container has nothing of this host."""
    check, _ = await system.check("FAR01")
    assert check_pb2.VERDICT_SUCCESS == check.verdict, system.logs
    assert 10.0 == check.result.score
    assert f"container+{TOP_RUNG}" == check.result.provenance.confinement
    (artefact,) = check.result.artefacts
    assert "system_models/far/far.txt" == artefact.path
    async with system.scheduler() as scheduler:
        parts = [
            part.data
            async for part in scheduler.DownloadArtefact(
                scheduler_pb2.DownloadArtefactRequest(name=artefact.name)
            )
        ]
    assert CONTENT.encode() == b"".join(parts)
    async with system.runner() as service:
        found = await service.GetRunner(runner_pb2.GetRunnerRequest(name="runners/-"))
    assert "docker" == found.backend
    assert far.host in found.backend_reason

    own = far.docker("ps", "--all", "--quiet", "--filter", f"label={RUNNER_LABEL}={runner}").split()
    assert own, "the warm containers are at the far engine"
    for container in json.loads(far.docker("inspect", *own)):
        assert [] == container["Mounts"]
        assert not container["HostConfig"]["Binds"]
        assert not container["HostConfig"].get("Mounts")
        assert not container["HostConfig"]["VolumesFrom"]
    near = ["docker", "ps", "--all", "--quiet", "--filter", f"label={RUNNER_LABEL}={runner}"]
    assert b"" == subprocess.check_output(near, timeout=60), "and none is at the near one"


async def test_an_engine_on_another_host(tmp_path: Path, far: RemoteEngine) -> None:
    """With DOCKER_HOST=tcp://… checks run where no path of this host exists."""
    await furnish(tmp_path, far)
    assert (ROOT / "services").is_dir()
    assert [] == far.entries(ROOT)
    assert [] == far.entries(tmp_path.parent)
    async with running_system(
        tmp_path,
        source=tmp_path / "data",
        backend="docker",
        environments=tmp_path / "environments",
        more={"DOCKER_HOST": far.host, "ACKREP_RUNNER_NAME": "test-far-host"},
    ) as system:
        await proves_a_check(system, far, runner="test-far-host")
    label = f"label={RUNNER_LABEL}=test-far-host"
    assert "" == far.docker("ps", "--all", "--quiet", "--filter", label)


async def test_an_engine_of_a_docker_context(tmp_path: Path, far: RemoteEngine) -> None:
    """Without DOCKER_HOST the current context of the Docker command line says where it is."""
    await furnish(tmp_path, far)
    variables = {"DOCKER_CONFIG": str(tmp_path / "docker"), "DOCKER_HOST": ""}
    for arguments in (
        ["create", "far", "--docker", f"host={far.host}"],
        ["use", "far"],
    ):
        subprocess.run(
            ["docker", "context", *arguments],
            env={**os.environ, **variables},
            check=True,
            capture_output=True,
            timeout=30,
        )
    async with running_system(
        tmp_path,
        source=tmp_path / "data",
        backend="docker",
        environments=tmp_path / "environments",
        more={**variables, "ACKREP_RUNNER_NAME": "test-far-context"},
    ) as system:
        await proves_a_check(system, far, runner="test-far-context")
