"""The life of a check as pure functions: fencing, retries, and what holds for every history."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import InvalidArgumentError, NotClaimableError, StaleAttemptError
from services.scheduler.domain import machine
from services.scheduler.domain.check import SCHEDULER_SEQUENCE, Check, Result, State, Verdict
from services.scheduler.domain.machine import Directive, Retries

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LEASE = timedelta(seconds=10)
RETRIES = Retries()
SUCCESS = Result(verdict=Verdict.SUCCESS, message="success")
FAILURE = Result(verdict=Verdict.INFRASTRUCTURE_ERROR, message="the engine is away")


def a_check() -> Check:
    return Check(
        id="1" * 32,
        entity="AAAAA",
        revision="a" * 40,
        environment="demo_environment",
        inputs_digest="d" * 64,
        create_time=NOW,
    )


def claimed(
    check: Check, *, claim_id: str = "c1", incarnation: str = "i1", now: datetime = NOW
) -> Check:
    return machine.claim(
        check,
        runner="one",
        incarnation=incarnation,
        claim_id=claim_id,
        now=now,
        lease_for=LEASE,
    )


def finished(check: Check, result: Result = SUCCESS, *, attempt: int | None = None) -> Check:
    return machine.finish(
        check,
        attempt=check.attempt if attempt is None else attempt,
        result=result,
        last_sequence=4,
        now=NOW,
        retries=RETRIES,
    )


def lost(check: Check, *, now: datetime = NOW) -> Check:
    return machine.lose(check, attempt=check.attempt, reason="gone", now=now, retries=RETRIES)


def test_a_life_without_trouble() -> None:
    """Queued, preparing, running, finished: one attempt, and the final event after the runner's."""
    check = claimed(a_check())
    assert (State.PREPARING, 1) == (check.state, check.attempt)
    check = machine.start(check, attempt=1, now=NOW + SECOND)
    assert (State.RUNNING, NOW + SECOND) == (check.state, check.start_time)
    check = finished(check)
    assert (State.FINISHED, SUCCESS, 1, 5, None) == (
        check.state,
        check.result,
        check.finished_by,
        check.final_sequence,
        check.lease,
    )


def test_repeating_a_claim_gives_the_same_lease() -> None:
    """A claim whose reply was lost is repeated with its id, and makes no second attempt."""
    check = claimed(a_check())
    assert check is claimed(check)
    with pytest.raises(NotClaimableError):
        claimed(check, claim_id="another")


def test_repeating_what_ended_an_attempt_changes_nothing() -> None:
    """Finish, start and release are idempotent for the attempt that did them."""
    check = claimed(a_check())
    started = machine.start(check, attempt=1, now=NOW)
    assert started is machine.start(started, attempt=1, now=NOW + SECOND)
    done = finished(started)
    assert done is finished(done, Result(verdict=Verdict.INACCURATE))
    failed = finished(check, FAILURE)
    assert failed is finished(failed, FAILURE)
    released = machine.release(check, attempt=1, reason="drain", now=NOW)
    assert released is machine.release(released, attempt=1, reason="drain", now=NOW)
    again = claimed(released, claim_id="c2")
    assert again is machine.release(again, attempt=1, reason="drain", now=NOW)


@pytest.mark.parametrize("attempt", [0, 1, 3, -1])
def test_only_the_present_attempt_changes_a_check(attempt: int) -> None:
    """An attempt that is over, or never was, is refused whatever it asks for."""
    check = claimed(lost(claimed(a_check())), claim_id="c2", now=NOW + LEASE)
    assert 2 == check.attempt
    with pytest.raises(StaleAttemptError):
        machine.start(check, attempt=attempt, now=NOW)
    with pytest.raises(StaleAttemptError):
        finished(check, attempt=attempt)
    with pytest.raises(StaleAttemptError):
        machine.release(check, attempt=attempt, reason="", now=NOW)
    _, directive = machine.renew(
        check, attempt=attempt, runner="one", incarnation="i1", expires=NOW + LEASE
    )
    assert Directive.STALE == directive


def test_another_incarnation_does_not_renew() -> None:
    """A lease belongs to one process of a runner."""
    check = claimed(a_check())
    same, directive = machine.renew(
        check, attempt=1, runner="one", incarnation="i2", expires=NOW + 2 * LEASE
    )
    assert (check, Directive.STALE) == (same, directive)
    renewed, directive = machine.renew(
        check, attempt=1, runner="one", incarnation="i1", expires=NOW + 2 * LEASE
    )
    assert Directive.CONTINUE == directive
    assert renewed.lease is not None
    assert NOW + 2 * LEASE == renewed.lease.expires


@pytest.mark.parametrize(
    "verdict",
    [Verdict.INACCURATE, Verdict.SCRIPT_ERROR, Verdict.TIMED_OUT, Verdict.LIMIT_EXCEEDED],
)
def test_errors_of_the_entity_are_final_at_once(verdict: Verdict) -> None:
    """What the entity did wrong is never tried again."""
    check = finished(claimed(a_check()), Result(verdict=verdict))
    assert (State.FINISHED, 1) == (check.state, check.attempt)


def test_infrastructure_failures_are_retried_with_back_off_then_given_up() -> None:
    """Three failures, with 0.5 s and 2 s in between, end as an infrastructure error."""
    check = a_check()
    waits = []
    for number in range(2):
        check = lost(claimed(check, claim_id=f"c{number}", now=check.not_before or NOW))
        assert check.not_before is not None
        waits.append(check.not_before - NOW)
        with pytest.raises(NotClaimableError):
            claimed(check, claim_id="early", now=check.not_before - timedelta(microseconds=1))
    assert [timedelta(seconds=0.5), timedelta(seconds=2)] == waits
    check = lost(claimed(check, claim_id="c3", now=check.not_before or NOW))
    assert check.result is not None
    assert (State.FINISHED, Verdict.INFRASTRUCTURE_ERROR, 3, SCHEDULER_SEQUENCE, 0) == (
        check.state,
        check.result.verdict,
        len(check.failed_attempts),
        check.final_sequence,
        check.finished_by,
    )
    with pytest.raises(StaleAttemptError):
        finished(check)


def test_the_last_reported_failure_keeps_its_result() -> None:
    """When the runner itself reports the third failure, its result and log are the check's."""
    check = a_check()
    for number in range(3):
        check = finished(
            claimed(check, claim_id=f"c{number}", now=check.not_before or NOW), FAILURE
        )
    assert (State.FINISHED, FAILURE, 3) == (check.state, check.result, check.finished_by)


def test_a_release_is_no_failure() -> None:
    """Any number of drains leaves all attempts that failures may take; numbers go on."""
    check = a_check()
    for number in range(5):
        check = claimed(check, claim_id=f"c{number}")
        check = machine.release(check, attempt=check.attempt, reason="drain", now=NOW)
        assert check.not_before is None
    assert (State.QUEUED, 5, 0) == (check.state, check.attempt, check.failures)


def test_a_lease_expires_in_its_time() -> None:
    """Not before its end; a renewed one not at the old end."""
    check = claimed(a_check())
    early = NOW + LEASE - timedelta(microseconds=1)
    assert check is machine.expire(check, now=early, lease_for=LEASE, retries=RETRIES)
    expired = machine.expire(check, now=NOW + LEASE, lease_for=LEASE, retries=RETRIES)
    assert "the runner was not heard of for 10 s" == expired.failed_attempts[0].reason


def test_no_heartbeat_keeps_a_check_for_ever() -> None:
    """A runner that hangs loses the check: preparing and running are bounded, heartbeats or not."""
    preparing = claimed(a_check())
    running = machine.start(preparing, attempt=1, now=NOW + SECOND)
    for check in (preparing, running):
        assert check.lease is not None
        last = machine.last_expiry(check, check.lease)
        limit = timedelta(seconds=check.limits.wall_seconds)
        assert timedelta() < last - NOW - 2 * limit < timedelta(hours=2)
        renewed, directive = machine.renew(
            check, attempt=1, runner="one", incarnation="i1", expires=last + LEASE
        )
        assert Directive.CONTINUE == directive
        ended = machine.expire(renewed, now=last, lease_for=LEASE, retries=RETRIES)
        assert State.QUEUED == ended.state
        assert "the runner did not bring it to an end" == ended.failed_attempts[0].reason


def test_a_restart_ends_only_the_old_incarnations_attempt() -> None:
    """Registering again ends what the old process held, and nothing of the new one."""
    check = claimed(a_check())
    for runner, incarnation, ends in (
        ("one", "i1", False),
        ("two", "i2", False),
        ("one", "i2", True),
    ):
        after = machine.restart(
            check, runner=runner, incarnation=incarnation, now=NOW, retries=RETRIES
        )
        assert ends == (after is not check)


def test_cancelling() -> None:
    """Queued: at once. Active: asked for, and certain however the attempt ends without a result."""
    queued = machine.cancel(a_check(), now=NOW)
    assert queued.result is not None
    assert (Verdict.CANCELLED, 0) == (queued.result.verdict, queued.attempt)
    asked = machine.cancel(claimed(a_check()), now=NOW)
    assert (State.PREPARING, True) == (asked.state, asked.cancel_requested)
    _, directive = machine.renew(
        asked, attempt=1, runner="one", incarnation="i1", expires=NOW + LEASE
    )
    assert Directive.CANCEL == directive
    for ended in (
        lost(asked),
        finished(asked, FAILURE),
        finished(asked, Result(verdict=Verdict.CANCELLED)),
        machine.release(asked, attempt=1, reason="", now=NOW),
    ):
        assert ended.result is not None
        assert Verdict.CANCELLED == ended.result.verdict
    too_late = finished(asked)
    assert SUCCESS == too_late.result
    assert too_late is machine.cancel(too_late, now=NOW)


def test_a_cancellation_that_nobody_asked_for_is_a_failure() -> None:
    """A runner that stops a check by itself has failed, and another attempt is made."""
    check = finished(claimed(a_check()), Result(verdict=Verdict.CANCELLED))
    assert (State.QUEUED, 1) == (check.state, check.failures)


@pytest.mark.parametrize("sequence", [-1, SCHEDULER_SEQUENCE - 1, 2**63])
def test_impossible_sequences_are_refused(sequence: int) -> None:
    """The final event of a runner sorts before those that the scheduler writes."""
    with pytest.raises(InvalidArgumentError):
        machine.finish(
            claimed(a_check()),
            attempt=1,
            result=SUCCESS,
            last_sequence=sequence,
            now=NOW,
            retries=RETRIES,
        )


# Every history ------------------------------------------------------------------------------

OPERATIONS = st.sampled_from(
    ["claim", "start", "success", "wrong", "failure", "release", "expire", "restart", "cancel"]
)
HISTORIES = st.lists(
    st.tuples(OPERATIONS, st.integers(0, 5), st.integers(0, 4), st.integers(1, 8)), max_size=40
)
"""Operation, attempt it names, claim or incarnation it is of, seconds that pass before."""


def apply(check: Check, step: tuple[str, int, int, int], now: datetime) -> Check:
    """Delivers one message, possibly late, repeated or out of order, as the service would."""
    operation, attempt, which, _ = step
    try:
        match operation:
            case "claim":
                return claimed(check, claim_id=f"c{which}", incarnation=f"i{which % 2}", now=now)
            case "start":
                return machine.start(check, attempt=attempt, now=now)
            case "success" | "wrong" | "failure":
                verdict = {
                    "success": Verdict.SUCCESS,
                    "wrong": Verdict.INACCURATE,
                    "failure": Verdict.INFRASTRUCTURE_ERROR,
                }[operation]
                return machine.finish(
                    check,
                    attempt=attempt,
                    result=Result(verdict=verdict),
                    last_sequence=which,
                    now=now,
                    retries=RETRIES,
                )
            case "release":
                return machine.release(check, attempt=attempt, reason="", now=now)
            case "expire":
                return machine.expire(check, now=now, lease_for=LEASE, retries=RETRIES)
            case "restart":
                return machine.restart(
                    check, runner="one", incarnation=f"i{which % 2}", now=now, retries=RETRIES
                )
            case _:
                return machine.cancel(check, now=now)
    except (NotClaimableError, StaleAttemptError):
        return check


@given(HISTORIES)
def test_every_history_keeps_the_rules(history: list[tuple[str, int, int, int]]) -> None:
    """Whatever is delivered, twice, late or never: terminal is final, attempts only count up."""
    check = a_check()
    now = NOW
    for step in history:
        now += step[3] * SECOND
        before, check = check, apply(check, step, now)
        if before.finished:
            assert before is check
        assert before.attempt <= check.attempt <= before.attempt + 1
        assert (check.attempt == before.attempt + 1) <= (step[0] == "claim")
        assert before.failed_attempts == check.failed_attempts[: len(before.failed_attempts)]
        assert check.failures <= RETRIES.attempts
        assert (check.lease is not None) == (check.state in {State.PREPARING, State.RUNNING})
        assert (check.result is not None) == check.finished == (check.finish_time is not None)
        assert check.finished == (check.final_sequence > 0)
        past = [failed.attempt for failed in check.failed_attempts]
        assert sorted(set(past)) == past
        repeated = apply(check, step, now)
        if step[0] != "claim":  # a claim of the same id may lease again what was lost since
            assert check == repeated


@given(HISTORIES)
def test_every_history_can_end(history: list[tuple[str, int, int, int]]) -> None:
    """No history leads where a check stays unfinished: runners that only vanish end it too."""
    check = a_check()
    now = NOW
    for step in history:
        now += step[3] * SECOND
        check = apply(check, step, now)
    for number in range(RETRIES.attempts + 1):
        now += 2 * LEASE
        check = apply(check, ("expire", 0, 0, 0), now)
        now += 2 * LEASE
        if not check.finished:
            check = claimed(check, claim_id=f"last{number}", now=now)
    assert check.finished


@given(HISTORIES)
def test_the_verdict_is_that_of_the_present_attempt(
    history: list[tuple[str, int, int, int]],
) -> None:
    """A result is accepted only from the attempt that holds the check at that moment."""
    check = a_check()
    now = NOW
    for step in history:
        now += step[3] * SECOND
        before, check = check, apply(check, step, now)
        if check.finished and not before.finished and check.finished_by:
            assert machine.is_current(before, check.finished_by)
            assert step[1] == check.finished_by == check.attempt
            return


def test_a_broken_entity_is_finished_from_the_beginning() -> None:
    """A check that cannot be queued carries the diagnostic, and no attempt."""
    check = machine.broken(a_check(), message="dangling reference", now=NOW)
    expected = dataclasses.replace(
        a_check(),
        state=State.FINISHED,
        result=Result(verdict=Verdict.SCRIPT_ERROR, message="dangling reference"),
        finish_time=NOW,
        final_sequence=SCHEDULER_SEQUENCE,
    )
    assert expected == check
