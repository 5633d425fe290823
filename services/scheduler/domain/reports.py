"""What the 2022 system wrote about one check: its exit code and everything it printed."""

import re
import signal
from dataclasses import dataclass

from services.scheduler.domain.check import Verdict
from services.scheduler.domain.tracebacks import raised

TIME_LIMIT = 180.0
"""Seconds that a check had; a longer one was ended, with the exit code of a script error."""

_SUCCESS, _INACCURATE = 0, 2
_COMMAND = re.compile(r"The command `[^`]*` exited with returncode (?P<code>-?\d+)\.?")
_TIMEOUT = re.compile(r"\b[A-Z]\w*(?: \w+){0,8} reached timeout \(\d+(?:\.\d+)? ?s\)\.?")
_OUTPUT = re.compile(r"\n {4,16}stdout: (?P<out>.*?)\n {4,16}stderr: (?P<err>.*)", re.DOTALL)
_ENDS = ("Fail.", "Inaccurate.", "Success.")
_VERSION = "Calculated with "
_BEGIN = "Traceback (most recent call last):"
_MESSAGE_CHARACTERS = 2000
_LINE_CHARACTERS = 500


@dataclass(frozen=True, kw_only=True)
class Report:
    """What came out of a check of 2022."""

    verdict: Verdict
    message: str
    """One line; empty for a success."""
    traceback: str
    """From the first traceback on, where there is one."""
    log: str
    """Everything that was kept of what it printed."""
    result: int
    """Its exit code."""
    exit_status: int | None
    """Exit status of the entity's own process, negative for a signal; none where unknown."""


def read_report(result: int, issues: str, *, seconds: float | None) -> Report:
    """Reads how a check ended.

    Args:
        result: Exit code of the check: 0, 1 (also for a time-out), 2 (inaccurate); others are
            those of processes that ended by a signal.
        issues: What it printed; empty for a success.
        seconds: How long it took.
    """
    command = _COMMAND.search(issues)
    status = int(command["code"]) if command else None
    timeout = _timeout(issues)
    body = _without_end(issues)
    output = _OUTPUT.search(body)
    out, err = (_printed(output["out"]), _printed(output["err"])) if output else ("", body)
    start = err.find(_BEGIN)
    traceback = err[start:].rstrip() if start >= 0 else ""
    if result == _SUCCESS:
        verdict, message = Verdict.SUCCESS, ""
    elif result == _INACCURATE:
        verdict = Verdict.INACCURATE
        message = _last_line(out) or "the numbers are not the expected ones"
    elif timeout or (command is None and not traceback and (seconds or 0.0) >= TIME_LIMIT):
        verdict = Verdict.TIMED_OUT
        message = timeout or f"no result within {TIME_LIMIT:.0f} s"
    else:
        verdict = Verdict.SCRIPT_ERROR
        printed = err if output or command is None else ""
        message = _why(traceback, printed, command=command, status=status)
    return Report(
        verdict=verdict,
        message=message[:_MESSAGE_CHARACTERS],
        traceback=traceback,
        log=issues,
        result=result,
        exit_status=status if result != _SUCCESS else None,
    )


def _why(traceback: str, printed: str, *, command: re.Match[str] | None, status: int | None) -> str:
    if traceback and (found := raised(traceback)):
        return f"{found.kind}: {found.message}" if found.message else found.kind
    if status is not None and status < 0:
        return f"ended by signal {-status} ({_signal(-status)})"
    line = _last_line(printed)
    if command and not line:
        return command.group()
    return line or "failed without a word"


def _timeout(issues: str) -> str:
    for line in issues.splitlines():
        if "reached timeout" in line and (found := _TIMEOUT.search(line[-_LINE_CHARACTERS:])):
            return found.group()
    return ""


def _without_end(issues: str) -> str:
    """What it printed, without the lines that the 2022 system closed it with."""
    text = issues.rstrip()
    for end in _ENDS:
        text = text.removesuffix(end).rstrip()
    head, _, last = text.rpartition("\n")
    return head if last.startswith(_VERSION) else text


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _printed(text: str) -> str:
    """The 2022 system wrote `None` where it had caught no output."""
    return "" if text.strip() == "None" else text


def _last_line(text: str) -> str:
    """The last line that is no warning of a library."""
    lines = [line.strip() for line in text.splitlines()]
    return next((line for line in reversed(lines) if line and "Warning:" not in line), "")
