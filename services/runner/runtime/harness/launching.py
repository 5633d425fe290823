"""Two ways to get a check's process: from a zygote, or as a fresh interpreter."""

from __future__ import annotations

import array
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from .zygote import NOBODY, USER

PROGRAM = (
    "import sys; sys.path[:1] = sys.argv[1:3]; from ackrep_harness import zygote; "
    "zygote.%s(*map(int, sys.argv[3:]))"
)
"""What a Python that the supervisor starts runs."""


class LaunchError(Exception):
    """There is no process, or it can no longer be followed."""


class Ending(NamedTuple):
    """How a check's process ended, and what it used."""

    status: int
    user_seconds: float
    system_seconds: float
    max_rss_bytes: int


def rss_bytes(value: int) -> int:
    """`ru_maxrss` in bytes: the kernels differ in the unit."""
    return value if sys.platform == "darwin" else value * 1024


class Zygote:
    """Forks from a warm process."""

    def __init__(self, folders: Sequence[str], environment: Dict[str, str], log: str) -> None:
        self._control, theirs = socket.socketpair()
        theirs.set_inheritable(True)
        with open(log, "wb") as output:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-s",
                    "-B",
                    "-c",
                    PROGRAM % "main",
                    *folders,
                    str(theirs.fileno()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        theirs.close()
        self._log = log
        self._buffer = b""
        self.alive = True

    @property
    def handle(self) -> int:
        """Readable when there may be news."""
        return self._control.fileno()

    @property
    def known(self) -> "set[int]":
        """Processes that are no strays."""
        return {self._process.pid}

    @property
    def nursery(self) -> Optional[int]:
        """The process whose children are ours."""
        return self._process.pid

    def configure(self, configuration: Dict[str, Any]) -> None:
        """Let it begin to import; `prepared` waits for it."""
        self._control.sendall(json.dumps(configuration).encode())

    def prepared(self) -> Dict[str, Any]:
        """What came of importing and warming up. Raises LaunchError."""
        return self._message(3600)

    def start(self, handles: List[int], environment: Dict[str, str]) -> int:
        """Fork a child with request, stdout, stderr and result; its id. Raises LaunchError."""
        rights = array.array("i", handles)
        try:
            self._control.sendmsg([b"F"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        except OSError as error:
            self.alive = False
            raise LaunchError("the zygote is gone: %s" % error) from error
        return int(self._message(30)["pid"])

    def ended(self) -> bool:
        """Whether the child has ended; asked when `handle` is readable. Raises LaunchError."""
        return bool(self._message(5).get("ended"))

    def wait(self, seconds: float) -> None:
        """Wait for the end of the child. Raises LaunchError."""
        self._message(seconds)

    def reap(self, uid: Optional[int], last: bool = False) -> Ending:
        """Take note of the child's end; the next one gets this user. Raises LaunchError.

        After the last one the zygote ends, and gives its memory back.
        """
        try:
            self._control.sendall(b"R" + USER.pack(NOBODY if last else uid or 0))
        except OSError as error:
            self.alive = False
            raise LaunchError("the zygote is gone: %s" % error) from error
        message = self._message(5)
        if last:
            self.alive = False
            self._process.wait()
        user, system, rss = message["usage"]
        return Ending(message["status"], user, system, rss_bytes(int(rss)))

    def close(self) -> None:
        """End it."""
        self._control.close()
        self._process.kill()
        self._process.wait()

    def _message(self, seconds: float) -> Dict[str, Any]:
        deadline = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._control], [], [], left)[0]:
                self.alive = False
                raise LaunchError("the zygote does not answer")
            data = self._control.recv(65536)
            if not data:
                self.alive = False
                raise LaunchError("the zygote ended; it said: %s" % self._said())
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        return json.loads(line)

    def _said(self) -> str:
        try:
            with open(self._log, "rb") as file:
                return file.read()[-2000:].decode("utf-8", "replace")
        except OSError:
            return ""


class Fresh:
    """Starts an interpreter per check: where forking a warm one is not possible."""

    def __init__(self, folders: Sequence[str], environment: Dict[str, str], log: str) -> None:
        self._folders = list(folders)
        self._process: Optional[subprocess.Popen] = None
        self.alive = True
        self.handle, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self.handle, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)

    @property
    def known(self) -> "set[int]":
        """Processes that are no strays: none, once the check's own has ended."""
        return set() if self._process is None else {self._process.pid}

    nursery: Optional[int] = None
    """No process has children of ours."""

    def configure(self, configuration: Dict[str, Any]) -> None:
        """Nothing to prepare."""
        self._shims = configuration["shims"]

    def prepared(self) -> Dict[str, Any]:
        """Nothing was preloaded."""
        return {"shims": self._shims, "preload_failures": {}, "preload_seconds": 0.0}

    def start(self, handles: List[int], environment: Dict[str, str]) -> int:
        """Start an interpreter."""
        request, out, err, result = handles
        arguments = [*self._folders, str(request), str(result)]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-s", "-B", "-c", PROGRAM % "fresh", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment,
                pass_fds=[request, result],
                start_new_session=True,
            )
        except OSError as error:
            raise LaunchError("no new interpreter: %s" % error) from error
        return self._process.pid

    def ended(self) -> bool:
        """Whether it has ended."""
        try:
            os.read(self.handle, 4096)
        except BlockingIOError:
            pass
        if self._process is None:
            # Something that a check had left has ended.
            return False
        if not hasattr(os, "waitid"):
            return self._process.poll() is not None
        flags = os.WEXITED | os.WNOWAIT | os.WNOHANG
        return os.waitid(os.P_PID, self._process.pid, flags) is not None

    def wait(self, seconds: float) -> None:
        """Wait for its end."""
        deadline = time.monotonic() + seconds
        while not self.ended():
            if time.monotonic() > deadline:
                raise LaunchError("the process cannot be ended")
            time.sleep(0.002)

    def reap(self, uid: Optional[int], last: bool = False) -> Ending:
        """Take note of its end."""
        assert self._process is not None
        if self._process.returncode is None:
            _, status, usage = os.wait4(self._process.pid, 0)
            self._process.returncode = status
            found = (usage.ru_utime, usage.ru_stime, rss_bytes(usage.ru_maxrss))
        else:
            code = self._process.returncode
            status = -code if code < 0 else code << 8
            found = (0.0, 0.0, 0)
        self._process = None
        return Ending(status, *found)

    def close(self) -> None:
        """Nothing to end."""
