"""What `ackrep env verify` finds in real environments, of both backends."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.runner.domain.verification import Severity, Verification
from services.runner.environments import Environments
from services.runner.ports import Backend
from services.runner.workplaces.processes import ProcessBackend
from services.runner.workplaces.verification import examine
from tests.backends import containers, quiet
from tests.contract.test_containers import loosen
from tests.engine import write_bare_environment

NAME = f"examined{os.getpid()}_environment"


@pytest.fixture(params=["process", pytest.param("docker", marks=pytest.mark.engine)])
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    """Each backend, for one environment without packages."""
    write_bare_environment(tmp_path, NAME)
    if request.param == "process":
        processes = ProcessBackend(tmp_path / "state", reason="a test")
        yield processes
        await processes.close()
        return
    docker = containers()
    yield docker
    for shown in await docker.images.shown(Environments([tmp_path]).get(NAME)):
        await docker.engine.images.remove(shown.image.id)
    await docker.close()


async def verify(backend: Backend, folder: Path) -> Verification:
    """Makes the environment ready as it is defined now, and examines it."""
    definition = Environments([folder]).get(NAME)
    digest = await backend.prepare(definition, quiet)
    return await examine(definition, backend, digest=digest)


def found(verification: Verification, severity: Severity) -> list[tuple[str, str]]:
    """Subject and message of the findings that are so bad."""
    return [(one.subject, one.message) for one in verification.findings if one.severity is severity]


async def test_a_sound_environment(backend: Backend, tmp_path: Path) -> None:
    """Nothing is wrong with it, and the answer says what it is."""
    verification = await verify(backend, tmp_path)
    assert [] == found(verification, Severity.ERROR)
    subjects = {subject for subject, _ in found(verification, Severity.OK)}
    assert {"definition", "engine", "python", "packages", "start"} <= subjects
    assert verification.digest.startswith("sha256:")
    assert verification.python.startswith("3.")
    assert verification.start_seconds > 0
    if backend.name == "docker":
        assert {"labels", "recipe", "image", "isolation", "confinement"} <= subjects
        assert "container+landlock+seccomp+uid" == verification.confinement


@pytest.mark.engine
@pytest.mark.parametrize("backend", ["docker"], indirect=True)
async def test_what_is_not_in_the_image(backend: Backend, tmp_path: Path) -> None:
    """Pinned packages that the Dockerfile does not install, modules that cannot be imported."""
    (tmp_path / f"requirements_{NAME}.txt").write_text(
        "nosuchthing==1.0\nelsewhere==2.0 ; sys_platform == 'win32'\nloose>=3\n"
    )
    toml = tmp_path / f"{NAME}.toml"
    toml.write_text(toml.read_text() + 'preload = ["nosuchthing"]\nbuild_only = ["loose"]\n')
    verification = await verify(backend, tmp_path)
    errors = dict(found(verification, Severity.ERROR))
    assert "not installed: nosuchthing==1.0" == errors["packages"]
    assert "loose>=3" in errors["definition"]
    warnings = dict(found(verification, Severity.WARNING))
    assert "nosuchthing could not be imported ahead" in warnings["preload"]


@pytest.mark.engine
@pytest.mark.parametrize("backend", ["docker"], indirect=True)
async def test_what_an_image_must_not_have(backend: Backend, tmp_path: Path) -> None:
    """Volumes and health checks are errors, a user is a warning, in the image and in its file."""
    dockerfile = tmp_path / f"Dockerfile_{NAME}"
    dockerfile.write_text(
        dockerfile.read_text() + "USER 1234\nVOLUME /data\nHEALTHCHECK CMD true\n"
    )
    verification = await verify(backend, tmp_path)
    errors = [message for subject, message in found(verification, Severity.ERROR)]
    assert any("VOLUME" in message for message in errors)
    assert any("HEALTHCHECK" in message for message in errors)
    warnings = [message for _, message in found(verification, Severity.WARNING)]
    assert any("`USER 1234`" in message for message in warnings)


@pytest.mark.engine
@pytest.mark.parametrize("backend", ["docker"], indirect=True)
async def test_a_loose_container(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container that no check may run in is an error each for what is wrong with it."""
    loosen(monkeypatch, {"read_only": False, "security_opt": []})
    verification = await verify(backend, tmp_path)
    errors = [message for subject, message in found(verification, Severity.ERROR)]
    assert 2 == len(errors)
    assert any("root file system is writable" in message for message in errors)
    assert any("no_new_privs" in message for message in errors)
