"""Which change made an entity's verdict flip: binary search over states in their order.

An *axis* is a list of states, oldest first: commits of the data repository, or images of an
environment. At its first one the entity was a success, at its last one it is none. Known verdicts,
from results that are stored anyway, cost nothing and narrow the search.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


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


def most_probes(states: int) -> int:
    """How many checks one axis takes at most, where every state can be tried: ceil(log2 n)."""
    return max(0, math.ceil(math.log2(max(1, states - 1))))
