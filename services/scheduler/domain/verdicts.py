"""Which of several verdicts speaks for all."""

from collections.abc import Iterable

from services.scheduler.domain.check import Verdict

PRECEDENCE = (
    Verdict.INFRASTRUCTURE_ERROR,
    Verdict.SCRIPT_ERROR,
    Verdict.TIMED_OUT,
    Verdict.LIMIT_EXCEEDED,
    Verdict.INACCURATE,
    Verdict.CANCELLED,
    Verdict.SUCCESS,
)
"""Worst first, after the process exit codes 3, 1, 2, 4, 0."""


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Gives the worst verdict; success for none at all."""
    return min(verdicts, key=PRECEDENCE.index, default=Verdict.SUCCESS)
