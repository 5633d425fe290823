"""Reuse as a contributor meets it: the command, a folder that is edited, real checks."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command_projects import Project, up

pytestmark = pytest.mark.timeout(300)

CORE = "methods/tinymethod/src/tinymethod/core.py"
FAR = "far/number.txt"
USING = "from tinymethod.core import answer\n    return answer()"
READING = f"print('reading')\n    return float(open('../../{FAR}').read())"


@pytest.fixture
def project(tmp_path: Path, state_folder: Path) -> Iterator[Project]:
    """Four solutions, one of which uses a method and one a file that it does not declare."""
    made = Project(tmp_path, state=state_folder)
    for key in ("raise", "write", "sleep"):
        shutil.rmtree(made.root / "problem_solutions" / key)
    made.entity("methods/tinymethod", "METHD", "method_package")
    write(made, "methods/tinymethod/src/tinymethod/__init__.py", "")
    write(made, CORE, "def answer():\n    return 42.0\n")
    write(made, FAR, "42\n")
    for key, code, more in (
        ("USING", USING, "method_package_list: [METHD]\n"),
        ("READS", READING, ""),
    ):
        declared = f"solved_problem_list: [PROBL]\ncompatible_environment: TINYE\n{more}"
        made.entity(f"problem_solutions/{key.lower()}", key, "problem_solution", declared)
        path = f"problem_solutions/{key.lower()}/solution.py"
        write(made, path, f"def solve(specification):\n    {code}\n")
    with up(made):
        yield made


def write(project: Project, path: str, text: str) -> None:
    """Writes a file of the data repository."""
    file = project.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def check_all(project: Project, *options: str) -> dict[str, dict[str, Any]]:
    """Checks everything; what came out by key."""
    done = project.run("check", "--all", "--json", *options)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert found, done.stderr
    return {check["key"]: check for check in found}


def ran(checks: dict[str, dict[str, Any]]) -> set[str]:
    """Keys of what had to run."""
    return {key for key, check in checks.items() if not check.get("reusedFrom")}


def reasons(project: Project, key: str) -> list[dict[str, Any]]:
    """Why the newest check of an entity ran or not."""
    found: list[dict[str, Any]] = json.loads(project.run("explain", key, "--json").stdout)[
        "reasons"
    ]
    return found


def test_only_what_changed_runs(project: Project) -> None:
    """From the first check of everything to an edit of a method, and of something far away."""
    verdicts = {"NOMIN": "success", "WRONG": "inaccurate", "USING": "success", "READS": "success"}
    first = check_all(project)
    assert verdicts == {key: check["verdict"] for key, check in first.items()}
    assert set(verdicts) == ran(first)

    second = check_all(project)
    assert set() == ran(second)
    assert verdicts == {key: check["verdict"] for key, check in second.items()}
    assert {key: check["name"] for key, check in first.items()} == {
        key: check["reusedFrom"] for key, check in second.items()
    }

    write(project, CORE, "def answer():\n    return 6 * 7.0\n")
    # Whose dependency is not declared may depend on everything.
    assert {"USING", "READS"} == ran(check_all(project))
    [folder] = reasons(project, "USING")
    assert ("folder_changed", "entities/METHD", "methods/tinymethod") == (
        folder["kind"],
        folder["entity"],
        folder["path"],
    )
    assert ["revision_changed"] == [reason["kind"] for reason in reasons(project, "READS")]
    assert ["same_inputs"] == [reason["kind"] for reason in reasons(project, "NOMIN")]

    write(project, CORE, "def answer():\n    return 42.0\n")
    back = check_all(project)
    assert set() == ran(back)
    assert first["USING"]["name"] == back["USING"]["reusedFrom"]

    write(project, FAR, "41\n")
    changed = check_all(project)
    assert {"READS"} == ran(changed)
    assert "inaccurate" == changed["READS"]["verdict"]

    assert set(verdicts) == ran(check_all(project, "--force"))
    assert ["forced"] == [reason["kind"] for reason in reasons(project, "NOMIN")]


def test_people_are_told(project: Project) -> None:
    """What was reused, since when, with the log as it was, and how to run it all the same."""
    project.run("check", "--all")

    everything = project.run("check", "--all")
    one = project.run("check", "NOMIN")
    why = project.run("explain", "NOMIN")

    assert 2 == everything.returncode, everything.stderr
    assert "4 results reused, nothing had to run" in everything.stdout
    assert 0 == one.returncode
    assert one.stdout.startswith("computing 42\nevaluated: error 0.0\n")
    assert "has changed since" in one.stderr
    assert "--force" in one.stderr
    assert "Success." in one.stdout
    assert "NOMIN  did not run: the result is reused" in why.stdout
    assert 64 == project.run("explain", "TINYE").returncode
