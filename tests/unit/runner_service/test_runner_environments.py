"""Environment definitions."""

from pathlib import Path

import pytest

from services.errors import EnvironmentUnavailableError, InvalidArgumentError
from services.runner.environments import Environments, load, recipe
from services.runner.settings import Settings
from tests.runner_builders import write_definition


def test_found_by_name_and_alias(tmp_path: Path) -> None:
    """A definition answers to its name and its aliases, with or without `environments/`."""
    write_definition(tmp_path, "demo_environment", aliases=("old_environment",))
    environments = Environments([tmp_path])
    for name in ("demo_environment", "environments/demo_environment", "old_environment"):
        assert "demo_environment" == environments.get(name).name


def test_a_name_wins_over_an_alias(tmp_path: Path) -> None:
    """Where one definition has the name and another the alias, the name decides."""
    write_definition(tmp_path, "a_environment", aliases=("b_environment",))
    write_definition(tmp_path, "b_environment")
    assert "b_environment" == Environments([tmp_path]).get("b_environment").name


def test_the_first_folder_wins(tmp_path: Path) -> None:
    """An administrator's folder before ours replaces a definition."""
    write_definition(tmp_path / "mine", python="==3.12.*")
    write_definition(tmp_path / "ours", python="==3.11.*")
    (found,) = Environments([tmp_path / "mine", tmp_path / "ours"]).all()
    assert "==3.12.*" == found.python


def test_unknown_says_what_is_known_and_what_to_do(tmp_path: Path) -> None:
    """The error names the near one, the known ones, and the two ways to serve it."""
    write_definition(tmp_path, "demo_environment", aliases=("old_environment",))
    with pytest.raises(EnvironmentUnavailableError) as caught:
        Environments([tmp_path]).get("environments/demo_enviroment")
    message = caught.value.message
    for words in ("did you mean demo_environment?", "old_environment", "add demo_enviroment.toml"):
        assert words in message
    with pytest.raises(EnvironmentUnavailableError, match="ACKREP_RUNNER_ENVIRONMENTS"):
        Environments([tmp_path / "none"]).get("demo_environment")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "demo_environment.toml"),
        ('name = "demo_environment"', "requirements"),
        ('extra = 1\nname = "demo_environment"', "extra"),
        ('name = "demo_environment"\npython = "3"\nrequirements = "../x"', "requirements"),
        ('name = "demo_environment"\npython = "3"\nrequirements = "none.txt"', "none.txt"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    """An error in a definition names the file and the field."""
    path = write_definition(tmp_path)
    path.write_text(text)
    with pytest.raises(InvalidArgumentError) as caught:
        load(path)
    assert str(path) in caught.value.message
    assert words in caught.value.message


def test_an_edit_needs_no_restart(tmp_path: Path) -> None:
    """A definition is read again when its file has changed."""
    path = write_definition(tmp_path)
    environments = Environments([tmp_path])
    assert ">=3.11" == environments.get("demo_environment").python
    before = path.stat().st_mtime_ns
    write_definition(tmp_path, python="==3.13.*")
    while path.stat().st_mtime_ns == before:
        path.touch()
    assert "==3.13.*" == environments.get("demo_environment").python


def test_recipe_follows_what_the_image_is_made_of(tmp_path: Path) -> None:
    """The recipe changes with the Dockerfile and the requirements, and with nothing else."""
    write_definition(tmp_path)
    found = Environments([tmp_path]).get("demo_environment")
    before = recipe(found)
    (tmp_path / "other.txt").write_text("x")
    assert before == recipe(found)
    (tmp_path / "requirements_demo_environment.txt").write_text("numpy==2.0\n")
    assert before != recipe(found)


def test_ours_are_sound() -> None:
    """The definitions of this repository can be read, and the old default has an alias."""
    environments = Environments(Settings(token="t").environment_folders)
    assert "default_environment" == environments.get("default_conda_environment").name
    assert "demo_environment" in [found.name for found in environments.all()]
