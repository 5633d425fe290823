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
    """Why the supervisor stopped it: "", "cancel", "wall", "output" or "lost"."""
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
    if report is not None and report.get("kind") == "done":
        if report.get("success") is True:
            return Judgement("SUCCESS", "", "success")
        return Judgement("INACCURATE", "", "the numbers are not the expected ones")
    if seen.stopped == "lost":
        return Judgement("INFRASTRUCTURE_ERROR", "", seen.reason)
    if seen.stopped == "wall":
        wall = seen.limits.get("wall_seconds", 0)
        return Judgement("TIMED_OUT", "wall", "not finished after %g s" % wall)
    if seen.stopped == "output":
        return Judgement("LIMIT_EXCEEDED", "output", seen.reason)
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
        return Judgement("LIMIT_EXCEEDED", limit, message)
    if _cpu_used_up(seen):
        return Judgement("TIMED_OUT", "cpu", message)
    return Judgement("SCRIPT_ERROR", "", message)


def _no_report(seen: Seen) -> Judgement:
    number = seen.signal
    cpu = seen.limits.get("cpu_seconds", 0)
    if number == signal.SIGXCPU or (number == signal.SIGKILL and _cpu_used_up(seen)):
        return Judgement("TIMED_OUT", "cpu", "more than %g s of processor time" % cpu)
    if number == signal.SIGXFSZ:
        return Judgement("LIMIT_EXCEEDED", "file", "a file became too large")
    if seen.oom_kills > 0:
        return Judgement("LIMIT_EXCEEDED", "memory", "killed because memory ran out")
    if seen.fork_refusals > 0:
        return Judgement("LIMIT_EXCEEDED", "processes", "too many processes")
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


def _cpu_used_up(seen: Seen) -> bool:
    cpu = float(seen.limits.get("cpu_seconds") or 0)
    return cpu > 0 and seen.cpu_seconds >= cpu


def ending(status: int) -> "tuple[Optional[int], Optional[int]]":
    """Exit status and signal of a wait status; one of them is None."""
    if os.WIFSIGNALED(status):
        return None, os.WTERMSIG(status)
    return os.WEXITSTATUS(status), None
