"""The rungs on which a check's process is confined, best first.

A rung is chosen once, when the harness starts, by trying (see `trial`), and named in every result.
To add one: give it a name in `RUNGS`, say in `possible` when it can be had, and apply it in `enter`,
which runs in the check's own process before any of its code: in the spare child, before it waits
for its check, so that no check waits for it.
"""

from __future__ import annotations

import os
import resource
import signal
import stat
from typing import Any, Dict, Iterable, List, Optional

from . import calls, conformance, landlock, processes

RUNGS = ("landlock+seccomp+uid", "landlock+seccomp", "uid", "none")
NEEDED = {"setuid", "setgid", "chown", "kill", "dac_override"}
"""What the supervisor must be able to do to give each check its own user."""
NICENESS = 19
"""In a container, of a check: the supervisor gets its turn however many processes want one."""


def possible(places: Iterable[str]) -> List[str]:
    """The rungs that this system seems to have, best first.

    Args:
        places: folders that a check's own user must be able to reach: data, runtime, Python.
    """
    own_user = False
    if processes.LINUX and os.getuid() == 0:
        capable = NEEDED <= set(conformance.capabilities() or ())
        own_user = capable and all(_open_to_all(place) for place in places)
    filtered = calls.available() and landlock.abi() > 0
    having = {"uid": own_user, "landlock": filtered, "seccomp": filtered, "none": True}
    return [rung for rung in RUNGS if all(having[part] for part in rung.split("+"))]


def has_own_user(rung: str) -> bool:
    """Whether each check gets a user of its own on this rung."""
    return "uid" in rung.split("+")


def _open_to_all(place: str) -> bool:
    path = os.path.realpath(place)
    while True:
        if not os.stat(path).st_mode & stat.S_IXOTH:
            return False
        parent = os.path.dirname(path)
        if parent == path:
            return True
        path = parent


class Confinement:
    """What `enter` needs, made ready once and used by each check's process.

    Args:
        rung: one of `RUNGS`.
        reach: what `reach.reach` said.
        isolated: whether this container is the environment's own.
    """

    def __init__(self, rung: str, reach: Dict[str, List[str]], isolated: bool) -> None:
        self.rung = rung
        self._isolated = isolated
        self._version = 0
        self._rules: Optional[int] = None
        if "landlock" in rung:
            self._version = landlock.abi()
            self._rules = landlock.ruleset(
                reach["readable"], reach["writable"], reach["devices"], self._version
            )

    @classmethod
    def of(cls, description: Dict[str, Any]) -> "Confinement":
        """From what went over a wire."""
        return cls(description["rung"], description["reach"], description["isolated"])

    def enter(self, uid: Optional[int]) -> None:
        """Confine this process, for good. Raises OSError.

        Args:
            uid: the user and group to become, on a rung with `uid`.
        """
        # What was forked from the zygote is as closed to itself as the zygote is to others.
        processes.prctl(processes.PR_SET_DUMPABLE, 1)
        try:
            # If memory runs out, the check goes, not the supervisor.
            with open("/proc/self/oom_score_adj", "w") as file:
                file.write("1000")
        except OSError:
            pass
        if self._isolated:
            os.nice(NICENESS)
        if uid is not None and has_own_user(self.rung):
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            # The kernel closed the process again when its user changed.
            processes.prctl(processes.PR_SET_DUMPABLE, 1)
        processes.prctl(processes.PR_SET_NO_NEW_PRIVS, 1)
        processes.prctl(processes.PR_SET_PDEATHSIG, signal.SIGKILL)
        if self.rung != "none" and os.getuid() == 0:
            # No user of its own: then at least nothing of what makes root more than its files.
            processes.drop_capabilities()
        if self._rules is not None:
            landlock.enter(self._rules, self._version)
            self.close()
        if "seccomp" in self.rung:
            calls.enter()

    def close(self) -> None:
        """Let go of the rules: whoever keeps them could not use them, but need not have them."""
        if self._rules is not None:
            os.close(self._rules)
            self._rules = None


def limit(limits: Dict[str, Any], own_user: bool) -> None:
    """Set the limits of one check on this process. Raises OSError or ValueError.

    Args:
        limits: as in services/runner/sessions/session.py, class Limits.
        own_user: whether the process has a user of its own.
    """
    _limit(resource.RLIMIT_CORE, 0)
    cpu = int(limits.get("cpu_seconds") or 0)
    if cpu:
        # The soft limit kills with a signal that says why; the hard one a second later.
        _limit(resource.RLIMIT_CPU, cpu, cpu + 1)
    if limits.get("memory_bytes"):
        _limit(resource.RLIMIT_AS, int(limits["memory_bytes"]))
    if limits.get("file_bytes"):
        _limit(resource.RLIMIT_FSIZE, int(limits["file_bytes"]))
    if limits.get("open_files"):
        _limit(resource.RLIMIT_NOFILE, int(limits["open_files"]))
    if own_user and limits.get("processes"):
        # Counted for each user of the whole machine: right only with a user of one's own.
        _limit(resource.RLIMIT_NPROC, int(limits["processes"]))


def _limit(which: int, soft: int, hard: Optional[int] = None) -> None:
    _, highest = resource.getrlimit(which)
    wanted = soft if hard is None else hard
    if highest != resource.RLIM_INFINITY:
        wanted = min(wanted, highest)
    resource.setrlimit(which, (min(soft, wanted), wanted))
