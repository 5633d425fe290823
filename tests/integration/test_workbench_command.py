"""`ackrep env shell` as a person runs it: in a terminal and without one, through a whole system."""

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.runner.engine.containers import Engine
from tests.command_projects import Project
from tests.git_repositories import user_git, write

pytestmark = pytest.mark.engine
ROOT = Path(__file__).parents[2]
NAME = "demo_environment"
FILES = 150
"""More than are sent at once."""


@pytest.fixture
def project(docker_engine: Engine, tmp_path: Path) -> Project:
    """A working copy with many files."""
    found = Project(tmp_path, state=tmp_path / "state")
    found.variables.pop("ACKREP_RUNNER_ENVIRONMENTS")
    found.variables["TERM"] = "xterm"
    user_git(found.root, "init", "--quiet")
    write(found.root, {f"many/{number}": f"{number}\n".encode() for number in range(FILES)})
    return found


class Terminal:
    """The command in a terminal of its own."""

    def __init__(self, project: Project, *arguments: str) -> None:
        self.ours, theirs = pty.openpty()
        self.before = termios.tcgetattr(theirs)
        self._theirs = theirs
        self.shown = b""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cli", "--repository", str(project.root), *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=project.variables,
            cwd=ROOT,
            start_new_session=True,
        )

    def until(self, text: str, *, seconds: float = 60.0) -> None:
        """Reads until something is shown."""
        deadline = time.monotonic() + seconds
        while text.encode() not in self.shown:
            assert time.monotonic() < deadline, (text, self.shown)
            if select.select([self.ours], [], [], 0.2)[0]:
                self.shown += os.read(self.ours, 65536)

    def type(self, text: str) -> None:
        """Types."""
        os.write(self.ours, text.encode())

    def ended(self) -> int:
        """Its exit status; its terminal is as it was before."""
        deadline = time.monotonic() + 60
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.shown
            if select.select([self.ours], [], [], 0.2)[0]:
                self.shown += os.read(self.ours, 65536)
        assert self.before == termios.tcgetattr(self._theirs)
        return self.process.returncode

    def close(self) -> None:
        """Ends it."""
        self.process.kill()
        self.process.wait()
        os.close(self.ours)
        os.close(self._theirs)


@pytest.fixture
def shell(project: Project) -> Iterator[Terminal]:
    """A shell in a terminal, with its prompt."""
    terminal = Terminal(project, "env", "shell", NAME)
    try:
        terminal.until("/check/data$ ")
        yield terminal
    finally:
        terminal.close()


def test_a_session_at_a_terminal(project: Project, shell: Terminal) -> None:
    """All files are there; changes are shown, and written only after a yes."""
    shell.type("echo files=$(ls many | wc -l); echo 1 > new.txt; rm many/7; exit 3\n")
    shell.until(f"files={FILES}")
    shell.until("[y/N]")
    assert b"removed" in shell.shown
    assert not (project.root / "new.txt").exists()
    shell.type("y\n")
    assert 3 == shell.ended()
    assert "1\n" == (project.root / "new.txt").read_text()
    assert not (project.root / "many/7").exists()


def test_a_terminal_is_given_back_after_a_signal(project: Project, shell: Terminal) -> None:
    """SIGTERM ends the session; the terminal is as it was, and nothing was written."""
    shell.type("echo 1 > new.txt; echo don$((1))e\n")
    shell.until("don1e")
    shell.process.send_signal(signal.SIGTERM)
    assert 128 + signal.SIGTERM == shell.ended()
    assert not (project.root / "new.txt").exists()


def test_a_command(project: Project) -> None:
    """Its output and its status are ours; changes come back with `--keep`, and nobody is asked."""
    left = project.run("env", "shell", NAME, "--", "sh", "-c", "cat > in; cat many/149; exit 5")
    assert (5, "149\n") == (left.returncode, left.stdout), left.stderr
    assert "nothing was brought back" in left.stderr
    kept = project.run("env", "shell", NAME, "--keep", "--", "sh", "-c", "echo x > made; exit 0")
    assert 0 == kept.returncode, kept.stderr
    assert "x\n" == (project.root / "made").read_text()
    assert not (project.root / "in").exists()
    unknown = project.run("env", "shell", "wrong_environment", "--", "true")
    assert 64 == unknown.returncode
    assert "demo_environment" in unknown.stderr
    no_engine = project.run("env", "shell", "--backend", "process", NAME, "--", "true")
    assert 3 == no_engine.returncode
    assert "--backend docker" in no_engine.stderr
