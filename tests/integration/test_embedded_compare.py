"""`ackrep compare` on a real system: two runs, between which entities changed."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command_projects import Project, up

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def project(tmp_path: Path, state_folder: Path) -> Iterator[Project]:
    """A running system over a data repository whose checks are quick."""
    made = Project(tmp_path, state=state_folder)
    shutil.rmtree(made.root / "problem_solutions/sleep")
    with up(made):
        yield made


def change(project: Project, key: str, old: str, new: str) -> None:
    """Edits the solution of an entity."""
    path = project.root / f"problem_solutions/{key.lower()}/solution.py"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_two_runs_are_compared(project: Project) -> None:
    """The last two over everything, or those that are named; broken ones first, and exit code 1."""
    lonely = project.run("compare")
    assert 64 == lonely.returncode
    assert "no earlier run over everything" in lonely.stderr
    project.run("check", "--all")
    change(project, "NOMIN", "return 42.0", "return 41.5")
    change(project, "RAISE", "undefined_name", "42.0")
    change(project, "WRONG", "return 41.0", "return 40.0")
    project.run("check", "--all")
    project.run("check", "NOMIN", "WRONG")

    done = project.run("compare", "--json")
    comparison = json.loads(done.stdout)
    assert 1 == done.returncode, done.stderr
    assert [("NOMIN", "broken"), ("RAISE", "repaired"), ("WRONG", "numbers")] == [
        (one["key"], one["kind"]) for one in comparison["changes"][:3]
    ]
    assert {"broken": 1, "repaired": 1, "numbers": 1, "unchanged": 1} == comparison["counts"]
    assert {
        "name": "final_state_errors",
        "absolute": 1.0,
        "relative": 0.5,
        "base": -1.0,
        "other": -2.0,
    } == (comparison["changes"][2]["numbers"][0])

    listed = project.run("runs", "--json").stdout.splitlines()
    part, later, earlier = (json.loads(line)["id"] for line in listed)
    assert (f"runs/{earlier}", f"runs/{later}") == (comparison["base"], comparison["other"])
    back = json.loads(project.run("compare", later, earlier[-12:], "--json").stdout)
    assert [("RAISE", "broken"), ("NOMIN", "repaired")] == [
        (one["key"], one["kind"]) for one in back["changes"][:2]
    ]
    shown = project.run("compare", part)
    assert 0 == shown.returncode, shown.stderr
    assert "4 entities: 2 removed, 2 unchanged" in shown.stdout
