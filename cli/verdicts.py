"""Verdicts as the command line says them: words, colours and exit codes."""

import dataclasses
from collections.abc import Iterable

from ackrep.scheduler.v1 import check_pb2

USAGE = 64
"""Exit code of wrong usage; 2 means inaccurate here."""
BROKEN = 3
"""Exit code where ACKREP itself failed."""

_WORST_FIRST = (3, 1, 2, 4, 0)


@dataclasses.dataclass(frozen=True)
class Word:
    """How one verdict is said."""

    name: str
    """In programs, e.g. `script_error`."""
    label: str
    """In tables, e.g. `script error`."""
    sentence: str
    """After a single check, e.g. `Fail.`; the words of 2022."""
    style: str
    """Colour."""
    exit_code: int
    """Of `ackrep check`."""


_WORDS = {
    check_pb2.VERDICT_UNSPECIFIED: Word("", "", "No verdict.", "dim", BROKEN),
    check_pb2.VERDICT_SUCCESS: Word("success", "success", "Success.", "bold green", 0),
    check_pb2.VERDICT_INACCURATE: Word("inaccurate", "inaccurate", "Inaccurate.", "bold yellow", 2),
    check_pb2.VERDICT_SCRIPT_ERROR: Word("script_error", "script error", "Fail.", "bold red", 1),
    check_pb2.VERDICT_TIMED_OUT: Word("timed_out", "timed out", "Fail: timed out.", "bold red", 1),
    check_pb2.VERDICT_LIMIT_EXCEEDED: Word(
        "limit_exceeded", "limit exceeded", "Fail: a limit was exceeded.", "bold red", 1
    ),
    check_pb2.VERDICT_INFRASTRUCTURE_ERROR: Word(
        "infrastructure_error",
        "infrastructure error",
        "Infrastructure error: ACKREP failed, not the entity.",
        "bold magenta",
        BROKEN,
    ),
    check_pb2.VERDICT_CANCELLED: Word("cancelled", "cancelled", "Cancelled.", "bold blue", 4),
}


def word(verdict: check_pb2.Verdict.ValueType) -> Word:
    """How a verdict is said; an unknown one counts as our failure."""
    return _WORDS.get(verdict, _WORDS[check_pb2.VERDICT_UNSPECIFIED])


def worst(codes: Iterable[int]) -> int:
    """The exit code of several checks, by the order 3, 1, 2, 4, 0; none at all is fine."""
    present = set(codes)
    unknown = present - set(_WORST_FIRST)
    if unknown:
        return BROKEN
    return next((code for code in _WORST_FIRST if code in present), 0)


def exit_code(checks: Iterable[check_pb2.Check]) -> int:
    """The exit code of finished checks."""
    return worst(word(check.verdict).exit_code for check in checks)
