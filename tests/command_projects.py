"""Small data repositories for tests of the `ackrep` command, and the command run on them."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cli import source
from cli.state import StateDirectory, System

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
            cwd=Path(__file__).parents[1],
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


@contextlib.contextmanager
def up(project: Project, *, backend: str = "process") -> Iterator[subprocess.Popen[str]]:
    """A running `ackrep up`; stopped with Ctrl-C at the end if it still runs."""
    process = project.start("up", "--backend", backend, "--json")
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
