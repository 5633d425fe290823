"""How a check lives: every change of its state, as a pure function.

Each function takes the check as it is and returns it as it becomes, or the same object if there is
nothing to change (a repetition), or raises. Two rules hold everywhere: an attempt that is not the
present one changes nothing, and a finished check never changes.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum

from services.errors import InvalidArgumentError, NotClaimableError, StaleAttemptError
from services.scheduler.domain.check import (
    ACTIVE,
    SCHEDULER_SEQUENCE,
    Check,
    FailedAttempt,
    Lease,
    Result,
    State,
    Verdict,
)

PREPARING_AT_MOST = timedelta(hours=1)
"""How long an attempt may prepare: the build of an image, a slow network."""
RUNNING_BEYOND_LIMIT = timedelta(minutes=15)
"""How long an attempt may last beyond its limit: cleaning, and storing what it made."""


class Directive(IntEnum):
    """What a runner is to do with an attempt."""

    CONTINUE = 1
    CANCEL = 2
    STALE = 3


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How often infrastructure failures are tried again."""

    attempts: int = 3
    """Failed attempts after which a check is given up."""
    backoff_seconds: tuple[float, ...] = (0.5, 2.0)
    """Wait before the next attempt, by failures so far; the last one repeats."""

    def wait(self, failures: int) -> timedelta:
        """How long to wait after the given number (from 1) of failures."""
        index = min(failures, len(self.backoff_seconds)) - 1
        return timedelta(seconds=self.backoff_seconds[index])


def claim(
    check: Check,
    *,
    runner: str,
    incarnation: str,
    claim_id: str,
    now: datetime,
    lease_for: timedelta,
) -> Check:
    """Leases a queued check to a runner: this, and only this, makes an attempt.

    Raises:
        NotClaimableError: It is finished, leased to another claim, or waits out a back-off.
    """
    lease = check.lease
    if lease is not None and check.state in ACTIVE and lease.claim_id == claim_id:
        return check
    if check.state is not State.QUEUED:
        raise NotClaimableError(f"checks/{check.id} is not queued", state=check.state.name)
    if check.not_before is not None and now < check.not_before:
        raise NotClaimableError(f"checks/{check.id} waits before its next attempt")
    return replace(
        check,
        state=State.PREPARING,
        attempt=check.attempt + 1,
        not_before=None,
        start_time=None,
        lease=Lease(
            runner=runner,
            incarnation=incarnation,
            claim_id=claim_id,
            claim_time=now,
            expires=now + lease_for,
        ),
    )


def is_current(check: Check, attempt: int) -> bool:
    """Whether the attempt is the one that holds the check."""
    return check.state in ACTIVE and check.attempt == attempt


def renew(
    check: Check, *, attempt: int, runner: str, incarnation: str, expires: datetime
) -> tuple[Check, Directive]:
    """Prolongs a lease and says what its runner is to do."""
    lease = check.lease
    if (
        not is_current(check, attempt)
        or lease is None
        or (lease.runner, lease.incarnation) != (runner, incarnation)
    ):
        return check, Directive.STALE
    directive = Directive.CANCEL if check.cancel_requested else Directive.CONTINUE
    until = min(max(expires, lease.expires), last_expiry(check, lease))
    return replace(check, lease=replace(lease, expires=until)), directive


def last_expiry(check: Check, lease: Lease) -> datetime:
    """Beyond this no heartbeat prolongs a lease: a runner that hangs does not keep a check.

    The limit counts twice, as a check may be run once more with the whole repository.
    """
    running = 2 * timedelta(seconds=check.limits.wall_seconds) + RUNNING_BEYOND_LIMIT
    if check.start_time is not None:
        return check.start_time + running
    return lease.claim_time + PREPARING_AT_MOST + running


def start(check: Check, *, attempt: int, now: datetime) -> Check:
    """Notes that the entity's code runs.

    Raises:
        StaleAttemptError: The attempt does not hold the check.
    """
    _fence(check, attempt)
    if check.state is State.RUNNING:
        return check
    return replace(check, state=State.RUNNING, start_time=now)


def finish(
    check: Check,
    *,
    attempt: int,
    result: Result,
    last_sequence: int,
    now: datetime,
    retries: Retries,
) -> Check:
    """Ends an attempt with what its runner found.

    An infrastructure error, or a cancellation that nobody asked for, is a failed attempt and is
    tried again while attempts are left.

    Raises:
        StaleAttemptError: The attempt does not hold the check.
        InvalidArgumentError: The sequence is out of range.
    """
    if not 0 <= last_sequence < SCHEDULER_SEQUENCE - 1:
        raise InvalidArgumentError(f"last_sequence is out of range: {last_sequence}")
    if check.finished_by == attempt > 0 or _reported(check, attempt):
        return check
    _fence(check, attempt)
    unasked = result.verdict is Verdict.CANCELLED and not check.cancel_requested
    if result.verdict is Verdict.INFRASTRUCTURE_ERROR or unasked:
        reason = result.message or ("the runner stopped it" if unasked else "infrastructure error")
        failed = _failed(check, reason=reason, now=now, reported=True, counts=True)
        if check.cancel_requested:
            return _cancelled(failed, now=now)
        if failed.failures < retries.attempts:
            return _requeued(failed, not_before=now + retries.wait(failed.failures))
        result = replace(result, verdict=Verdict.INFRASTRUCTURE_ERROR)
        check = failed
    return replace(
        check,
        state=State.FINISHED,
        lease=None,
        result=result,
        finish_time=now,
        finished_by=attempt,
        final_sequence=last_sequence + 1,
    )


def release(check: Check, *, attempt: int, reason: str, now: datetime) -> Check:
    """Takes a check back from a runner that drains. This is no failure, and goes on at once.

    Raises:
        StaleAttemptError: The attempt does not hold the check.
    """
    if _reported(check, attempt):
        return check
    _fence(check, attempt)
    failed = _failed(
        check, reason=reason or "the runner handed it back", now=now, reported=True, counts=False
    )
    if check.cancel_requested:
        return _cancelled(failed, now=now)
    return _requeued(failed, not_before=None)


def lose(check: Check, *, attempt: int, reason: str, now: datetime, retries: Retries) -> Check:
    """Ends an attempt whose runner is gone. Does nothing if that attempt is over already."""
    if not is_current(check, attempt):
        return check
    failed = _failed(check, reason=reason, now=now, reported=False, counts=True)
    if check.cancel_requested:
        return _cancelled(failed, now=now)
    if failed.failures < retries.attempts:
        return _requeued(failed, not_before=now + retries.wait(failed.failures))
    return _ended(
        failed,
        result=Result(
            verdict=Verdict.INFRASTRUCTURE_ERROR,
            message=f"given up after {failed.failures} attempts; the last one: {reason}",
        ),
        now=now,
    )


def expire(check: Check, *, now: datetime, lease_for: timedelta, retries: Retries) -> Check:
    """Ends the present attempt if its lease has run out."""
    if check.state not in ACTIVE or check.lease is None or now < check.lease.expires:
        return check
    reason = f"the runner was not heard of for {lease_for.total_seconds():g} s"
    if check.lease.expires >= last_expiry(check, check.lease):
        reason = "the runner did not bring it to an end"
    return lose(check, attempt=check.attempt, reason=reason, now=now, retries=retries)


def restart(
    check: Check, *, runner: str, incarnation: str, now: datetime, retries: Retries
) -> Check:
    """Ends the present attempt if an earlier incarnation of the runner holds it."""
    lease = check.lease
    if lease is None or lease.runner != runner or lease.incarnation == incarnation:
        return check
    return lose(
        check, attempt=check.attempt, reason="the runner restarted", now=now, retries=retries
    )


def cancel(check: Check, *, now: datetime) -> Check:
    """Stops a queued check at once, and asks the runner of an active one to stop."""
    if check.state is State.QUEUED:
        return _cancelled(replace(check, cancel_requested=True), now=now)
    if check.finished or check.cancel_requested:
        return check
    return replace(check, cancel_requested=True)


def broken(check: Check, *, message: str, now: datetime) -> Check:
    """Finishes a check that cannot even be queued, as the entity's metadata forbid it."""
    return _ended(check, result=Result(verdict=Verdict.SCRIPT_ERROR, message=message), now=now)


def given_up(check: Check, *, message: str, now: datetime) -> Check:
    """Finishes a check that is not to be tried, as what it asks for has cost too much already."""
    return _ended(
        check, result=Result(verdict=Verdict.INFRASTRUCTURE_ERROR, message=message), now=now
    )


def reused(check: Check, *, origin: Check, now: datetime) -> Check:
    """Finishes a check that need not run, with the result of one that ran with equal inputs."""
    if origin.result is None:
        raise InvalidArgumentError(f"checks/{origin.id} has no result")
    return replace(_ended(check, result=origin.result, now=now), reused_from=origin.id)


def _fence(check: Check, attempt: int) -> None:
    if not is_current(check, attempt):
        raise StaleAttemptError(
            f"attempt {attempt} of checks/{check.id} is over",
            check=f"checks/{check.id}",
            attempt=str(check.attempt),
            state=check.state.name,
        )


def _reported(check: Check, attempt: int) -> bool:
    return any(past.reported and past.attempt == attempt for past in check.failed_attempts)


def _failed(check: Check, *, reason: str, now: datetime, reported: bool, counts: bool) -> Check:
    past = FailedAttempt(
        attempt=check.attempt,
        runner=check.lease.runner if check.lease else "",
        reason=reason,
        end_time=now,
        reported=reported,
    )
    return replace(
        check,
        lease=None,
        failures=check.failures + counts,
        failed_attempts=(*check.failed_attempts, past),
    )


def _requeued(check: Check, *, not_before: datetime | None) -> Check:
    return replace(check, state=State.QUEUED, start_time=None, not_before=not_before)


def _cancelled(check: Check, *, now: datetime) -> Check:
    return _ended(check, result=Result(verdict=Verdict.CANCELLED, message="cancelled"), now=now)


def _ended(check: Check, *, result: Result, now: datetime) -> Check:
    return replace(
        check,
        state=State.FINISHED,
        lease=None,
        not_before=None,
        result=result,
        finish_time=now,
        final_sequence=SCHEDULER_SEQUENCE,
    )
