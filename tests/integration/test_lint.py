"""`ackrep lint` on folders, parts of them and branches: formats, filters and exit codes."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_projects import Project

pytestmark = pytest.mark.timeout(240)

LOST = "problem_solutions/lost/metadata.yml"


@pytest.fixture
def project(tmp_path: Path, state_folder: Path) -> Project:
    """A data repository with an error, a warning and a remark."""
    project = Project(tmp_path, state=state_folder)
    project.entity(
        "problem_solutions/lost", "LOST1", "problem_solution", "solved_problem_list: [NOWHR]\n"
    )
    (project.root / "problem_solutions/lost/solution.py").write_text("")
    project.entity("comments/note", "NOTE1", "comment", "note: a\nown: 100%\n")
    return project


def test_formats(project: Project) -> None:
    """The same diagnostics, in the same order, for people, programs and GitHub."""
    text, github, lines = (
        project.run("lint", "--format", name).stdout.splitlines()
        for name in ("text", "github", "json")
    )

    assert [
        ("comments/note/metadata.yml", 9, "warning", "misspelled-field"),
        ("comments/note/metadata.yml", 10, "info", "unknown-field"),
        (LOST, 9, "error", "dangling-reference"),
    ] == [
        (one["path"], one["line"], one["severity"], one["code"]) for one in map(json.loads, lines)
    ]
    assert ["warning", "notice", "error"] == [line.split()[0].strip(":") for line in github]
    assert f"{LOST},line=9,col=23,title=dangling-reference::no entity has" in github[2]
    assert [1, 2, 3] == [
        number
        for number, code in enumerate(("misspelled", "unknown-field", "dangling"), 1)
        if any(f"[{code}" in line for line in text)
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "shown", "summary"),
    [
        ([], 1, 3, "1 error, 1 warning, 1 info in 2 files"),
        (["--severity", "warning"], 1, 2, "1 error, 1 warning, 1 info in 2 files (1 not shown)"),
        (["--severity", "error"], 1, 1, "1 error, 1 warning, 1 info in 2 files (2 not shown)"),
        (["comments"], 0, 2, "0 errors, 1 warning, 1 info in 1 file"),
        (["comments", "--strict"], 1, 2, "0 errors, 1 warning, 1 info in 1 file"),
        (
            ["comments", "--severity", "error"],
            0,
            0,
            "0 errors, 1 warning, 1 info in 1 file (2 not shown)",
        ),
        ([LOST], 1, 1, "1 error, 0 warnings in 1 file"),
        (["problem_specifications", "--strict"], 0, 0, "0 errors, 0 warnings"),
    ],
)
def test_what_is_shown(
    project: Project, arguments: list[str], code: int, shown: int, summary: str
) -> None:
    """A part of the repository, and what is bad enough; the exit code is about all of the part."""
    parts = {"comments", "problem_specifications", LOST}
    paths = [str(project.root / one) if one in parts else one for one in arguments]
    done = project.run("lint", *paths)

    assert (code, shown) == (done.returncode, done.stdout.count("metadata.yml:")), done.stderr
    assert done.stderr.splitlines()[-1] == summary


def test_a_branch_and_a_path_in_it(project: Project) -> None:
    """Of a commit, what it holds is told, not what lies in the folder; paths are those in it."""
    git = ("git", "-C", str(project.root), "-c", "user.name=a", "-c", "user.email=a@b")
    for arguments in (["init", "-qb", "main"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *arguments], check=True)
    (project.root / LOST).write_text("broken: [\n")

    whole = project.run("lint", "--ref", "main", "--json")
    part = project.run("lint", "comments", "--ref", "main", "--json")
    nothing = project.run("lint", "nowhere", "--ref", "main")

    assert (1, 3) == (whole.returncode, len(whole.stdout.splitlines()))
    assert "dangling-reference" in whole.stdout
    assert (0, 2) == (part.returncode, len(part.stdout.splitlines()))
    assert (64, True) == (nothing.returncode, "no entity is at nowhere" in nothing.stderr)


def test_wrong_usage(project: Project, tmp_path: Path) -> None:
    """A path that is not there, or elsewhere, is wrong usage."""
    for arguments in (["nowhere"], [str(tmp_path)], ["--json", "--format", "github"]):
        assert 64 == project.run("lint", *arguments).returncode


def test_in_a_terminal(project: Project) -> None:
    """A terminal shows the line that is wrong, with marks below it."""
    variables = {name: value for name, value in project.variables.items() if name != "NO_COLOR"}
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "cli", "-C", str(project.root), "lint", "--severity", "error"],
        stdout=slave,
        stderr=subprocess.DEVNULL,
        env={**variables, "TERM": "xterm-256color"},
    ) as process:
        os.close(slave)
        said = b""
        try:
            while piece := os.read(master, 65_536):
                said += piece
        except OSError:  # the other end is closed
            pass
    os.close(master)

    assert 1 == process.returncode
    assert b"\x1b[" in said
    assert "solved_problem_list: [NOWHR]" in said.decode()
    assert "^^^^^" in said.decode()
