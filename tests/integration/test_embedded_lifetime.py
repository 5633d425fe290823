"""How long a system lives that the `ackrep` command starts, and what is left of it."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from tests.command_projects import Project, eventually, up

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def project(tmp_path: Path, state_folder: Path) -> Project:
    """A data repository of its own for each test."""
    return Project(tmp_path, state=state_folder)


def test_check_starts_and_stops_what_it_needs(project: Project) -> None:
    """Without a running system, a check starts one and leaves no process behind."""
    done = project.run("check", "NOMIN", "--backend", "process")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "http://" not in done.stdout  # nobody answers there any more
    assert project.processes() == []
    assert project.system() is None


def test_docker_without_an_engine(project: Project) -> None:
    """Where Docker is demanded and no engine answers, the runner's own words come out, with 3."""
    project.variables["DOCKER_HOST"] = "unix:///nowhere/docker.sock"

    done = project.run("-cwd", "NOMIN")

    assert (done.returncode, done.stdout) == (3, "")
    assert "unix:///nowhere/docker.sock" in done.stderr
    assert "Traceback" not in done.stderr
    assert project.processes() == []


def test_demo_without_a_terminal(project: Project) -> None:
    """`up --check-all --exit-when-done` prints the table and the page, and exits with 0."""
    (project.root / "problem_solutions/sleep/metadata.yml").unlink()

    done = project.run("up", "--check-all", "--exit-when-done", "--backend", "process")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 success, 1 inaccurate, 1 script error" in done.stdout
    assert re.search(r"^Pages: http://127\.0\.0\.1:\d+/", done.stdout, re.MULTILINE)
    assert project.processes() == []


def test_two_commands_at_once(project: Project) -> None:
    """Two commands on one data repository share one system; it ends with the later one."""
    processes = [project.start("check", key, "--backend", "process") for key in ("NOMIN", "WRONG")]
    ends = [process.communicate(timeout=120) for process in processes]

    assert [process.returncode for process in processes] == [0, 2], ends
    eventually(lambda: project.processes() == [], what="all processes to end")


def test_up_is_joined(project: Project) -> None:
    """A second `up` joins the first one's system, which then survives the first one."""
    with up(project) as first:
        system = project.system()
        assert system is not None
        second = project.start("up", "--json")
        assert second.stdout is not None
        said = json.loads(second.stdout.readline())
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=60)
        survivor = project.system()
        second.send_signal(signal.SIGINT)
        second.communicate(timeout=60)

    assert (said["joined"], said["pid"]) == (True, system.pid)
    assert survivor == system
    assert (first.returncode, second.returncode) == (0, 0)
    assert project.processes() == []


def test_ctrl_c_leaves_nothing(project: Project) -> None:
    """When `up` returns after Ctrl-C, every process that it started is gone."""
    with up(project) as process:
        before = len(project.processes())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        after = project.processes()

    assert before >= 7  # the command, the supervisor, the broker, and four services
    assert (process.returncode, after) == (0, [])


def test_killed_command_leaves_nothing(project: Project) -> None:
    """When the only command is killed, the system notices and stops."""
    with up(project) as process:
        process.kill()
        process.communicate()
        eventually(lambda: project.processes() == [], what="all processes to end")

    assert project.system() is None


def test_killed_supervisor_leaves_nothing(project: Project) -> None:
    """When the supervisor is killed, its children end by themselves, and `up` says so with 3."""
    with up(project) as process:
        system = project.system()
        assert system is not None
        os.kill(system.pid, signal.SIGKILL)
        _, err = process.communicate(timeout=60)
        eventually(lambda: project.processes() == [], what="all processes to end")

    assert process.returncode == 3
    assert "the system has ended" in err


def test_killed_supervisor_ends_running_checks(tmp_path: Path) -> None:
    """A check's own processes do not outlive the system, and its command exits with 3."""
    project = Project(tmp_path, state=tmp_path / "state")
    process = project.start("check", "SLEEP", "--backend", "process")
    assert process.stdout is not None
    first = process.stdout.readline()
    system = project.system()
    assert system is not None
    before = project.processes()
    os.kill(system.pid, signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    eventually(lambda: project.processes() == [], what="all processes to end")

    assert (first, process.returncode) == ("sleeping\n", 3), err
    assert any("ackrep_harness" in command for command in before), before
    assert "the system has ended" in err


def test_killed_service_is_started_again(project: Project) -> None:
    """A service that dies is started again at the same address, and checks go on."""
    with up(project):
        system = project.system()
        assert system is not None
        catalog = re.compile(rb"services\.catalog")
        victim = next(
            int(folder.name)
            for folder in Path("/proc").glob("[0-9]*")
            if _parent(folder) == system.pid and catalog.search((folder / "cmdline").read_bytes())
        )
        os.kill(victim, signal.SIGKILL)
        done = project.run("check", "NOMIN")

        assert done.returncode == 0, done.stdout + done.stderr
        assert project.system() == system


def _parent(folder: Path) -> int:
    try:
        return int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def test_up_says_what_changed(project: Project) -> None:
    """A file that is saved while the system is up is indexed by itself, and told in one line."""
    with up(project) as process:
        assert process.stdout is not None
        entity = project.root / "problem_solutions/nomin"
        (entity / "more.txt").write_text("1")
        first = json.loads(process.stdout.readline())["revision"]
        (entity / "metadata.yml").write_text("key: [")
        second = json.loads(process.stdout.readline())["revision"]

    assert first["name"] != second["name"]
    assert second["errorCount"] > first.get("errorCount", 0)
    assert second["entityCount"] < first["entityCount"]
