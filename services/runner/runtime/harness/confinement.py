"""The rungs on which a check's process is confined, best first. Today: `uid` and `none`.

A rung is chosen once, when the harness starts, and named in every result. To add one: give it a
name in `RUNGS`, say in `available` when it can be had, and apply it in `enter`, which runs in the
check's own process before any of its code.
"""

from __future__ import annotations

import os
import resource
import signal
import stat
from typing import Any, Dict, Iterable, Optional

from . import conformance, processes

RUNGS = ("uid", "none")
NEEDED = {"setuid", "setgid", "chown", "kill", "dac_override"}
"""What the supervisor must be able to do to give each check its own user."""


def available(places: Iterable[str]) -> str:
    """The best rung that can be had here.

    Args:
        places: folders that a check's own user must be able to reach: data, runtime, Python.
    """
    if processes.LINUX and os.getuid() == 0:
        capable = NEEDED <= set(conformance.capabilities() or ())
        if capable and all(_open_to_all(place) for place in places):
            return "uid"
    return "none"


def _open_to_all(place: str) -> bool:
    path = os.path.realpath(place)
    while True:
        if not os.stat(path).st_mode & stat.S_IXOTH:
            return False
        parent = os.path.dirname(path)
        if parent == path:
            return True
        path = parent


def enter(uid: Optional[int], limits: Dict[str, Any]) -> None:
    """Confine this process, for good. Raises OSError or ValueError where that fails.

    Args:
        uid: the user and group to become, on the rung `uid`.
        limits: as in services/runner/session.py, class Limits.
    """
    # What was forked from the zygote is as closed to itself as the zygote is to others.
    processes.prctl(processes.PR_SET_DUMPABLE, 1)
    try:
        # If memory runs out, the check goes, not the supervisor.
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass
    _limit(resource.RLIMIT_CORE, 0)
    cpu = int(limits.get("cpu_seconds") or 0)
    if cpu:
        # The soft limit kills with a signal that says why; the hard one two seconds later.
        _limit(resource.RLIMIT_CPU, cpu, cpu + 2)
    if limits.get("memory_bytes"):
        _limit(resource.RLIMIT_AS, int(limits["memory_bytes"]))
    if limits.get("file_bytes"):
        _limit(resource.RLIMIT_FSIZE, int(limits["file_bytes"]))
    if limits.get("open_files"):
        _limit(resource.RLIMIT_NOFILE, int(limits["open_files"]))
    if uid is not None:
        if limits.get("processes"):
            # Counted for each user of the whole machine: right only with a user of one's own.
            _limit(resource.RLIMIT_NPROC, int(limits["processes"]))
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        # The kernel closed the process again when its user changed.
        processes.prctl(processes.PR_SET_DUMPABLE, 1)
    processes.prctl(processes.PR_SET_NO_NEW_PRIVS, 1)
    processes.prctl(processes.PR_SET_PDEATHSIG, signal.SIGKILL)


def _limit(which: int, soft: int, hard: Optional[int] = None) -> None:
    _, highest = resource.getrlimit(which)
    wanted = soft if hard is None else hard
    if highest != resource.RLIM_INFINITY:
        wanted = min(wanted, highest)
    resource.setrlimit(which, (min(soft, wanted), wanted))
