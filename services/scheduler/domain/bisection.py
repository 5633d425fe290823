"""Which change made an entity's verdict flip: binary search over states in their order.

An *axis* is a list of states, oldest first: commits of the data repository, or images of an
environment. At its first one the entity was a success, at its last one it is none. Known verdicts,
from results that are stored anyway, cost nothing and narrow the search.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum

from services.scheduler.domain.check import Verdict


class Finding(StrEnum):
    """What is known of one state."""

    GOOD = "good"
    """The entity was a success."""
    BAD = "bad"
    """It was none."""
    UNTESTABLE = "untestable"
    """Nothing can be said: cancelled, timed out, our own failure, or the entity did not exist."""


@dataclass(frozen=True, kw_only=True)
class Bracket:
    """Two states between which the verdict flips, as narrow as it is known."""

    good: int
    """Place of the last known success before `bad`."""
    bad: int
    """Place of the first known failure after `good`."""

    @property
    def narrow(self) -> bool:
        """Whether nothing lies between them: `bad` is the change that broke it."""
        return self.bad == self.good + 1


def bracket(findings: Mapping[int, Finding]) -> Bracket:
    """The latest flip that is known: the last success that a failure follows, and that failure.

    An entity that broke, was repaired and broke again has several flips; the latest is the one
    that somebody has to repair now.

    Raises:
        ValueError: No failure follows a success.
    """
    bad = [place for place, finding in findings.items() if finding is Finding.BAD]
    last_bad = max(bad, default=-1)
    good = [
        place for place, finding in findings.items() if finding is Finding.GOOD and place < last_bad
    ]
    if not good:
        raise ValueError("no failure follows a success")
    last_good = max(good)
    return Bracket(good=last_good, bad=min(place for place in bad if place > last_good))


def next_probe(findings: Mapping[int, Finding]) -> int | None:
    """Which state to try next: the middle of the bracket, or the testable one nearest to it.

    Nothing is left where the bracket is narrow, or all between is untestable.
    """
    found = bracket(findings)
    between = [place for place in range(found.good + 1, found.bad) if place not in findings]
    if not between:
        return None
    middle = (found.good + found.bad) / 2
    return min(between, key=lambda place: (abs(place - middle), place))


def suspects(findings: Mapping[int, Finding]) -> range:
    """The states of which one broke it: a single one where those before it could be tried."""
    found = bracket(findings)
    return range(found.good + 1, found.bad + 1)


class State(IntEnum):
    """Where a bisection stands; numbers are those of the protos."""

    RUNNING = 1
    FINISHED = 2
    FAILED = 3


class Axis(IntEnum):
    """What a bisection varies; numbers are those of the protos."""

    UNKNOWN = 0
    COMMIT = 1
    ENVIRONMENT = 2


@dataclass(frozen=True, kw_only=True)
class Point:
    """A state of everything that a verdict depends on."""

    commit: str
    environment: str
    """One image of the environment, `name@{hex digits}`."""
    subject: str = ""
    """First line of the commit's message."""
    check: str = ""
    """Id of the check that says how the entity was there."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A state that was looked at."""

    place: int
    """Place on the axis; `CROSSED` for the probe that decides which axis it is."""
    point: Point
    verdict: Verdict | None = None
    """None while it runs."""
    known: bool = False
    """Whether a stored result said so, and nothing had to run."""
    failed: str = ""
    """Why it could not be tried at all; empty where it could."""

    @property
    def pending(self) -> bool:
        """Whether its check is not finished."""
        return self.verdict is None and not self.failed

    @property
    def finding(self) -> Finding:
        """What it says."""
        if self.verdict is Verdict.SUCCESS:
            return Finding.GOOD
        bad = (Verdict.INACCURATE, Verdict.SCRIPT_ERROR, Verdict.LIMIT_EXCEEDED)
        return Finding.BAD if self.verdict in bad else Finding.UNTESTABLE


CROSSED = -1
"""Place of the probe of the bad commit in the good image."""


@dataclass(frozen=True, kw_only=True)
class Bisection:
    """A search for the change that broke an entity."""

    id: str
    entity: str
    """Key."""
    good: Point
    bad: Point
    create_time: datetime
    state: State = State.RUNNING
    axis: Axis = Axis.UNKNOWN
    candidates: tuple[Point, ...] = ()
    """The axis from good to bad, both included; empty until it is known."""
    probes: tuple[Probe, ...] = ()
    culprits: tuple[Point, ...] = ()
    message: str = ""
    finish_time: datetime | None = None

    @property
    def pending(self) -> Probe | None:
        """The probe whose check is not finished."""
        return next((probe for probe in self.probes if probe.pending), None)

    @property
    def findings(self) -> dict[int, Finding]:
        """What is known of the places of the axis; its ends are what they were said to be."""
        found = {0: Finding.GOOD, len(self.candidates) - 1: Finding.BAD}
        tried = {p.place: p.finding for p in self.probes if not p.pending and p.place != CROSSED}
        return {**tried, **found}

    @property
    def crossed(self) -> Finding | None:
        """What came out for the bad commit in the good image; none where that was not tried."""
        for probe in self.probes:
            if probe.place == CROSSED and not probe.pending:
                return probe.finding
        return None


def axis_of(bisection: Bisection) -> Axis | None:
    """Which axis the verdict flips on; none where the bad commit has to be tried in the good image.

    Where both differ, and the bad commit is good in the good image, it is the image; else the
    commits explain it alone.
    """
    if bisection.good.environment == bisection.bad.environment:
        return Axis.COMMIT
    if bisection.good.commit == bisection.bad.commit:
        return Axis.ENVIRONMENT
    if bisection.crossed is None:
        return None
    return Axis.ENVIRONMENT if bisection.crossed is Finding.GOOD else Axis.COMMIT
