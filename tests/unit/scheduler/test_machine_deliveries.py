"""A check between several runners whose messages arrive late, twice, out of order, or never.

Unlike the histories of `test_machine.py`, whose messages are made up, these runners say only what
real ones could: each believes in the attempts it was given until it learns otherwise, and all it
says goes through a mailbox that may keep, repeat, reorder or lose it.
"""

import dataclasses
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.errors import NotClaimableError, StaleAttemptError
from services.scheduler.domain import machine
from services.scheduler.domain.check import ACTIVE, Check, Result, State, Verdict
from services.scheduler.domain.machine import Directive, Retries

LEASE = timedelta(seconds=10)
RETRIES = Retries()
RUNNERS = st.sampled_from(["a", "b", "c"])
VERDICTS = st.sampled_from(
    [Verdict.SUCCESS, Verdict.SCRIPT_ERROR, Verdict.INFRASTRUCTURE_ERROR, Verdict.CANCELLED]
)


@dataclass
class _Runner:
    """What one runner believes."""

    incarnation: int = 1
    holds: set[int] = field(default_factory=set)
    """Attempts of its present incarnation."""


@dataclass(frozen=True)
class _Message:
    """Something a runner said; it arrives any number of times, at any time."""

    kind: str
    runner: str
    incarnation: str
    attempt: int = 0
    claim_id: str = ""
    verdict: Verdict = Verdict.SUCCESS


class Deliveries(RuleBasedStateMachine):
    """One check, three runners, and a mailbox that promises nothing."""

    @initialize(impatient=st.booleans())
    def create(self, impatient: bool = True) -> None:
        self.impatient = impatient
        """Whether somebody may cancel it before much happened."""
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.check = Check(
            id="1" * 32,
            entity="AAAAA",
            revision="a" * 40,
            environment="demo_environment",
            inputs_digest="d" * 64,
            create_time=self.now,
        )
        self.runners = {name: _Runner() for name in "abc"}
        self.mailbox: list[_Message] = []
        self.claims = 0
        self.attempts_given: list[int] = []
        self.ends_asked: dict[int, set[Verdict]] = {}
        """What the runner of each attempt found, which alone may become the verdict."""
        self.cancelled_while_unfinished = False
        self.ended: Check | None = None

    # What runners say

    def _incarnation(self, runner: str) -> str:
        return f"{runner}{self.runners[runner].incarnation}"

    @rule(runner=RUNNERS)
    def claims_it(self, runner: str) -> None:
        self.claims += 1
        self.mailbox.append(
            _Message("claim", runner, self._incarnation(runner), claim_id=f"c{self.claims}")
        )

    @rule(runner=RUNNERS)
    def gets_it_at_once(self, runner: str) -> None:
        """So that histories come far: no back-off is left, and the claim arrives."""
        self.now += RETRIES.wait(RETRIES.attempts)
        self.claims_it(runner)
        self._deliver(self.mailbox.pop())

    @rule(runner=RUNNERS, verdict=VERDICTS, kind=st.sampled_from(["start", "finish", "release"]))
    def speaks_of_an_attempt(self, runner: str, verdict: Verdict, kind: str) -> None:
        for attempt in sorted(self.runners[runner].holds):
            if kind == "finish":
                found = self.ends_asked.setdefault(attempt, set())
                found.add(verdict)
                if verdict is Verdict.CANCELLED:  # where nobody asked for it, that is a failure
                    found.add(Verdict.INFRASTRUCTURE_ERROR)
            self.mailbox.append(
                _Message(kind, runner, self._incarnation(runner), attempt, verdict=verdict)
            )

    @rule(runner=RUNNERS)
    def restarts(self, runner: str) -> None:
        one = self.runners[runner]
        one.incarnation += 1
        one.holds.clear()
        self.mailbox.append(_Message("register", runner, self._incarnation(runner)))

    @rule(runner=RUNNERS)
    def is_heard(self, runner: str) -> None:
        """A heartbeat, answered: it gives up what is stale."""
        one = self.runners[runner]
        for attempt in sorted(one.holds):
            after, directive = machine.renew(
                self.check,
                attempt=attempt,
                runner=runner,
                incarnation=self._incarnation(runner),
                expires=self.now + LEASE,
            )
            if directive is Directive.STALE:
                assert after is self.check
                one.holds.discard(attempt)
            self._becomes(after)

    # What arrives

    @precondition(lambda self: self.mailbox)
    @rule(place=st.integers(0, 1000), again=st.booleans())
    def arrives(self, place: int, again: bool) -> None:
        message = self.mailbox[place % len(self.mailbox)]
        if not again:
            self.mailbox.remove(message)
        self._deliver(message)

    @precondition(lambda self: self.mailbox)
    @rule(place=st.integers(0, 1000))
    def is_lost(self, place: int) -> None:
        self.mailbox.pop(place % len(self.mailbox))

    def _deliver(self, message: _Message) -> None:
        try:
            after = self._applied(message)
        except StaleAttemptError:
            assert not machine.is_current(self.check, message.attempt)
            return
        except NotClaimableError:
            waits = self.check.not_before is not None and self.now < self.check.not_before
            assert waits or self.check.state is not State.QUEUED
            return
        if message.kind == "claim":
            if after.attempt != self.check.attempt:
                self.attempts_given.append(after.attempt)
            runner = self.runners[message.runner]
            if message.incarnation == self._incarnation(message.runner):
                runner.holds.add(after.attempt)
        self._becomes(after)

    def _applied(self, message: _Message) -> Check:
        check, now = self.check, self.now
        match message.kind:
            case "claim":
                return machine.claim(
                    check,
                    runner=message.runner,
                    incarnation=message.incarnation,
                    claim_id=message.claim_id,
                    now=now,
                    lease_for=LEASE,
                )
            case "start":
                return machine.start(check, attempt=message.attempt, now=now)
            case "release":
                return machine.release(check, attempt=message.attempt, reason="", now=now)
            case "register":
                return machine.restart(
                    check,
                    runner=message.runner,
                    incarnation=message.incarnation,
                    now=now,
                    retries=RETRIES,
                )
            case _:
                return machine.finish(
                    check,
                    attempt=message.attempt,
                    result=Result(verdict=message.verdict),
                    last_sequence=3,
                    now=now,
                    retries=RETRIES,
                )

    # What the scheduler does by itself, and its users

    @rule(seconds=st.sampled_from([0.1, 1.0, 3.0, 11.0, 5000.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def looks_for_expired_leases(self) -> None:
        self._becomes(machine.expire(self.check, now=self.now, lease_for=LEASE, retries=RETRIES))

    @precondition(lambda self: self.check.state in ACTIVE)
    @rule()
    def all_are_silent(self) -> None:
        self.now += timedelta(days=1)
        self.looks_for_expired_leases()
        assert self.check.lease is None

    @precondition(lambda self: self.impatient or self.check.attempt > 1)
    @rule()
    def is_cancelled(self) -> None:
        self.cancelled_while_unfinished |= not self.check.finished
        self._becomes(machine.cancel(self.check, now=self.now))

    def _becomes(self, after: Check) -> None:
        before, self.check = self.check, after
        if before.finished:
            assert after is before, "terminal is final"
        assert after.failed_attempts[: len(before.failed_attempts)] == before.failed_attempts
        if before.cancel_requested and not before.finished:
            assert after.cancel_requested
            assert after.state is not State.QUEUED, "a cancelled check is never tried again"
        if after.finished and not before.finished:
            self.ended = after
            if after.finished_by:
                assert machine.is_current(before, after.finished_by)

    # What holds

    @invariant()
    def attempts_count_up(self) -> None:
        assert self.attempts_given == list(range(1, self.check.attempt + 1))

    @invariant()
    def failures_are_bounded(self) -> None:
        assert self.check.failures <= RETRIES.attempts
        assert self.check.failures <= len(self.check.failed_attempts)
        if self.check.failures == RETRIES.attempts:
            assert self.check.finished

    @invariant()
    def a_lease_is_held_while_active_only(self) -> None:
        assert (self.check.lease is not None) == (self.check.state in ACTIVE)

    @invariant()
    def the_end_stays(self) -> None:
        assert self.ended is None or self.check is self.ended

    @invariant()
    def the_verdict_is_somebodys(self) -> None:
        """Found by the runner of the last attempt, given up, or cancelled: nothing else."""
        check = self.check
        if check.result is None:
            return
        verdict = check.result.verdict
        if check.finished_by:
            assert check.finished_by == check.attempt
            assert verdict in self.ends_asked[check.attempt]
        elif verdict is Verdict.CANCELLED:
            assert self.cancelled_while_unfinished
        else:
            assert verdict is Verdict.INFRASTRUCTURE_ERROR
            assert check.failures == RETRIES.attempts

    @invariant()
    def it_can_still_end(self) -> None:
        """From here, with no message ever arriving again, one honest runner brings it to an end."""
        check, now = self.check, self.now
        for number in range(2):
            if check.finished:
                break
            now += timedelta(days=1)
            check = machine.expire(check, now=now, lease_for=LEASE, retries=RETRIES)
            if check.finished:
                break
            now += timedelta(days=1)
            check = machine.claim(
                check, runner="honest", incarnation="h", claim_id=f"honest {number}",
                now=now, lease_for=LEASE,
            )  # fmt: skip
            check = machine.finish(
                check, attempt=check.attempt, result=Result(verdict=Verdict.SUCCESS),
                last_sequence=1, now=now, retries=RETRIES,
            )  # fmt: skip
        assert check.finished
        if self.check.cancel_requested and not self.check.finished:
            lost = machine.expire(self.check, now=now, lease_for=LEASE, retries=RETRIES)
            assert lost.result is not None
            assert lost.result.verdict is Verdict.CANCELLED


TestDeliveries = Deliveries.TestCase
TestDeliveries.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)


def test_the_mailbox_finds_a_broken_fence() -> None:
    """The rules above can fail: without the fence a stale runner ends another's attempt."""
    deliveries = Deliveries()
    deliveries.create()
    deliveries.claims_it("a")
    deliveries.arrives(0, again=False)
    deliveries.speaks_of_an_attempt("a", Verdict.SUCCESS, "finish")
    deliveries.time_passes(11.0)
    deliveries.looks_for_expired_leases()
    deliveries.time_passes(3.0)
    deliveries.claims_it("b")
    deliveries.arrives(1, again=False)
    assert 2 == deliveries.check.attempt
    before = deliveries.check
    deliveries.arrives(0, again=True)
    assert before is deliveries.check
    stolen = dataclasses.replace(
        before,
        state=State.FINISHED,
        lease=None,
        finished_by=1,
        result=Result(verdict=Verdict.SUCCESS),
    )
    try:
        deliveries._becomes(stolen)
    except AssertionError:
        return
    raise AssertionError("the rules let it pass")
