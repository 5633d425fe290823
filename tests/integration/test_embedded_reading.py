"""What the `ackrep` command answers without a whole system: lists, entities, metadata, keys."""

import json
import re
from pathlib import Path

import pytest

from cli import embedded, source
from tests.command_projects import SOLUTIONS, Project

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def project(tmp_path: Path, state_folder: Path) -> Project:
    """A data repository of its own for each test."""
    return Project(tmp_path, state=state_folder)


def test_list_needs_the_catalog_alone(project: Project) -> None:
    """`list` answers without starting a whole system, and leaves nothing behind."""
    done = project.run("list", "--type", "problem_solution", "--json")

    keys = [json.loads(line)["key"] for line in done.stdout.splitlines()]
    assert (done.returncode, keys) == (0, sorted(SOLUTIONS)), done.stderr
    assert not (project.state.path / "nats").exists()
    assert project.processes() == []


def test_show(project: Project) -> None:
    """`show` tells what an entity is and what it refers to."""
    done = project.run("show", "nomin")

    assert done.returncode == 0, done.stderr
    for expected in ("NOMIN", "entity NOMIN", "problem solution", "PROBL", "tiny_environment"):
        assert expected in done.stdout


def test_lint_of_good_metadata(project: Project) -> None:
    """`lint` of good metadata exits with 0."""
    done = project.run("lint")

    assert done.returncode == 0, done.stdout
    assert "0 errors" in done.stderr


def test_lint_speaks_as_a_compiler(project: Project) -> None:
    """`lint` names file and line, what is wrong and the code, and exits with 1."""
    project.entity(
        "problem_solutions/lost", "LOST1", "problem_solution", "solved_problem_list: [NOWHR]\n"
    )

    done = project.run("lint")

    place = r"^problem_solutions/lost/metadata\.yml:\d+(:\d+)?: error: .*NOWHR.* \[[a-z-]+\]$"
    assert done.returncode == 1
    assert re.search(place, done.stdout, re.MULTILINE), done.stdout


def test_key_is_new(project: Project) -> None:
    """`key` prints five capital letters and digits; the old spelling has its old words."""
    new, old = project.run("key"), project.run("--key")

    assert re.fullmatch(r"[A-Z0-9]{5}\n", new.stdout)
    assert re.fullmatch(r"Random entity-key:  [A-Z0-9]{5}\n", old.stdout)


def test_no_system_to_talk_about(project: Project) -> None:
    """`status` starts nothing, and exits with 1 where nothing runs."""
    done = project.run("status")

    assert (done.returncode, "no system runs" in done.stdout) == (1, True)
    assert embedded.running(source.parse(str(project.root))) is None


def test_source_that_cannot_be_read_is_named(tmp_path: Path, project: Project) -> None:
    """Where the data repository cannot be read, the catalog's own words come out, in one line."""
    project.root = tmp_path / "not_git"
    project.root.mkdir()

    done = project.run("list", "--ref", "main")

    assert done.returncode == 64, done.stdout
    assert "not_git" in done.stderr
    assert "Traceback" not in done.stderr
