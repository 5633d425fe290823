"""Binary search for the change that flipped a verdict."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.domain.bisection import (
    Finding,
    bracket,
    next_probe,
    suspects,
)

GOOD, BAD, UNTESTABLE = Finding.GOOD, Finding.BAD, Finding.UNTESTABLE


def search(truth: list[Finding], known: dict[int, Finding]) -> tuple[dict[int, Finding], int]:
    """Searches as the scheduler does: what was found, and how many probes it took."""
    findings, probes = dict(known), 0
    while (place := next_probe(findings)) is not None:
        findings[place] = truth[place]
        probes += 1
        assert probes <= len(truth)
    return findings, probes


@given(st.integers(2, 300), st.data())
def test_the_first_bad_state_is_found_in_log2_probes(states: int, data: st.DataObject) -> None:
    """Wherever it broke, ceil(log2 n) probes name the state."""
    first_bad = data.draw(st.integers(1, states - 1))
    truth = [GOOD] * first_bad + [BAD] * (states - first_bad)
    findings, probes = search(truth, {0: GOOD, states - 1: BAD})
    assert range(first_bad, first_bad + 1) == suspects(findings)
    assert probes <= math.ceil(math.log2(states))


@given(st.integers(2, 120), st.data())
def test_untestable_states_are_passed_over(states: int, data: st.DataObject) -> None:
    """What cannot be tried stays a suspect beside the first bad state; nothing else does."""
    first_bad = data.draw(st.integers(1, states - 1))
    truth = [GOOD] * first_bad + [BAD] * (states - first_bad)
    for place in data.draw(st.sets(st.integers(1, max(1, states - 2)), max_size=states)):
        if 0 < place < states - 1:
            truth[place] = UNTESTABLE
    findings, _ = search(truth, {0: GOOD, states - 1: BAD})
    found = suspects(findings)
    assert first_bad in found
    assert all(truth[place] is UNTESTABLE for place in found[:-1])


@given(st.lists(st.sampled_from([GOOD, BAD]), min_size=2, max_size=60), st.data())
def test_a_flip_is_found_whatever_happened_before(
    truth: list[Finding], data: st.DataObject
) -> None:
    """Broken, repaired and broken again: the state that is named is bad, the one before it good."""
    truth = [GOOD, *truth, BAD]
    some = data.draw(st.sets(st.integers(0, len(truth) - 1)))
    known = {place: truth[place] for place in some | {0, len(truth) - 1}}
    findings, _ = search(truth, known)
    (culprit,) = suspects(findings)
    assert (GOOD, BAD) == (truth[culprit - 1], truth[culprit])


def test_known_results_cost_nothing() -> None:
    """Where the neighbours of the flip are known, nothing is tried."""
    assert next_probe({0: GOOD, 40: GOOD, 41: BAD, 99: BAD}) is None


def test_without_a_flip_there_is_nothing_to_search() -> None:
    """A success after the last failure is a repair."""
    with pytest.raises(ValueError, match="no failure follows"):
        bracket({0: BAD, 1: GOOD})
