"""Child processes of the supervisor: started, watched, restarted a few times, and stopped."""

import asyncio
import collections
import contextlib
import dataclasses
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.errors import UnavailableError
from services.lifetime import PARENT_PIPE

log = logging.getLogger(__name__)

MAX_CRASHES = 5
CRASH_WINDOW_SECONDS = 60.0
MAX_LOG_BYTES = 10 * 1024 * 1024
REFUSED = 3
"""Exit code of a service that cannot work as it is set up; see `services.lifetime.run`."""

LEASH = Path(__file__).with_name("leash.py")


def reserve_port(host: str = "127.0.0.1") -> socket.socket:
    """Takes a free port for a gRPC server, which binds it as well (`SO_REUSEPORT`).

    Nobody else gets the port while the returned socket is open.
    """
    reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reserved.bind((host, 0))
    return reserved


def address_of(reserved: socket.socket) -> str:
    """`host:port` of a reserved port."""
    host, port = reserved.getsockname()
    return f"{host}:{port}"


def listen(preferred: int, *, host: str = "127.0.0.1") -> socket.socket:
    """Listens on the preferred port, or on a free one if somebody has it.

    For a server that inherits the socket: the port is its own from the first moment, and stays
    the same, with callers waiting, while the server is started again.

    Raises:
        UnavailableError: There is no free port.
    """
    for port in (preferred, 0):
        with contextlib.suppress(OSError):
            return socket.create_server((host, port), backlog=1024)
    raise UnavailableError(f"no free port on {host}")


def module_command(module: str) -> list[str]:
    """Runs a module with this Python; `-P` so that no folder of a data repository is imported."""
    return [sys.executable, "-P", "-m", module]


def leashed_command(program: str, *arguments: str) -> list[str]:
    """Runs a program that knows nothing of parent pipes so that it ends with its parent."""
    return [sys.executable, "-I", "-S", str(LEASH), program, *arguments]


@dataclasses.dataclass(frozen=True)
class Spec:
    """How to start one child."""

    name: str
    """Shown to people; names the log file."""
    command: Sequence[str]
    """Program and arguments."""
    settings: Mapping[str, str]
    """Added to the environment."""
    folder: Path
    """Working directory."""
    log: Path
    """Where its output goes."""
    inherit: tuple[int, ...] = ()
    """File descriptors that it keeps open, e.g. a lock."""


class Child:
    """One child process, over all its restarts."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.ready = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        rotate(spec.log)

    @property
    def name(self) -> str:
        """Name of the service."""
        return self.spec.name

    async def keep(self) -> None:
        """Runs it until `stop`, again after a crash.

        Raises:
            UnavailableError: It refuses to start, or crashes too often.
        """
        crashes: collections.deque[float] = collections.deque(maxlen=MAX_CRASHES)
        while not self._stopping:
            code = await self._run_once()
            if self._stopping:
                return
            if code == REFUSED and not self.ready.is_set():
                raise UnavailableError(self._refusal())
            log.warning(f"the {self.name} ended with {_how(code)}")
            crashes.append(time.monotonic())
            if len(crashes) == MAX_CRASHES and crashes[-1] - crashes[0] < CRASH_WINDOW_SECONDS:
                raise UnavailableError(
                    f"the {self.name} ended {MAX_CRASHES} times within "
                    f"{crashes[-1] - crashes[0]:.0f} s, last with {_how(code)}; "
                    f"the end of {self.spec.log}:\n{tail(self.spec.log)}"
                )
            await asyncio.sleep(min(0.2 * 2 ** (len(crashes) - 1), 3.0))

    async def _run_once(self) -> int:
        environment = {
            **os.environ,
            **self.spec.settings,
            PARENT_PIPE: "1",
            "ACKREP_PARENT": str(os.getpid()),
            "PYTHONUNBUFFERED": "1",
            "PYTHONSAFEPATH": "1",
            # Services start git and pip; gRPC would report each fork.
            "GRPC_ENABLE_FORK_SUPPORT": "0",
        }
        with open(self.spec.log, "ab") as output:  # noqa: ASYNC230  # a local file, opened once
            self._process = await asyncio.create_subprocess_exec(
                *self.spec.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=self.spec.folder,
                env=environment,
                pass_fds=self.spec.inherit,
            )
        return await self._process.wait()

    async def stop(self, *, grace: float) -> None:
        """Asks it to end, and kills it after `grace` seconds."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        begin = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), grace)
            log.info(f"{self.name} stopped after {time.monotonic() - begin:.2f} s")
        except TimeoutError:
            log.warning(f"{self.name} does not stop within {grace:.0f} s; killing it")
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _refusal(self) -> str:
        lines = [line for line in tail(self.spec.log).splitlines() if line.startswith("error: ")]
        if lines:
            return lines[-1].removeprefix("error: ")
        return f"the {self.name} does not start; the end of its log:\n{tail(self.spec.log)}"


def rotate(log: Path) -> None:
    """Keeps the log of the run before as `NAME.log.1`."""
    with contextlib.suppress(FileNotFoundError):
        log.replace(log.with_name(log.name + ".1"))


def bound(log: Path, *, limit: int = MAX_LOG_BYTES) -> None:
    """Moves what a running child wrote to `NAME.log.1` when it got too long."""
    try:
        if log.stat().st_size <= limit:
            return
        log.with_name(log.name + ".1").write_bytes(log.read_bytes()[-limit:])
        os.truncate(log, 0)  # the child appends, so it goes on at the new end
    except FileNotFoundError:
        return


def tail(log: Path, *, lines: int = 15) -> str:
    """The last lines of a log."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
