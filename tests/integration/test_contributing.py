"""A contributor's first minutes: `new`, `prepare`, `path`, on real services."""

import json
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cli import creation
from tests.command_projects import Project, up

pytestmark = pytest.mark.timeout(300)

DEMO = Path(__file__).parents[2] / "examples" / "demo_data"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, state_folder: Path) -> Iterator[Project]:
    """The demo's environment and nothing else, with a system that stays up."""
    made = Project(tmp_path_factory.mktemp("contributing"), state=state_folder)
    shutil.rmtree(made.root)
    shutil.copytree(DEMO / "environment_specifications", made.root / "environment_specifications")
    del made.variables["ACKREP_RUNNER_ENVIRONMENTS"]
    with up(made):
        yield made


def test_every_type_is_made_and_checked_at_once(project: Project) -> None:
    """Of each type one entity is made without a question; lint is silent, and all checks pass."""
    for kind in creation.TYPES:
        name = "my_environment" if kind == "environment_specification" else f"My {kind}"
        done = project.run("new", kind, "--name", name, "--creator", "a test", "--yes")
        assert 0 == done.returncode, done.stderr

    lint = project.run("lint")
    assert (0, "0 errors, 0 warnings") == (lint.returncode, lint.stderr.splitlines()[-1])
    checked = project.run("check", "--all", "--json")
    verdicts = [json.loads(line) for line in checked.stdout.splitlines()]
    assert {"system_models", "problem_solutions", "notebooks"} == {
        path.parent.parent.name
        for one in verdicts
        for path in project.root.rglob("metadata.yml")
        if yaml.safe_load(path.read_text())["key"] == one["key"]
    }
    assert {"success"} == {one["verdict"] for one in verdicts}, checked.stdout


def test_references_have_to_exist(project: Project) -> None:
    """A key that is no problem is refused before anything is written."""
    before = sorted(project.root.rglob("*"))
    done = project.run("new", "problem_solution", "--name", "x", "--problem", "NOPE1", "--yes")

    assert 64 == done.returncode
    assert "there is no problem specification NOPE1" in done.stderr
    assert before == sorted(project.root.rglob("*"))


def test_a_prepared_script_says_what_the_check_says(project: Project, tmp_path: Path) -> None:
    """The script runs in any Python with the packages, below a debugger too; it exits as checks."""
    made = project.run("new", "problem_solution", "--name", "Scripted", "--yes", "--json")
    key = json.loads(made.stdout.splitlines()[-1])["key"]
    script = tmp_path / "execscript.py"
    done = project.run("prepare", key, "--output", str(script))
    assert 0 == done.returncode, done.stderr

    plain = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (0, "success") == (plain.returncode, plain.stdout.splitlines()[-1]), plain.stderr
    debugged = subprocess.run(
        [sys.executable, "-m", "pdb", "-c", "continue", script],
        input="q\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert "The program exited via sys.exit(). Exit status: 0" in debugged.stdout

    solution = next(project.root.glob("problem_solutions/scripted/solution.py"))
    solution.write_text(solution.read_text().replace("(6 - 12", "(7 - 12"))
    wrong = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (2, "inaccurate") == (wrong.returncode, wrong.stdout.splitlines()[-1])


def test_a_file_of_somebody_else_is_kept(project: Project, tmp_path: Path) -> None:
    """Only what `prepare` made is written anew without --force."""
    mine = tmp_path / "execscript.py"
    mine.write_text("print('mine')\n")
    solution = project.root / "problem_solutions/my_problem_solution"

    refused = project.run("prepare", str(solution), "--output", str(mine))
    assert 64 == refused.returncode
    assert "was not made by `ackrep prepare`" in refused.stderr
    assert "print('mine')\n" == mine.read_text()
    assert 0 == project.run("prepare", str(solution), "-o", str(mine), "--force").returncode
    assert 0 == project.run("prepare", str(solution), "-o", str(mine)).returncode


def test_paths_by_the_spellings_of_2022(project: Project) -> None:
    """Old scripts ask for the metadata of a key, absolute or below the repository."""
    place = DEMO / "environment_specifications/demo_environment/metadata.yml"
    relative = place.relative_to(DEMO)

    assert f"{project.root / relative}\n" == (
        project.run("--get-metadata-abs-path-from-key", "DEMOE").stdout
    )
    assert f"{relative}\n" == project.run("--get-metadata-rel-path-from-key", "demoe").stdout
    unknown = project.run("--get-metadata-abs-path-from-key", "NOPE1")
    assert (64, "") == (unknown.returncode, unknown.stdout)


def test_a_failure_names_line_cause_and_remedy(project: Project) -> None:
    """A package that no environment has, and numbers that drifted, are said in words."""
    made = project.run("new", "system_model", "--name", "Failing", "--yes", "--json")
    key = json.loads(made.stdout)["key"]
    assert 0 == project.run("check", key).returncode
    simulation = project.root / "system_models/failing/simulation.py"
    right = simulation.read_text()

    simulation.write_text(right.replace("rtol=1e-9, atol=1e-12", "rtol=1e-2"))
    inaccurate = project.run("check", key)
    assert 2 == inaccurate.returncode
    assert "final_state_errors: " in inaccurate.stdout
    assert " in the last success, " in inaccurate.stdout

    simulation.write_text(f"import assimulo\n{right}")
    missing = project.run("check", key)
    assert 1 == missing.returncode
    for said in (
        "> ",
        "import assimulo",
        "likely cause  the package assimulo is not in demo_environment",
    ):
        assert said in missing.stdout
    simulation.write_text(right)


def test_reports_for_continuous_integration(project: Project, tmp_path: Path) -> None:
    """One check, many, and none: each time a report is written."""
    report = tmp_path / "reports/ackrep.xml"
    for arguments, cases in (
        (["--type", "system_model"], 2),
        (["--tag", "no_such_tag"], 0),
    ):
        done = project.run("check", *arguments, "--junit", str(report), "--format", "github")
        assert 0 == done.returncode, done.stderr
        assert cases == report.read_text().count("<testcase")
        assert "::error" not in done.stdout


def test_watching_checks_what_a_save_affects(project: Project) -> None:
    """After each save only what depends on it is checked; other saves say that nothing does."""
    made = project.run("new", "system_model", "--name", "Watched", "--yes", "--json")
    key = json.loads(made.stdout)["key"]
    folder = project.root / "system_models/watched"
    process = project.start("check", key, "--watch")
    try:
        said = Said(process)
        said.wait("watching for changes")
        simulation = folder / "simulation.py"
        simulation.write_text("1 / 0\n" + simulation.read_text())
        said.wait("watching for changes")
        (project.root / "comments/my_comment/README.md").write_text("changed\n")
        said.wait("no entity that is watched depends on what changed")
        said.wait("watching for changes")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert 1 == process.returncode
    assert 1 == out.count("Success.")
    assert 1 == out.count("Fail.")


class Said:
    """What a process writes to its standard error, read as it comes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        self._lines: queue.Queue[str] = queue.Queue()
        self._stream = process.stderr
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._stream:
            self._lines.put(line)

    def wait(self, text: str) -> None:
        """Waits for a line with a text."""
        deadline = time.monotonic() + 60
        while text not in self._lines.get(timeout=max(deadline - time.monotonic(), 0.1)):
            pass
