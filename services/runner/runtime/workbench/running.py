"""The program of a session: started confined, with a terminal or with pipes."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import struct
import termios
from typing import Any, Dict, List, Optional

from ..harness import confinement

FILE_BYTES = 1 << 30
"""Largest single file."""
NOT_FOUND, NOT_RUN = 127, 126
READ = 65536


class Program:
    """A running program.

    Attributes:
        pid: of its process, which leads a session of its own.
        terminal: our end of its terminal, or None.
        outputs: handle to the type of frame that it fills.
        stdin: where its input goes; None once that has ended.
    """

    def __init__(
        self,
        command: List[str],
        variables: Dict[str, str],
        folder: str,
        confined: confinement.Confinement,
        uid: Optional[int],
        size: Optional[Dict[str, int]],
        listens: bool,
    ) -> None:
        self.terminal: Optional[int] = None
        self.outputs: Dict[int, str] = {}
        self.stdin: Optional[int] = None
        if size is not None:
            self.terminal, theirs = os.openpty()
            os.fchmod(theirs, 0o620)
            if uid is not None:
                os.fchown(theirs, uid, uid)
            self.outputs[self.terminal] = "output"
            self.stdin = self.terminal
            self.resize(size["rows"], size["columns"])
            ends = [theirs, theirs, theirs]
        else:
            out, their_out = os.pipe()
            err, their_err = os.pipe()
            if listens:
                their_in, self.stdin = os.pipe()
            else:
                their_in = os.open(os.devnull, os.O_RDONLY)
            self.outputs = {out: "output", err: "error_output"}
            ends = [their_in, their_out, their_err]
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _become(command, variables, folder, confined, uid, ends, size is not None)
            finally:
                os._exit(NOT_RUN)
        confined.close()
        for end in set(ends):
            os.close(end)
        for handle in {*self.outputs, self.stdin} - {None}:
            os.set_blocking(handle, False)

    def resize(self, rows: int, columns: int) -> None:
        """Tell the terminal its size; the program hears of it by a signal."""
        if self.terminal is not None:
            size = struct.pack("HHHH", rows & 0xFFFF, columns & 0xFFFF, 0, 0)
            fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, size)

    def signal(self, number: int) -> None:
        """Send a signal to the program and what it started without leaving its group."""
        if number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            try:
                os.killpg(self.pid, number)
            except OSError:
                pass

    def read(self, handle: int) -> Optional[bytes]:
        """What it wrote; None at the end, and empty when there is nothing yet."""
        try:
            return os.read(handle, READ) or None
        except BlockingIOError:
            return b""
        except OSError as error:
            # A terminal that nobody has open any more.
            if error.errno == errno.EIO:
                return None
            raise


def status_of(waited: int) -> int:
    """The exit status as shells tell it, from what `waitpid` says."""
    if os.WIFSIGNALED(waited):
        return 128 + os.WTERMSIG(waited)
    return os.WEXITSTATUS(waited)


def _become(
    command: List[str],
    variables: Dict[str, str],
    folder: str,
    confined: confinement.Confinement,
    uid: Optional[int],
    ends: List[Any],
    terminal: bool,
) -> None:
    """In the new process: turn into the program; returns never."""
    os.setsid()
    if terminal:
        fcntl.ioctl(ends[0], termios.TIOCSCTTY, 0)
    for number, end in enumerate(ends):
        os.dup2(end, number)
    status = NOT_RUN
    try:
        for number in (signal.SIGPIPE, signal.SIGCHLD, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)  # Python ignores the first and the last
        signal.set_wakeup_fd(-1)
        os.umask(0o022)
        confinement.limit({"file_bytes": FILE_BYTES}, uid is not None)
        confined.enter(uid)
        os.chdir(folder)
        status = NOT_FOUND
        os.execvpe(command[0], command, variables)
    except Exception as error:
        os.write(2, ("ackrep: %s: %s\n" % (command[0], error)).encode("utf-8", "replace"))
    finally:
        os._exit(status)
