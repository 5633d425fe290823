"""Confinement by trial: a process that enters a rung as a check would, and then tries to get out."""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import resource
import select
import signal
import socket
import tempfile
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from . import confinement, processes

SECONDS = 10.0
NEW_USER_NAMESPACE = 0x10000000


class Trial:
    """What came of the rungs that were tried.

    Attributes:
        rung: the best one that held.
        refused: rung to the reason why it was not taken, of all that seemed possible before it.
        limits: limit to whether it bit.
    """

    def __init__(self, rung: str, refused: Dict[str, str], limits: Dict[str, bool]) -> None:
        self.rung = rung
        self.refused = refused
        self.limits = limits


def best(
    rungs: List[str], reach: Dict[str, List[str]], isolated: bool, uid: int, hidden: str
) -> Trial:
    """Try rungs, best first, until one holds.

    Args:
        rungs: what seems possible; `none` is taken without being asked much.
        reach: what a check may reach.
        isolated: whether this container is the environment's own.
        uid: of the first check.
        hidden: a folder that is out of a check's reach.
    """
    refused: Dict[str, str] = {}
    for rung in rungs:
        try:
            found = _in_a_child(
                lambda rung=rung: _attempt(rung, reach, isolated, uid, hidden)  # type: ignore
            )
        except OSError as error:
            refused[rung] = str(error)
            continue
        if found.get("escapes"):
            refused[rung] = ", ".join(found["escapes"]) + " would still be possible"
            continue
        if "error" in found:
            refused[rung] = found["error"]
            continue
        return Trial(rung, refused, found["limits"])
    return Trial("none", refused, {})


def _attempt(
    rung: str, reach: Dict[str, List[str]], isolated: bool, uid: int, hidden: str
) -> Dict[str, Any]:
    """In a child: enter the rung, try to escape, run into limits."""
    parent = os.getppid()
    own_user = confinement.has_own_user(rung)
    work = tempfile.mkdtemp(dir=reach["writable"][1])
    if own_user:
        os.chown(work, uid, uid)
    confinement.Confinement(rung, reach, isolated).enter(uid if own_user else None)
    escapes = [name for name, attempt in _escapes(rung, hidden, parent) if attempt()]
    return {"escapes": escapes, "limits": _limits(work, own_user)}


def _escapes(rung: str, hidden: str, parent: int) -> List[Tuple[str, Callable[[], bool]]]:
    """What the rung must refuse, by its name; each says whether it was possible."""
    library = ctypes.CDLL(None, use_errno=True)
    found: List[Tuple[str, Callable[[], bool]]] = []
    if confinement.has_own_user(rung):
        found.append(("becoming root", lambda: _works(lambda: os.setuid(0))))
        found.append(("signals to the harness", lambda: _works(lambda: os.kill(parent, 0))))
        found.append(("writing to the runtime", lambda: _works(lambda: _create(hidden))))
    if "landlock" in rung:
        found.append(("reading foreign folders", lambda: _works(lambda: os.listdir(hidden))))
        found.append(("writing foreign folders", lambda: _works(lambda: _create(hidden))))
        found.append(("reading the root folder", lambda: _works(lambda: os.listdir("/"))))
    if "seccomp" in rung:
        found.append(("network sockets", lambda: _works(_network_socket)))
        found.append(("ptrace", lambda: _may_trace(library)))
        found.append(("namespaces", lambda: library.unshare(NEW_USER_NAMESPACE) == 0))
    return found


def _limits(work: str, own_user: bool) -> Dict[str, bool]:
    """Limit to whether it bites."""
    found = {"file": False, "open_files": False}
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    confinement.limit({"file_bytes": 4096, "open_files": 32}, own_user)
    try:
        with open(os.path.join(work, "large"), "wb", 0) as file:
            file.write(bytes(4096))
            file.write(b"x")
    except OSError as error:
        found["file"] = error.errno == errno.EFBIG
    held = []
    try:
        for _ in range(64):
            held.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        found["open_files"] = error.errno == errno.EMFILE
    for handle in held:
        os.close(handle)
    if own_user:
        found["processes"] = False
        confinement.limit({"processes": 1}, own_user)
        try:
            pid = os.fork()
            if pid == 0:
                os._exit(0)
            os.waitpid(pid, 0)
        except OSError as error:
            found["processes"] = error.errno == errno.EAGAIN
    if processes.LINUX:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 34, 1 << 34))
        try:
            # Only asked for, never touched.
            mmap.mmap(-1, 1 << 35).close()
            found["address_space"] = False
        except (OSError, MemoryError):
            found["address_space"] = True
    return found


def _works(attempt: Callable[[], Any]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _create(folder: str) -> None:
    path = os.path.join(folder, "trial")
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    os.unlink(path)


def _may_trace(library: ctypes.CDLL) -> bool:
    """Whether the kernel looks at the request, which is about nobody, instead of refusing it."""
    resume, nobody = 7, 0
    library.ptrace(resume, nobody, None, None)
    return ctypes.get_errno() != errno.EPERM


def _network_socket() -> None:
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()


def _in_a_child(work: Callable[[], Dict[str, Any]]) -> Dict[str, Any]:
    """What a function returns in a process that ends with it. Raises OSError."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(ours)
            try:
                found: Dict[str, Any] = work()
            except BaseException as error:
                found = {"error": "%s: %s" % (type(error).__name__, error)}
            os.write(theirs, json.dumps(found).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    try:
        return json.loads(_read(ours, time.monotonic() + SECONDS) or b"{}") or {
            "error": "the trial ended without a word"
        }
    finally:
        os.close(ours)
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
        os.waitpid(pid, 0)


def _read(handle: int, deadline: float) -> bytes:
    data = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([handle], [], [], left)[0]:
            return b""
        part = os.read(handle, 65536)
        if not part:
            return data
        data += part
