"""`ackrep env` on a real system with a real engine and a real registry."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.runner.engine.containers import Engine
from tests.command_projects import Project, up
from tests.engine import write_bare_environment
from tests.registries import running_registry

pytestmark = [pytest.mark.engine, pytest.mark.timeout(240)]

NAME = f"commanded{os.getpid()}_environment"
DOCKERFILE = 'FROM scratch\nCOPY requirements_{name}.txt /\nLABEL dev.ackrep.runtime="1"\n'
"""Nothing runs in it, so it is made and sent in a moment."""


@pytest.fixture
async def project(tmp_path: Path, docker_engine: Engine) -> AsyncIterator[Project]:
    """A data repository, an environment, and a registry that the runner knows."""
    project = Project(tmp_path, state=tmp_path / "state")
    write_bare_environment(project.environments, NAME)
    (project.environments / f"Dockerfile_{NAME}").write_text(DOCKERFILE.format(name=NAME))
    (project.environments / f"requirements_{NAME}.txt").write_text(f"# {tmp_path}\n")
    with running_registry(tmp_path) as registry:
        project.variables["ACKREP_RUNNER_REGISTRY"] = f"{registry}/lab"
        yield project
        for image in await docker_engine.images.all():
            if image.belongs_to(NAME, f"ackrep/{NAME}", f"{registry}/lab/{NAME}"):
                await docker_engine.images.remove(image.id)


async def test_from_a_dockerfile_to_another_machine(
    project: Project, docker_engine: Engine
) -> None:
    """Built, published, refused a second time, removed here, pulled again, and listed."""
    with up(project, backend="docker"):
        built = project.run("env", "build", NAME, "--verbose", "--json")
        assert 0 == built.returncode, built.stderr
        assert "Step 1/" in built.stderr
        first = json.loads(built.stdout)["digest"]

        pushed = project.run("env", "push", NAME, "-v", "1.2.0", "-m", "the first", "--json")
        assert 0 == pushed.returncode, pushed.stderr
        document = json.loads(pushed.stdout)
        assert document["digest"] != first
        assert [":1.2.0", ":latest"] == [one[one.rindex(":") :] for one in document["references"]]

        again = project.run("env", "push", NAME, "-v", "1.2.0", "-m", "again")
        assert (64, "") == (again.returncode, again.stdout)
        assert "published already" in again.stderr

        for image in await docker_engine.images.all():
            if image.belongs_to(NAME):
                await docker_engine.images.remove(image.id)
        assert "absent" in _line(project.run("env", "list").stdout)

        pulled = project.run("env", "pull", f"{NAME}@1.2.0")
        assert 0 == pulled.returncode, pulled.stderr
        everything = project.run("-p")
        assert 3 == everything.returncode, "the other environment is not at the registry"
        assert "tiny_environment" in everything.stderr
        assert "1.2.0" in _line(everything.stdout)

        shown = json.loads(project.run("env", "show", NAME, "--json").stdout)
        assert ("ready", document["digest"]) == (shown["state"], shown["digest"])
        (image_shown,) = shown["images"]
        assert ["1.2.0", "latest"] == image_shown["tags"]
        assert "the first" == image_shown["description"]
        assert document["registryDigest"] == image_shown["registryDigest"]
        assert image_shown["currentRecipe"]


def test_a_process_runner_has_no_images(project: Project) -> None:
    """It verifies its virtual environment, and says why it builds nothing."""
    with up(project):
        verified = project.run("env", "verify", "tiny_environment")
        assert 0 == verified.returncode, verified.stdout + verified.stderr
        assert "as it should be" in verified.stdout
        built = project.run("env", "build", "tiny_environment")
        assert 3 == built.returncode
        assert "images need a Docker engine" in built.stderr
        system = project.system()
        assert system is not None
        project.variables["ACKREP_TOKEN"] = system.token
        deployed = project.run("env", "show", "tiny_environment", "--runner", system.runner)
        assert (0, "") == (deployed.returncode, deployed.stderr)
        assert "tiny_environment  ready" in deployed.stdout
        unknown = project.run("env", "show", "none_environment")
        assert 64 == unknown.returncode


def _line(text: str) -> str:
    """The line of the table about the environment of the tests."""
    return next(line for line in text.splitlines() if NAME in line)
