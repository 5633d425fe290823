"""How many workplaces there are to be: the rules, without any workplace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import InvalidArgumentError
from services.runner.domain.pools import (
    LONGEST_PAUSE,
    PoolPolicy,
    Stock,
    Trouble,
    Warmth,
    full,
    parse_warm,
    to_start,
)

COUNTS = st.integers(0, 20)
STOCKS = st.builds(Stock, busy=COUNTS, idle=COUNTS, starting=COUNTS, elsewhere=COUNTS)
POLICIES = st.builds(PoolPolicy, slots=st.integers(1, 20), spare=COUNTS)


@st.composite
def warmths(draw: st.DrawFn) -> Warmth:
    """Bounds as they can be written."""
    minimum = draw(COUNTS)
    bounded = draw(st.booleans())
    maximum = draw(st.integers(max(1, minimum), 30)) if bounded else 0
    return Warmth(minimum=minimum, maximum=maximum)


@given(warmths())
def test_bounds_are_read_as_they_are_written(warmth: Warmth) -> None:
    """`name:MIN` and `name:MIN-MAX` mean what they say."""
    bounds = f"{warmth.minimum}-{warmth.maximum}" if warmth.maximum else str(warmth.minimum)
    assert {"a_environment": warmth} == parse_warm([f"a_environment:{bounds}"])


def test_a_name_alone_is_one_workplace() -> None:
    """As it was before there were bounds; blanks around the parts do not count."""
    assert {
        "a_environment": Warmth(minimum=1),
        "b_environment": Warmth(minimum=0, maximum=2),
    } == parse_warm(["a_environment", " b_environment : 0-2 "])


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (["a:x"], "ACKREP_RUNNER_WARM: 'a:x': its bounds are neither MIN nor MIN-MAX"),
        (["a:1-"], "neither MIN nor MIN-MAX"),
        (["a:-1"], "neither MIN nor MIN-MAX"),
        (["a:3-2"], "at most 2 is less than at least 3"),
        (["a:0-0"], "at most 0 is less than at least 1"),
        (["a:"], "'a:' is none of name, name:MIN and name:MIN-MAX"),
        ([":1"], "':1' is none of name, name:MIN and name:MIN-MAX"),
        (["a:1", "a"], "a is there twice"),
    ],
)
def test_what_cannot_be_meant_is_refused(entries: list[str], words: str) -> None:
    """The message names the entry and how it is to be."""
    with pytest.raises(InvalidArgumentError) as refused:
        parse_warm(entries)
    assert words in refused.value.message


@given(st.lists(st.text(alphabet="ab:-019 ", max_size=8), max_size=3))
def test_any_text_is_read_or_refused(entries: list[str]) -> None:
    """Nothing else happens, and what is read can be kept: no maximum below its minimum."""
    try:
        found = parse_warm(entries)
    except InvalidArgumentError:
        return
    assert all(not w.maximum or w.maximum >= max(1, w.minimum) for w in found.values())


def test_more_warm_ones_than_may_be_are_refused() -> None:
    """The message says which settings disagree."""
    warm = {"a_environment": Warmth(minimum=2), "b_environment": Warmth(minimum=2)}
    assert 4 == PoolPolicy(slots=2, spare=2, warm=warm).total
    with pytest.raises(InvalidArgumentError, match=r"4 workplaces.*ACKREP_RUNNER_WARM.*3"):
        PoolPolicy(slots=2, spare=1, warm=warm)


def test_bounds_are_found_by_alias() -> None:
    """What is written with another name of an environment holds for it; others are unbounded."""
    policy = PoolPolicy(warm={"old_environment": Warmth(minimum=1)})
    assert Warmth(minimum=1) == policy.warmth(["new_environment", "old_environment"])
    assert Warmth() == policy.warmth(["another_environment"])


@given(STOCKS, warmths(), POLICIES, st.booleans())
def test_no_bound_is_exceeded(
    stock: Stock, warmth: Warmth, policy: PoolPolicy, in_use: bool
) -> None:
    """Whatever is there, what is started ahead stays within the runner's and its own bounds."""
    count = to_start(stock, warmth, policy, in_use=in_use)
    assert count >= 0
    if count:
        assert stock.here + stock.elsewhere + count <= policy.total
        assert not warmth.maximum or stock.here + count <= warmth.maximum
        assert not full(stock, warmth)


@given(STOCKS, warmths(), POLICIES, st.booleans())
def test_the_minimum_is_reached_where_there_is_room(
    stock: Stock, warmth: Warmth, policy: PoolPolicy, in_use: bool
) -> None:
    """After the start there are as many as are to be warm, or the runner is full."""
    after = stock.here + to_start(stock, warmth, policy, in_use=in_use)
    assert after >= warmth.minimum or after + stock.elsewhere >= policy.total


@given(STOCKS, POLICIES)
def test_nothing_is_started_for_nobody(stock: Stock, policy: PoolPolicy) -> None:
    """An environment that is neither kept warm nor in use gets nothing ahead."""
    assert 0 == to_start(stock, Warmth(), policy, in_use=False)


def test_one_beyond_the_busy_ones() -> None:
    """While checks come in, the next finds a workplace ready; the last slot needs none."""
    policy = PoolPolicy(slots=2, spare=2)
    assert 1 == to_start(Stock(busy=1), Warmth(), policy, in_use=True)
    assert 0 == to_start(Stock(busy=2), Warmth(), policy, in_use=True)
    assert 0 == to_start(Stock(busy=1, starting=1), Warmth(), policy, in_use=True)


@given(st.integers(1, 200))
def test_pauses_grow_and_end(count: int) -> None:
    """Each failure in succession at least as long a pause, never more than two minutes."""
    trouble, pauses = Trouble(), []
    for _ in range(count):
        trouble = trouble.another("why", now=7.0)
        pauses.append(trouble.pause(7.0))
    assert sorted(pauses) == pauses
    assert LONGEST_PAUSE >= pauses[-1]
    assert 0.0 == trouble.pause(7.0 + pauses[-1])
    assert count == trouble.failures


def test_trouble_says_what_and_when() -> None:
    """The last reason, how often, and when the next try is; nothing where all is well."""
    assert "" == Trouble().describe(0.0)
    trouble = Trouble().another("first", now=0.0).another("no memory left", now=10.0)
    assert "no memory left" in trouble.describe(10.0)
    assert "2 times" in trouble.describe(10.0)
    assert "next try in 1 s" in trouble.describe(10.0)
    assert "trying again" in trouble.describe(99.0)
