"""Runs over the same entities are compared exactly."""

import math

import pytest

from ackrep.scheduler.v1.check_pb2 import (
    VERDICT_INACCURATE,
    VERDICT_SUCCESS,
    Check,
    Quantity,
    Result,
)
from bench.comparison import Comparison, differences


def check(score: float | None = 0.5, **facts: object) -> Check:
    """A check that succeeded, with an array of three values."""
    quantity = Quantity(
        **{"name": "errors", "values": [1.0, math.nan, 3.0], "shape": [3], "dtype": "float64"}  # type: ignore[arg-type]
        | facts
    )
    return Check(verdict=VERDICT_SUCCESS, result=Result(score=score, quantities=[quantity]))


def test_equal_is_identical() -> None:
    """What is no number equals itself; the sentence counts what was compared."""
    comparison = Comparison([("warm", {"A": check()}), ("cold", {"A": check()})])
    assert [] == comparison.rows
    text = comparison.markdown()
    assert "Identical in warm, cold" in text
    assert "1 entities, and 2 numbers and arrays with 4 values" in text


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (check(score=math.nextafter(0.5, 1.0)), "score"),
        (check(score=None), "score"),
        (check(values=[1.0, math.nan, math.nextafter(3.0, 4.0)]), "errors"),
        (check(values=[1.0, 2.0, 3.0]), "errors"),
        (check(shape=[1, 3]), "errors"),
        (check(dtype="float32"), "errors"),
        (check(artefact="artefacts/00"), "errors"),
        (check(name="other"), "errors"),
        (Check(verdict=VERDICT_INACCURATE, result=check().result), "verdict"),
    ],
)
def test_the_last_bit_counts(other: Check, what: str) -> None:
    """Each difference is a row that names what differs."""
    assert what in {name for name, _, _ in differences(check(), other)}
    comparison = Comparison([("warm", {"A": check()}), ("cold", {"A": other})])
    assert f"| A | cold | {what} |" in comparison.markdown()


def test_a_missing_check_is_a_difference() -> None:
    """An entity that is in one run only is told."""
    comparison = Comparison([("warm", {"A": check()}), ("cold", {})])
    assert [("A", "cold", "check", "True", "False")] == comparison.rows
