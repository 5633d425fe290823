"""Selections of `ackrep check`, and schedules, on a git repository that is worked on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command_projects import Project, eventually, up
from tests.git_repositories import user_git

pytestmark = pytest.mark.timeout(300)

KEYS = {"NOMIN", "WRONG", "RAISE", "WRITE"}


@pytest.fixture
def project(tmp_path: Path, state_folder: Path) -> Iterator[Project]:
    """A git repository with four solutions, of which one has a tag of its own; all were checked."""
    made = Project(tmp_path, state=state_folder)
    sleeping = made.root / "problem_solutions/sleep"
    for file in sleeping.iterdir():
        file.unlink()
    sleeping.rmdir()
    metadata = made.root / "problem_solutions/wrong/metadata.yml"
    metadata.write_text(metadata.read_text().replace("tag_list: [test]", "tag_list: [odd]"))
    user_git(made.root, "init", "-q", "-b", "main")
    commit(made, "begin")
    with up(made):
        made.run("check", "--all")
        yield made


def commit(project: Project, message: str) -> None:
    """Commits all of the working tree."""
    user_git(project.root, "add", ".")
    user_git(project.root, "commit", "-q", "-m", message)


def edit(project: Project, key: str, value: str) -> None:
    """Lets a solution compute another value."""
    path = project.root / f"problem_solutions/{key.lower()}/solution.py"
    path.write_text(f"def solve(specification):\n    return {value}\n")


def checked(project: Project, *arguments: str) -> dict[str, str]:
    """Verdicts by key of what `ackrep check` checks."""
    done = project.run("check", *arguments, "--json")
    assert done.returncode in (0, 1, 2), done.stderr
    return {one["key"]: one["verdict"] for one in map(json.loads, done.stdout.splitlines())}


def test_selections(project: Project) -> None:
    """By change, by failure, by type and tag; several have to hold together."""
    nothing = project.run("check", "--changed")
    assert 0 == nothing.returncode, nothing.stderr
    assert "no entity that can be checked is selected" in nothing.stderr

    edit(project, "NOMIN", "41.5")
    assert {"NOMIN": "inaccurate"} == checked(project, "--changed")
    before = user_git(project.root, "rev-parse", "HEAD")
    commit(project, "worse")
    assert {} == checked(project, "--changed")
    assert {"NOMIN": "inaccurate"} == checked(project, "--changed", before)

    assert {"NOMIN", "WRONG", "RAISE"} == set(checked(project, "--failed"))
    assert {"WRONG"} == set(checked(project, "--tag", "odd"))
    assert set(KEYS) == set(checked(project, "--type", "problem_solution"))
    assert {"WRONG"} == set(checked(project, "--failed", "--tag", "odd"))
    assert {} == checked(project, "--type", "notebook")
    assert {} == checked(project, "--changed", before, "--tag", "odd")
    unknown = project.run("check", "--changed", "nowhere")
    assert 64 == unknown.returncode
    assert "nowhere" in unknown.stderr
    assert "Traceback" not in unknown.stderr


def runs(project: Project) -> list[dict[str, Any]]:
    """All runs, newest first."""
    done = project.run("runs", "--json")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_checks_on_change(project: Project) -> None:
    """After a commit the affected entity is checked by itself; a removed schedule does nothing."""
    done = project.run("schedule", "add", "--on-change", "--title", "pushed", "--json")
    assert 0 == done.returncode, done.stderr
    name = json.loads(done.stdout)["name"]
    assert "on change" in project.run("schedule").stdout
    before = len(runs(project))

    edit(project, "NOMIN", "41.5")
    commit(project, "worse")
    eventually(lambda: len(runs(project)) > before, what="a run of the schedule")
    newest = runs(project)[0]
    assert ("pushed", 1) == (newest["title"], newest["checkCount"])

    def result() -> str:
        found = project.run("results", "NOMIN", "--json").stdout.splitlines()
        return str(json.loads(found[0]).get("verdict"))

    eventually(lambda: result() == "inaccurate", what="the verdict of the change")
    assert newest["name"] in project.run("schedule", "--json").stdout

    assert 0 == project.run("schedule", "remove", name).returncode
    assert "no schedules yet" in project.run("schedule").stderr
    before = len(runs(project))
    edit(project, "WRITE", "40.0")
    assert {"WRITE": "inaccurate"} == checked(project, "--changed")
    assert before + 1 == len(runs(project))  # the one of the command


def test_schedules_that_cannot_be(project: Project) -> None:
    """What is wrong is said in words, with the exit code of wrong usage."""
    for arguments, message in (
        (["--cron", "every day"], "every day"),
        (["--cron", "0 0 31 2 *"], "is no cron expression"),
        (["--on-change", "--filter", "colour = red"], "colour"),
        (["--max-age", "1s"], "is no duration"),
        ([], "say when"),
    ):
        done = project.run("schedule", "add", *arguments)
        assert 64 == done.returncode, arguments
        assert message in done.stderr, done.stderr
    assert 64 == project.run("schedule", "remove", "nothing").returncode
