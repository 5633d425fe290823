"""Checks with the `ackrep` command, on a real system that stays up for all of them."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command_projects import Project, up

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, state_folder: Path) -> Iterator[Project]:
    """A data repository whose system stays up for several tests."""
    project = Project(tmp_path_factory.mktemp("shared"), state=state_folder)
    with up(project):
        yield project


# The seed's table of error propagation, column "command line" -------------------------------------


def test_nominal_is_log_and_success(shared: Project) -> None:
    """A nominal check shows its log and says "success"; exit code 0."""
    done = shared.run("check", "NOMIN")

    assert (0, "computing 42\nevaluated: error 0.0\n") == (
        done.returncode,
        "".join(done.stdout.splitlines(keepends=True)[:2]),
    ), done.stderr
    assert "success" in done.stdout.lower()


def test_numerical_error_is_log_and_inaccurate(shared: Project) -> None:
    """Wrong numbers show the log and say "inaccurate"; exit code 2."""
    done = shared.run("check", "WRONG")

    assert done.returncode == 2, done.stderr
    assert "computing 41\nevaluated: error -1.0\n" in done.stdout
    assert "inaccurate" in done.stdout.lower()
    assert "success" not in done.stdout.lower()


def test_script_error_is_traceback_log_and_fail(shared: Project) -> None:
    """A script error shows log and traceback and says "fail"; exit code 1."""
    done = shared.run("check", "RAISE")

    assert done.returncode == 1, done.stderr
    assert "computing nothing" in done.stdout
    assert "Traceback (most recent call last):" in done.stdout
    assert 'problem_solutions/raise/solution.py", line 3, in solve' in done.stdout
    assert "NameError: name 'undefined_name' is not defined" in done.stdout
    assert "fail" in done.stdout.lower()
    assert "success" not in done.stdout.lower()


# Checks -------------------------------------------------------------------------------------------


def test_several_checks_end_with_a_table(shared: Project) -> None:
    """Several checks give a table and a summary, and exit with the worst code."""
    done = shared.run("check", "NOMIN", "WRONG", "RAISE")

    assert done.returncode == 1, done.stderr
    for key, verdict in (("NOMIN", "success"), ("WRONG", "inaccurate"), ("RAISE", "script error")):
        assert re.search(rf"^ {key} .* {verdict} ", done.stdout, re.MULTILINE), done.stdout
    assert "3 checks in" in done.stdout
    assert "1 success, 1 inaccurate, 1 script error" in done.stdout


def test_json_is_one_object_per_check(shared: Project) -> None:
    """With --json, standard output is one object per check and nothing else."""
    done = shared.run("--json", "check", "NOMIN", "WRONG")

    documents = [json.loads(line) for line in done.stdout.splitlines()]
    found = {one["key"]: (one["verdict"], one["state"], one["exitCode"]) for one in documents}
    assert found == {"NOMIN": ("success", "finished", 0), "WRONG": ("inaccurate", "finished", 2)}


def test_json_of_one_check_has_its_output(shared: Project) -> None:
    """A single check in JSON carries its output, numbers and page."""
    done = shared.run("check", "WRONG", "--json")

    document = json.loads(done.stdout)
    assert document["output"] == "computing 41\nevaluated: error -1.0\n"
    assert document["result"]["quantities"][0]["values"] == [-1.0]
    assert document["page"].startswith("http://127.0.0.1:")


def test_path_means_the_entity_there(shared: Project) -> None:
    """A folder or a file in it is as good as the key."""
    by_folder = shared.run("check", str(shared.root / "problem_solutions/nomin"), "--json")
    by_file = shared.run(
        "check", str(shared.root / "problem_solutions/nomin/solution.py"), "--json"
    )

    keys = [json.loads(done.stdout)["key"] for done in (by_folder, by_file)]
    assert keys == ["NOMIN", "NOMIN"]


def test_old_spelling(shared: Project) -> None:
    """`ackrep -c KEY` of 2022 checks as before."""
    done = shared.run("-c", "NOMIN")

    assert (done.returncode, "Success." in done.stdout) == (0, True), done.stderr


def test_old_docker_spelling_insists_on_docker(shared: Project) -> None:
    """`ackrep -cwd KEY` does not run as a process; it says why and exits with 3."""
    done = shared.run("-cwd", "NOMIN")

    assert (done.returncode, done.stdout) == (3, "")
    assert "not in docker" in done.stderr


def test_output_keeps_the_files_of_a_check(shared: Project, tmp_path: Path) -> None:
    """--output saves what a check wrote, at its path in the data repository."""
    done = shared.run("check", "WRITE", "--output", str(tmp_path / "out"))

    saved = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert done.returncode == 0, done.stdout + done.stderr
    assert [(one.name, one.read_text()) for one in saved] == [("table.csv", "1,2\n")]
    assert saved[0].is_relative_to(tmp_path / "out" / "problem_solutions" / "write")


def test_edit_is_checked_without_commit(shared: Project) -> None:
    """A check sees the working tree as it is now."""
    path = shared.root / "problem_solutions/wrong/solution.py"
    before = path.read_text()
    path.write_text(before.replace("return 41.0", "return 42.0"))
    try:
        done = shared.run("check", "WRONG")
    finally:
        path.write_text(before)

    assert done.returncode == 0, done.stdout + done.stderr


def test_unknown_key_is_wrong_usage(shared: Project) -> None:
    """An unknown key exits with 64 and one line that names it, without a traceback."""
    done = shared.run("check", "ZZZZZ")

    assert (done.returncode, done.stdout) == (64, "")
    assert "ZZZZZ" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_cannot_be_checked(shared: Project) -> None:
    """An entity that cannot be checked is an error that says so."""
    done = shared.run("check", "PROBL")

    assert done.returncode == 1, done.stdout
    assert "PROBL" in done.stderr


def test_ctrl_c_cancels_the_check(shared: Project) -> None:
    """Ctrl-C on a running check cancels it; exit code 4, and the system goes on."""
    process = shared.start("check", "SLEEP")
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert (first, process.returncode) == ("sleeping\n", 4), out + err
    assert "cancelled" in out.lower()
    assert shared.system() is not None
    history = shared.run("results", "SLEEP", "--json")
    assert [json.loads(line)["verdict"] for line in history.stdout.splitlines()] == ["cancelled"]


def test_watch_replays_a_finished_check(shared: Project) -> None:
    """A watch of a finished check shows its whole log again, and exits with its code."""
    first = json.loads(shared.run("check", "WRONG", "--json").stdout)

    done = shared.run("watch", first["id"])

    assert done.returncode == 2, done.stderr
    assert "computing 41\nevaluated: error -1.0\n" in done.stdout


def test_status_of_a_running_system(shared: Project) -> None:
    """The status says where it runs, and never tells the token."""
    done = shared.run("status", "--json")
    system = shared.system()
    assert system is not None

    document = json.loads(done.stdout)
    assert (done.returncode, document["running"], document["backend"]) == (0, True, "process")
    assert system.token not in done.stdout
