"""A Docker engine of the story's own, which can be killed and stopped like any other process."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from services.runner.environments import Environments
from tests.backends import containers, quiet
from tests.chaos.entities import ENVIRONMENT
from tests.engine import write_bare_environment
from tests.requirements import need

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0


class VictimEngine:
    """An engine over one folder. Its socket and its images survive `kill` and `start`."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        """For DOCKER_HOST."""
        return f"unix://{self._state / 'd.sock'}"

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The running `dockerd`."""
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Starts it, and returns when it answers; containers of an engine that was killed end."""
        log = self._state / "dockerd.log"
        self._remove_remains()
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    "dockerd", "--host", self.host, "--bridge=none",
                    "--iptables=false", "--ip6tables=false",
                    "--data-root", str(self._state / "data"),
                    "--exec-root", str(self._state / "exec"),
                    "--pidfile", str(self._state / "docker.pid"),
                ],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env=_without_docker(), start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
                self.docker("version", seconds=5)
                return
            time.sleep(0.1)
        raise AssertionError(f"the engine does not start:\n{log.read_text()[-3000:]}")

    def _remove_remains(self) -> None:
        """What a killed engine left behind would stop the new one from starting.

        Its containerd dies with it, but may stay as a process that nobody waited for, which has an
        empty command line.
        """
        for name in ("docker.pid", "d.sock"):
            (self._state / name).unlink(missing_ok=True)
        folder = self._state / "exec" / "containerd"
        deadline = time.monotonic() + _STOP_SECONDS
        while _containerd_lives(folder) and time.monotonic() < deadline:
            time.sleep(0.02)
        for stale in (*folder.glob("*.pid"), *folder.glob("*.sock*")):
            stale.unlink()

    def kill(self) -> None:
        """Ends `dockerd` without warning; its containers run on until it is started again."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def docker(self, *arguments: str, stdin: int | None = None, seconds: float = 60.0) -> str:
        """What the Docker command line says with this engine. AssertionError if it fails."""
        done = subprocess.run(
            ["docker", "--host", self.host, *arguments],
            stdin=stdin, capture_output=True, text=True, timeout=seconds,
            env=_without_docker(), check=False,
        )  # fmt: skip
        assert 0 == done.returncode, done.stderr
        return done.stdout

    def copy(self, image: str) -> None:
        """Copies an image here from the engine of the tests."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving:
            assert saving.stdout is not None
            self.docker("load", stdin=saving.stdout.fileno(), seconds=180)
        assert 0 == saving.returncode, f"the engine of the tests has no {image}"

    def stop(self) -> None:
        """Removes its containers and ends it."""
        if self._process is None:
            return
        if self._process.poll() is not None:
            self.start()  # the shims of a killed engine would outlive it
        self.process.send_signal(signal.SIGCONT)
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
            if left := self.docker("ps", "--all", "--quiet").split():
                self.docker("rm", "--force", *left)
        self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()


@contextlib.contextmanager
def victim_engine() -> Iterator[VictimEngine]:
    """Runs an engine while the block runs, and removes all that it made."""
    for program in ("dockerd", "docker"):
        need(shutil.which(program), what=program)
    need(os.geteuid() == 0, what="right to start an engine (root)")
    # Short: the paths of its sockets may have about 100 characters.
    state = Path(tempfile.mkdtemp(prefix="ackrep-c-", dir="/var/tmp"))
    engine = VictimEngine(state)
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()
        # Each start binds the folder to itself, which one that is killed does not undo.
        while (
            subprocess.run(["umount", state / "data"], capture_output=True, check=False).returncode
            == 0
        ):
            pass
        shutil.rmtree(state, ignore_errors=True)


async def furnish(engine: VictimEngine, folder: Path) -> None:
    """Gives the engine the image that the entities run in, built where it is not there yet."""
    definitions = folder / "image"
    write_bare_environment(definitions, ENVIRONMENT)
    definition = Environments([definitions]).get(ENVIRONMENT)
    near = containers()
    try:
        await near.prepare(definition, quiet)
    finally:
        await near.close()
    await asyncio.to_thread(engine.copy, definition.image)


def _containerd_lives(folder: Path) -> bool:
    try:
        process = (folder / "containerd.pid").read_text().strip()
        return b"containerd" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def _without_docker() -> dict[str, str]:
    """This process's environment, without what says where an engine is."""
    return {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
