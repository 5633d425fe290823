"""The order of the queue: fair shares of time, and the longest first."""

import heapq

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.domain.ordering import (
    LEAST_SECONDS,
    UNKNOWN_SECONDS,
    expected,
    ranks,
)

costs = st.lists(st.floats(0.05, 300, allow_nan=False), min_size=1, max_size=30)


def test_the_median_of_the_latest_times_is_expected() -> None:
    """One slow run among several changes nothing."""
    assert [2.0] == expected({"A": [2.0, 90.0, 1.9]}, ["A"])


def test_an_entity_that_never_ran_is_taken_for_a_longer_one() -> None:
    """It is expected to take as long as the upper quartile; without any history, some seconds."""
    known = {"A": [1.0], "B": [2.0], "C": [3.0], "D": [4.0], "E": [5.0]}
    assert [4.0] == expected(known, ["NEW"])
    assert [UNKNOWN_SECONDS] == expected({}, ["NEW"])
    assert [LEAST_SECONDS] == expected({"A": [0.0]}, ["A"])


@given(costs)
def test_the_longest_of_a_run_goes_first(seconds: list[float]) -> None:
    """Sorted by rank, the costs fall."""
    found = ranks(seconds, virtual_time=0.0, behind=0.0, flows=1)
    in_order = [cost for _, cost in sorted(zip(found, seconds, strict=True), key=lambda x: x[0])]
    assert sorted(seconds, reverse=True) == pytest.approx(in_order)


@given(costs)
def test_longest_first_is_at_most_four_thirds_of_the_best(seconds: list[float]) -> None:
    """On k slots a run takes at most 4/3 of the lower bound and the longest one (Graham 1969)."""
    slots = [0.0, 0.0]
    found = ranks(seconds, virtual_time=0.0, behind=0.0, flows=1)
    for _, cost in sorted(zip(found, seconds, strict=True), key=lambda pair: pair[0]):
        heapq.heapreplace(slots, slots[0] + cost)
    bound = max(sum(seconds) / 2, *seconds)
    assert max(slots) <= 4 / 3 * bound + max(seconds) / 3 + 1e-6


@given(costs, costs)
def test_two_runs_get_equal_time_while_both_wait(first: list[float], second: list[float]) -> None:
    """Served one after the other by rank, neither gets more than two checks' time ahead."""
    queue = [(rank, 0, cost) for rank, cost in zip(_alone(first), first, strict=True)]
    queue += [(rank, 1, cost) for rank, cost in zip(_alone(second), second, strict=True)]
    given_time, left = [0.0, 0.0], [len(first), len(second)]
    longest = max(*first, *second)
    for _, flow, cost in sorted(queue):
        given_time[flow] += cost
        left[flow] -= 1
        if all(left):
            assert abs(given_time[0] - given_time[1]) <= 2 * longest + 1e-6


def test_a_late_run_does_not_wait_for_an_early_one() -> None:
    """A run that comes when another has run for an hour begins beside what waits of that."""
    waiting = [3600.0, 3610.0, 3620.0]
    late = ranks([10.0, 10.0], virtual_time=min(waiting), behind=0.0, flows=1)
    assert [3600.0, 3610.0] == late


def test_two_runs_of_one_requester_share_what_one_would_get() -> None:
    """With two flows, each advances half as fast."""
    assert [0.0, 20.0] == ranks([10.0, 10.0], virtual_time=0.0, behind=0.0, flows=2)


def test_checks_join_their_flow_at_its_end() -> None:
    """A requester's further single checks stand behind those that wait already."""
    assert [50.0] == ranks([1.0], virtual_time=10.0, behind=50.0, flows=1)


def _alone(seconds: list[float]) -> np.ndarray:
    return np.asarray(ranks(seconds, virtual_time=0.0, behind=0.0, flows=1))
