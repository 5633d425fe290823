"""Virtual environments of the process backend, made with the real uv."""

import asyncio
from pathlib import Path

import pytest

from services.errors import EnvironmentUnavailableError
from services.runner.domain.environments import Definition
from services.runner.environments import Environments
from services.runner.workplaces.processes import ProcessBackend
from services.runner.workplaces.virtualenvs import VirtualEnvironments
from tests.engine import write_bare_environment


def quiet(message: str, fraction: float | None) -> None:
    """Nobody listens."""


async def test_a_python_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The process backend says which Python is asked for, which were found, and what to do."""
    write_bare_environment(tmp_path, "old_environment")
    path = tmp_path / "old_environment.toml"
    path.write_text(path.read_text().replace(">=3.11", "==3.99.*"))
    backend = ProcessBackend(tmp_path, reason="a test")
    with pytest.raises(EnvironmentUnavailableError) as caught:
        await backend.prepare(Environments([tmp_path]).get("old_environment"), quiet)
    message = caught.value.message
    assert "==3.99.*" in message
    assert "found: 3." in message
    assert "Docker" in message


async def test_two_commands_build_a_virtual_environment_once(tmp_path: Path) -> None:
    """Of two that want the same at once, one waits, and both get the same."""
    write_bare_environment(tmp_path)
    definition = Environments([tmp_path]).get("bare_environment")
    heard: list[str] = []

    async def make() -> object:
        made = VirtualEnvironments(tmp_path / "venvs")
        return await made.make(definition, lambda message, _: heard.append(message))

    first, second = await asyncio.gather(make(), make())
    assert first == second
    assert 1 == sum("making a virtual environment" in message for message in heard)


async def test_an_interrupted_build_is_made_again(tmp_path: Path) -> None:
    """A folder without its marker is a rest, not an environment."""
    write_bare_environment(tmp_path)
    definition: Definition = Environments([tmp_path]).get("bare_environment")
    venvs = VirtualEnvironments(tmp_path / "venvs")
    made = await venvs.make(definition, quiet)
    (made.folder / "ackrep.json").unlink()
    assert await venvs.find(definition) is None
    assert made == await venvs.make(definition, quiet)
