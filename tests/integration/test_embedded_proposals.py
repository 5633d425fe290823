"""`ackrep propose` on a real system: what a fork changes, checked beside main, and then merged."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command_projects import Project, up
from tests.git_repositories import user_git

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def project(tmp_path: Path, state_folder: Path) -> Iterator[Project]:
    """A running system over a committed data repository whose checks are quick."""
    made = Project(tmp_path, state=state_folder)
    shutil.rmtree(made.root / "problem_solutions/sleep")
    user_git(made.root, "init", "-q", "-b", "main")
    user_git(made.root, "add", ".")
    user_git(made.root, "commit", "-q", "-m", "first")
    with up(made):
        yield made


def shown(project: Project, key: str, *options: str) -> dict[str, Any]:
    """A proposal as programs get it."""
    found: dict[str, Any] = json.loads(project.run("proposals", key, "--json", *options).stdout)
    return found


def test_from_a_fork_to_main(project: Project, tmp_path: Path) -> None:
    """A fork breaks one solution and repairs another; main knows nothing of it until it has it."""
    project.run("check", "--all")
    fork = tmp_path / "fork"
    user_git(tmp_path, "clone", "-q", str(project.root), str(fork))
    for key, old, new in (("nomin", "42.0", "41.5"), ("raise", "undefined_name", "42.0")):
        path = fork / f"problem_solutions/{key}/solution.py"
        path.write_text(path.read_text().replace(f"return {old}", f"return {new}"))
    user_git(fork, "commit", "-q", "-a", "-m", "better and worse")

    made = json.loads(project.run("propose", str(fork), "--check", "--json").stdout)
    assert ("open", "better and worse") == (made["state"], made["title"])
    deadline = time.monotonic() + 60
    while (found := shown(project, made["key"]))["run"].get("finishedCount", 0) < 2:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    assert {"NOMIN", "RAISE"} == {
        one["entity"].removeprefix("entities/") for one in found["diff"]["entities"]
    }
    assert [("NOMIN", "success", "inaccurate"), ("RAISE", "script_error", "success")] == [
        (one["key"], one["baseVerdict"], one["otherVerdict"])
        for one in found["comparison"]["changes"]
    ]
    assert "NOMIN" in project.run("proposals", made["key"]).stdout

    # Main stands as it stood, also for who checks it again.
    again = json.loads(project.run("check", "NOMIN", "--json").stdout.splitlines()[-1])
    assert "success" == again["verdict"]

    user_git(project.root, "fetch", "-q", str(fork), "main")
    user_git(project.root, "merge", "-q", "FETCH_HEAD")
    project.run("sync")
    while shown(project, made["key"])["state"] != "merged":
        assert time.monotonic() < deadline + 60
        time.sleep(0.1)
    listed = project.run("proposals", "--state", "merged").stdout
    assert made["key"] in listed
    now = json.loads(project.run("check", "NOMIN", "--json").stdout.splitlines()[-1])
    assert ("inaccurate", "") == (now["verdict"], now.get("reusedFrom", ""))


def test_wrong_usage(project: Project) -> None:
    """What is missing or refused is said in one line, with the exit code of wrong usage."""
    for arguments, said in (
        (("propose",), "give the address of a fork"),
        (("propose", "ext::sh -c x"), "remote helpers are refused"),
        (("proposals", "--close"), "want the KEY"),
    ):
        done = project.run(*arguments)
        assert 64 == done.returncode, done.stderr
        assert said in done.stderr
