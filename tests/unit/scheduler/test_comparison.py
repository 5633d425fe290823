"""What differs between two runs: promises that hold for all runs, and the rules one by one."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.domain.check import Verdict
from services.scheduler.domain.comparison import (
    ORDER,
    ChangeKind,
    EntityChange,
    NumberChange,
    Numbers,
    Reading,
    compare,
    compare_entity,
    compare_numbers,
)

_VALUES = st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=4)
_NUMBERS = st.builds(
    lambda values, dtype: Numbers(values=tuple(values), shape=(len(values),), dtype=dtype),
    _VALUES,
    st.sampled_from(["float64", "int64"]),
)


@st.composite
def runs(draw: st.DrawFn) -> list[Reading]:
    """A run of some of a few entities, each with any verdict or none yet."""
    keys = draw(st.sets(st.sampled_from(["AAAAA", "BBBBB", "CCCCC", "DDDDD"])))
    return [
        Reading(
            entity=key,
            check=f"check of {key}",
            verdict=draw(st.sampled_from([None, *Verdict])),
            seconds=draw(st.floats(min_value=0, max_value=100)),
            numbers=draw(st.dictionaries(st.sampled_from(["x", "score"]), _NUMBERS)),
        )
        for key in sorted(keys)
    ]


def kinds(changes: Sequence[EntityChange]) -> dict[str, ChangeKind]:
    """What became of each entity."""
    return {change.entity: change.kind for change in changes}


@given(runs())
def test_a_run_compared_with_itself_is_unchanged(run: list[Reading]) -> None:
    """Whatever has a verdict is unchanged, not slower, with no number that differs; NaN too."""
    comparison = compare(run, run)

    assert {
        reading.entity: ChangeKind.UNCHANGED if reading.telling else ChangeKind.PENDING
        for reading in run
    } == kinds(comparison.changes)
    assert not any(change.numbers or change.slower for change in comparison.changes)


_SWAPPED = {
    ChangeKind.BROKEN: ChangeKind.REPAIRED,
    ChangeKind.REPAIRED: ChangeKind.BROKEN,
    ChangeKind.ADDED: ChangeKind.REMOVED,
    ChangeKind.REMOVED: ChangeKind.ADDED,
}


@given(runs(), runs())
def test_the_other_way_round_everything_is_the_other_way_round(
    base: list[Reading], other: list[Reading]
) -> None:
    """Swapped runs swap broken and repaired, added and removed; differences stay as they are."""
    there, back = compare(base, other), compare(other, base)

    assert {
        entity: _SWAPPED.get(kind, kind) for entity, kind in kinds(there.changes).items()
    } == kinds(back.changes)
    again = {change.entity: change for change in back.changes}
    for change in there.changes:
        assert not (change.slower and again[change.entity].slower)
        assert [(one.name, one.absolute, one.relative) for one in change.numbers] == [
            (one.name, one.absolute, one.relative) for one in again[change.entity].numbers
        ]


@given(runs(), runs())
def test_every_entity_is_told_once_broken_ones_first(
    base: list[Reading], other: list[Reading]
) -> None:
    """Changes are ordered by kind, then entity, and the counts add up."""
    comparison = compare(base, other)

    told = [(ORDER.index(change.kind), change.entity) for change in comparison.changes]
    assert sorted(told) == told
    assert {one.entity for one in [*base, *other]} == {entity for _, entity in told}
    assert len(told) == sum(comparison.counts.values()) == len(set(told))


def a_reading(verdict: Verdict | None, *, seconds: float = 1.0, **numbers: float) -> Reading:
    """How an entity fared."""
    return Reading(
        entity="AAAAA",
        check="1",
        verdict=verdict,
        seconds=seconds,
        numbers={name: Numbers(values=(value,)) for name, value in numbers.items()},
    )


@pytest.mark.parametrize(
    ("base", "other", "kind"),
    [
        (Verdict.SUCCESS, Verdict.SUCCESS, ChangeKind.UNCHANGED),
        (Verdict.SUCCESS, Verdict.INACCURATE, ChangeKind.BROKEN),
        (Verdict.SUCCESS, Verdict.TIMED_OUT, ChangeKind.BROKEN),
        (Verdict.SCRIPT_ERROR, Verdict.SUCCESS, ChangeKind.REPAIRED),
        (Verdict.SCRIPT_ERROR, Verdict.INACCURATE, ChangeKind.VERDICT),
        (Verdict.SUCCESS, None, ChangeKind.PENDING),
        (Verdict.SUCCESS, Verdict.CANCELLED, ChangeKind.PENDING),
        (Verdict.INFRASTRUCTURE_ERROR, Verdict.SUCCESS, ChangeKind.PENDING),
        (Verdict.CANCELLED, Verdict.CANCELLED, ChangeKind.PENDING),
    ],
)
def test_kinds(base: Verdict | None, other: Verdict | None, kind: ChangeKind) -> None:
    """What two verdicts make of an entity; what says nothing of it is pending."""
    assert kind is compare_entity(a_reading(base), a_reading(other)).kind


def test_the_same_verdict_with_other_numbers() -> None:
    """A number that differs at all is a change; verdicts that differ say so first."""
    base = a_reading(Verdict.SUCCESS, x=1.0, y=2.0)

    changed = compare_entity(base, a_reading(Verdict.SUCCESS, x=1.0, y=2.0 + 1e-15))
    assert (ChangeKind.NUMBERS, ["y"]) == (changed.kind, [one.name for one in changed.numbers])
    broken = compare_entity(base, a_reading(Verdict.INACCURATE, x=1.0))
    assert (ChangeKind.BROKEN, "only in the earlier run") == (
        broken.kind,
        broken.numbers[0].message,
    )


@pytest.mark.parametrize(
    ("base", "other", "slower"),
    [
        (1.0, 1.5, True),
        (1.0, 1.49, False),
        (0.1, 0.59, False),
        (0.1, 0.6, True),
        (10.0, 12.0, False),
        (0.0, 9.0, False),
        (9.0, 1.0, False),
    ],
)
def test_slower(base: float, other: float, *, slower: bool) -> None:
    """Half as much again, and half a second; what did not run is not compared."""
    change = compare_entity(
        a_reading(Verdict.SUCCESS, seconds=base), a_reading(Verdict.SUCCESS, seconds=other)
    )
    assert slower is change.slower


def array(*values: float, dtype: str = "float64", digest: str = "") -> Numbers:
    """An array of one axis."""
    return Numbers(values=values, shape=(len(values),), dtype=dtype, digest=digest)


def changed(
    base: float, other: float, *, absolute: float, relative: float, message: str = ""
) -> NumberChange:
    """A difference, with the element that differs most."""
    return NumberChange(
        name="x", absolute=absolute, relative=relative, message=message, base=base, other=other
    )


@pytest.mark.parametrize(
    ("base", "other", "change"),
    [
        (array(1.0, math.nan), array(1.0, math.nan), None),
        (array(math.inf, -0.0), array(math.inf, 0.0), None),
        (array(1.0, 2.0), array(1.5, 4.0), changed(2.0, 4.0, absolute=2.0, relative=0.5)),
        (array(0.0), array(1e-300), changed(0.0, 1e-300, absolute=1e-300, relative=1.0)),
        (
            array(1.0),
            array(math.inf),
            changed(1.0, math.inf, absolute=math.inf, relative=math.inf),
        ),
        (
            array(-1.7e308),
            array(1.7e308),
            changed(-1.7e308, 1.7e308, absolute=math.inf, relative=2.0),
        ),
        (
            array(1.0, 2.0, 4.0),
            array(1.0, math.nan, 3.0),
            changed(4.0, 3.0, absolute=1.0, relative=0.25, message="1 of 3 are NaN on one side"),
        ),
        (array(1.0), array(1.0, 2.0), NumberChange(name="x", message="shape 1 became 2")),
        (
            Numbers(values=(1.0,)),
            array(1.0),
            NumberChange(name="x", message="shape of a single number became 1"),
        ),
        (
            array(1.0),
            array(1.0, dtype="int64"),
            NumberChange(name="x", message="float64 became int64"),
        ),
        (
            array(1.0, digest="a"),
            array(1.0, digest="b"),
            NumberChange(name="x", message="elements after the first 1 differ"),
        ),
    ],
)
def test_numbers(base: Numbers, other: Numbers, change: NumberChange | None) -> None:
    """Arrays are compared exactly; shapes and types that differ have no difference in numbers."""
    assert change == compare_numbers("x", base, other)
