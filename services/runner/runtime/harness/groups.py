"""What our control group says: of limits, and of what was refused for them. Both versions."""

from __future__ import annotations

import os
from typing import Iterable, List, Optional

ROOT = "/sys/fs/cgroup"
SELF = "/proc/self/cgroup"
UNLIMITED = 1 << 60
"""Version 1 spells `no limit` as a number that no machine has."""


class Groups:
    """The control groups of one process.

    Args:
        root: where they are mounted.
        membership: the file that says which ones they are.
    """

    def __init__(self, root: str = ROOT, membership: str = SELF) -> None:
        self._root = root
        self._membership = membership

    def oom_kills(self) -> int:
        """How often the kernel has killed for memory; 0 where it does not say."""
        return self._counter("memory", ("memory.events", "memory.oom_control"), "oom_kill")

    def fork_refusals(self) -> int:
        """How often a new process was refused."""
        return self._counter("pids", ("pids.events",), "max")

    def memory_bytes(self) -> int:
        """Memory in use, with that of files in memory; 0 where it does not say."""
        return self._number("memory", ("memory.current", "memory.usage_in_bytes")) or 0

    def cpu_seconds(self) -> Optional[float]:
        """Processor time of everything in it; None where it does not say."""
        microseconds = self._counter("cpu", ("cpu.stat",), "usage_usec")
        if microseconds:
            return microseconds / 1e6
        nanoseconds = self._number("cpuacct", ("cpuacct.usage",))
        return None if nanoseconds is None else nanoseconds / 1e9

    def limit(self, controller: str) -> Optional[int]:
        """The limit of `memory` (bytes) or `pids`; None where there is none."""
        files = {"memory": ("memory.max", "memory.limit_in_bytes"), "pids": ("pids.max",)}
        found = self._number(controller, files[controller])
        return None if found is None or found >= UNLIMITED else found

    def _counter(self, controller: str, files: Iterable[str], field: str) -> int:
        for folder in self._folders(controller):
            for name in files:
                for line in _lines(os.path.join(folder, name)):
                    words = line.split()
                    if len(words) == 2 and words[0] == field and words[1].isdigit():
                        return int(words[1])
        return 0

    def _number(self, controller: str, files: Iterable[str]) -> Optional[int]:
        for folder in self._folders(controller):
            for name in files:
                for line in _lines(os.path.join(folder, name)):
                    # `max` in version 2.
                    return int(line) if line.strip().isdigit() else None
        return None

    def _folders(self, controller: str) -> List[str]:
        """Where our group may be, for both versions; most specific first."""
        own = os.path.join(self._root, controller)
        found = []
        for line in _lines(self._membership):
            parts = line.rstrip("\n").split(":", 2)
            if len(parts) != 3:
                continue
            if parts[1] == "":
                found.append(self._root + parts[2])
            elif controller in parts[1].split(","):
                found.append(own + parts[2])
        return [*found, self._root, own]


def _lines(path: str) -> List[str]:
    try:
        with open(path) as file:
            return file.readlines()
    except (OSError, ValueError):
        return []


_own = Groups()
oom_kills = _own.oom_kills
fork_refusals = _own.fork_refusals
memory_bytes = _own.memory_bytes
cpu_seconds = _own.cpu_seconds
limit = _own.limit
