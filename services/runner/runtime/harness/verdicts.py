"""From what was seen of a check to its verdict and one line that says why. Pure."""

from __future__ import annotations

import os
import signal
from typing import Any, Dict, NamedTuple, Optional


class Seen(NamedTuple):
    """What the supervisor knows when a check is over."""

    report: Optional[Dict[str, Any]]
    """What the child said, if it did."""
    stopped: str
    """Why the supervisor stopped it: "", "cancel", "wall", "cpu", "output" or "lost"."""
    reason: str
    """More about that, for people."""
    exit_status: Optional[int]
    signal: Optional[int]
    oom_kills: int
    """During the check."""
    fork_refusals: int
    """By the control group, during the check."""
    cpu_seconds: float
    limits: Dict[str, Any]
    files_left: int = 0
    """Files that it made and left, wherever it may write."""
    bytes_left: int = 0
    """What they hold, in its folders."""


LIMITS = {
    "wall": ("time", "wall_seconds", "s"),
    "cpu": ("processor time", "cpu_seconds", "s"),
    "memory": ("memory", "memory_bytes", "bytes"),
    "file": ("the size of a file", "file_bytes", "bytes"),
    "files": ("the number of files left", "left_count", ""),
    "disk": ("disk space", "left_bytes", "bytes"),
    "processes": ("processes", "processes", ""),
    "open_files": ("open files", "open_files", ""),
    "output": ("output", "flood_bytes", "bytes"),
}
"""What each limit is called, where it stands in `Seen.limits`, and its unit."""


class Judgement(NamedTuple):
    """The verdict, which limit it was, and a line for people."""

    verdict: str
    limit: str
    message: str


def judge(seen: Seen) -> Judgement:
    """The verdict. A result that arrived counts, whatever happened after it."""
    if seen.stopped == "cancel":
        return Judgement("CANCELLED", "", seen.reason or "cancelled")
    report = seen.report
    left = _left(seen)
    if left is not None and seen.stopped != "lost":
        return left
    if report is not None and report.get("kind") == "done":
        if report.get("success") is True:
            return Judgement("SUCCESS", "", "success")
        return Judgement("INACCURATE", "", "the numbers are not the expected ones")
    if seen.stopped == "lost":
        return Judgement("INFRASTRUCTURE_ERROR", "", seen.reason)
    if seen.stopped == "wall":
        wall = seen.limits.get("wall_seconds", 0)
        return Judgement("TIMED_OUT", "wall", "not finished after %g s" % wall)
    if seen.stopped == "cpu":
        return _exceeded(seen, "cpu", "TIMED_OUT")
    if seen.stopped == "output":
        return _exceeded(seen, "output")
    if report is not None:
        return _error(seen, report)
    return _no_report(seen)


def _error(seen: Seen, report: Dict[str, Any]) -> Judgement:
    message = str(report.get("message", ""))
    if report.get("kind") == "broken":
        return Judgement("INFRASTRUCTURE_ERROR", "", message)
    limit = str(report.get("limit", ""))
    if seen.oom_kills > 0:
        limit = "memory"
    if not limit and seen.fork_refusals > 0:
        limit = "processes"
    if limit:
        return _exceeded(seen, limit, more=message)
    if _cpu_used_up(seen):
        return _exceeded(seen, "cpu", "TIMED_OUT", message)
    return Judgement("SCRIPT_ERROR", "", message)


def _no_report(seen: Seen) -> Judgement:
    number = seen.signal
    if number == signal.SIGXCPU or (number == signal.SIGKILL and _cpu_used_up(seen)):
        return _exceeded(seen, "cpu", "TIMED_OUT")
    if number == signal.SIGXFSZ:
        return _exceeded(seen, "file")
    if seen.oom_kills > 0:
        return _exceeded(seen, "memory", more="killed because memory ran out")
    if seen.fork_refusals > 0:
        return _exceeded(seen, "processes")
    if number is not None:
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = "signal %d" % number
        return Judgement("SCRIPT_ERROR", "", "the process was killed by %s" % name)
    return Judgement(
        "SCRIPT_ERROR",
        "",
        "the process ended with exit status %s before there was a result" % seen.exit_status,
    )


def _left(seen: Seen) -> Optional[Judgement]:
    """Too much was left: whatever the entity says of itself."""
    count = int(seen.limits.get("left_count") or 0)
    if count and seen.files_left > count:
        return _exceeded(seen, "files", more="%d" % seen.files_left)
    size = int(seen.limits.get("left_bytes") or 0)
    if size and seen.bytes_left > size:
        return _exceeded(seen, "disk", more="%d bytes" % seen.bytes_left)
    return None


def _exceeded(seen: Seen, limit: str, verdict: str = "LIMIT_EXCEEDED", more: str = "") -> Judgement:
    """The verdict on a limit, in words that name it."""
    name, field, unit = LIMITS.get(limit, (limit, "", ""))
    value = seen.limits.get(field)
    text = "exceeded the limit of " + name
    if value:
        text += " (%s)" % ("%.15g %s" % (value, unit)).strip()
    return Judgement(verdict, limit, text + (": " + more if more else ""))


def _cpu_used_up(seen: Seen) -> bool:
    cpu = float(seen.limits.get("cpu_seconds") or 0)
    return cpu > 0 and seen.cpu_seconds >= cpu


def ending(status: int) -> "tuple[Optional[int], Optional[int]]":
    """Exit status and signal of a wait status; one of them is None."""
    if os.WIFSIGNALED(status):
        return None, os.WTERMSIG(status)
    return os.WEXITSTATUS(status), None
