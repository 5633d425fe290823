"""A Docker engine that shares no folder with the tests: as if it were on another host."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.requirements import need

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_HIDE_AND_START = """
set -e
for folder in $HIDDEN; do mount -t tmpfs none "$folder"; done
cd /
exec "$@"
"""


@dataclass(frozen=True)
class RemoteEngine:
    """An engine that listens on loopback."""

    host: str
    """For DOCKER_HOST."""
    pid: int

    def docker(self, *arguments: str, stdin: int | None = None, seconds: float = 60.0) -> str:
        """What the Docker command line says with this engine. AssertionError if it fails."""
        done = subprocess.run(
            ["docker", "--host", self.host, *arguments],
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            env=_without_docker(),
            check=False,
        )
        assert 0 == done.returncode, done.stderr
        return done.stdout

    def load(self, image: str) -> None:
        """Copies an image here from the engine of the tests."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving:
            assert saving.stdout is not None
            self.docker("load", stdin=saving.stdout.fileno(), seconds=180)
        assert 0 == saving.returncode

    def entries(self, folder: Path) -> list[str]:
        """What the engine sees in a folder of the host."""
        seen = subprocess.run(
            ["nsenter", "--target", str(self.pid), "--mount", "ls", "-A", str(folder)],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
        return seen.stdout.split()


@contextlib.contextmanager
def remote_engine(*, hidden: Sequence[Path]) -> Iterator[RemoteEngine]:
    """Runs an engine in a mount namespace of its own, where the hidden folders are empty.

    Its port has no TLS and is on loopback. Everything it made is removed in the end.
    """
    for program in ("dockerd", "docker", "unshare", "nsenter"):
        need(shutil.which(program), what=program)
    need(os.geteuid() == 0, what="right to start an engine (root)")
    # Short: the paths of its sockets may have about 100 characters.
    state = Path(tempfile.mkdtemp(prefix="ackrep-r-", dir="/var/tmp"))
    host = f"tcp://127.0.0.1:{_free_port()}"
    command = [
        "unshare", "--mount", "--propagation", "private", "sh", "-c", _HIDE_AND_START, "sh",
        "dockerd", "--host", host, "--tls=false", "--bridge=none",
        "--iptables=false", "--ip6tables=false",
        "--data-root", str(state / "data"), "--exec-root", str(state / "exec"),
        "--pidfile", str(state / "docker.pid"),
    ]  # fmt: skip
    log = state / "dockerd.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**_without_docker(), "HIDDEN": " ".join(map(str, hidden))},
            start_new_session=True,
        )
    engine = RemoteEngine(host=host, pid=process.pid)  # each step replaces the one before it
    try:
        _wait(engine, process, log)
        yield engine
    finally:
        _stop(engine, process)
        shutil.rmtree(state, ignore_errors=True)


def _wait(engine: RemoteEngine, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
            engine.docker("version", seconds=5)
            return
        time.sleep(0.1)
    raise AssertionError(f"the engine does not start:\n{log.read_text()[-3000:]}")


def _stop(engine: RemoteEngine, process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
        # Their shims would outlive an engine that has to be killed.
        if left := engine.docker("ps", "--all", "--quiet").split():
            engine.docker("rm", "--force", *left)
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _without_docker() -> dict[str, str]:
    """This process's environment, without what says where an engine is."""
    return {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
