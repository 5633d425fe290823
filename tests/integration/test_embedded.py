"""The `ackrep` command on a folder, with the real system that it starts and stops."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli import embedded, source
from cli.state import StateDirectory, System

pytestmark = pytest.mark.timeout(240)

ENVIRONMENT = """\
name = "tiny_environment"
aliases = []
python = ">=3.11"
requirements = "requirements_tiny_environment.txt"
dockerfile = "Dockerfile_tiny_environment"
preload = []
shims = []
[unavailable]
"""

PROBLEM = """\
from ackrep_core import ResultContainer


class ProblemSpecification:
    expected = 42.0


def evaluate_solution(solution_data):
    error = solution_data - ProblemSpecification.expected
    print(f"evaluated: error {error}")
    return ResultContainer(success=abs(error) < 1e-6, score=1.0, final_state_errors=[error])
"""

SOLUTIONS = {
    "NOMIN": "print('computing 42')\n    return 42.0",
    "WRONG": "print('computing 41')\n    return 41.0",
    "RAISE": "print('computing nothing')\n    return undefined_name",
    "WRITE": "import os\n    os.makedirs(os.path.join(os.path.dirname(__file__), '_data'))\n"
    "    path = os.path.join(os.path.dirname(__file__), '_data', 'table.csv')\n"
    "    with open(path, 'w') as file:\n        file.write('1,2\\n')\n    return 42.0",
    "SLEEP": "print('sleeping', flush=True)\n    import time\n    time.sleep(120)\n    return 42.0",
}


class Project:
    """A data repository without numerics, an environment without packages, and a state folder."""

    def __init__(self, folder: Path, *, state: Path) -> None:
        self.root = folder / "tiny_data"
        # Processes of checks get a clean environment, but run a Python below the state folder.
        self.own_state = state if state.is_relative_to(folder) else "no state of its own"
        self.environments = folder / "environments"
        self.environments.mkdir(parents=True)
        (self.environments / "tiny_environment.toml").write_text(ENVIRONMENT)
        (self.environments / "requirements_tiny_environment.txt").write_text("")
        (self.environments / "Dockerfile_tiny_environment").write_text(
            "FROM debian:bookworm-slim\n"
        )
        self.variables = {
            **{name: value for name, value in os.environ.items() if name[:7] != "ACKREP_"},
            "ACKREP_STATE": str(state),
            "TEST_PROJECT": str(self.root),  # marks every process that is started for it
            "ACKREP_RUNNER_ENVIRONMENTS": str(self.environments),
            "COLUMNS": "100",
            "NO_COLOR": "1",
        }
        self.entity("environment_specifications/tiny", "TINYE", "environment_specification")
        self.entity("problem_specifications/number", "PROBL", "problem_specification")
        (self.root / "problem_specifications/number/problem.py").write_text(PROBLEM)
        for key, code in SOLUTIONS.items():
            more = "solved_problem_list: [PROBL]\ncompatible_environment: TINYE\n"
            folder = self.entity(f"problem_solutions/{key.lower()}", key, "problem_solution", more)
            (folder / "solution.py").write_text(f"def solve(specification):\n    {code}\n")

    def entity(self, path: str, key: str, kind: str, more: str = "") -> Path:
        """Adds an entity; returns its folder."""
        folder = self.root / path
        folder.mkdir(parents=True)
        title = "tiny_environment" if kind == "environment_specification" else f"entity {key}"
        (folder / "metadata.yml").write_text(
            f"key: {key}\ntype: {kind}\nname: {title}\nshort_description: for tests\n"
            "version: 0.1.0\ncreation_date: '2026-01-01'\ntag_list: [test]\ncreator: a test\n"
            f"{more}"
        )
        return folder

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts `ackrep` on the data repository."""
        return subprocess.Popen(
            [sys.executable, "-m", "cli", "--repository", str(self.root), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.variables,
            cwd=Path(__file__).parents[2],
            start_new_session=True,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs `ackrep` on the data repository to its end."""
        process = self.start(*arguments)
        try:
            out, err = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"ackrep {arguments} does not end:\n{out}\n{err}") from None
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    @property
    def state(self) -> StateDirectory:
        """The state directory of the data repository."""
        return StateDirectory.of(source.parse(str(self.root)), environ=self.variables)

    def system(self) -> System | None:
        """The running system."""
        return self.state.running() if self.state.path.is_dir() else None

    def processes(self) -> list[str]:
        """Command lines of all processes that were started for this data repository."""
        found = []
        needle = f"TEST_PROJECT={self.variables['TEST_PROJECT']}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                marked = needle in (folder / "environ").read_bytes().split(b"\0")
                if marked or f"{self.own_state}/" in command:
                    found.append(command)
        return found


def eventually(condition: Callable[[], object], *, seconds: float = 60.0, what: str = "") -> None:
    """Waits until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One state folder for the module, so that the virtual environment is made once."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture
def project(tmp_path: Path, state: Path) -> Project:
    """A data repository of its own for each test."""
    return Project(tmp_path, state=state)


@contextlib.contextmanager
def up(project: Project) -> Iterator[subprocess.Popen[str]]:
    """A running `ackrep up`; stopped with Ctrl-C at the end if it still runs."""
    process = project.start("up", "--backend", "process", "--json")
    assert process.stdout is not None
    try:
        assert process.stdout.readline(), process.communicate()  # said once it is up
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, state: Path) -> Iterator[Project]:
    """A data repository whose system stays up for several tests."""
    project = Project(tmp_path_factory.mktemp("shared"), state=state)
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


# Life of the system -------------------------------------------------------------------------------


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


# Reading without a system -------------------------------------------------------------------------


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
