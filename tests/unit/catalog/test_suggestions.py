"""Which keys are suggested is a matter of two texts alone, and can be asked from both sides."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.catalog.domain.indexing.suggestions import (
    candidate_keys,
    marks_of_key,
    marks_of_text,
    similar_keys,
)

KEYS = st.text("AB0", min_size=5, max_size=5)
TEXTS = st.text("AB0abx ?", max_size=8) | KEYS


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("abcde", "ABCDE"),
        (" ABCDE ", "ABCDE"),
        ("BACDE", "ABCDE"),
        ("ABCDF", "ABCDE"),
        ("ABCE", "ABCDE"),
        ("ABCDDE", "ABCDE"),
        ("ab_de", "ABCDE"),
    ],
)
def test_one_slip(written: str, key: str) -> None:
    """Case, blanks, a swap, a wrong, a missing and a superfluous character."""
    assert [key] == similar_keys(written, {key, "ZZZZZ"}.__contains__)


@pytest.mark.parametrize("written", ["", "A", "ABXYE", "ABCDEFG", "ABCDE", "x" * 1000, "\udce9"])
def test_no_suggestion(written: str) -> None:
    """What is too far away gives none, nor does the key itself."""
    assert [] == similar_keys(written, {"ABCDE"}.__contains__)


def test_best_first() -> None:
    """The same in capitals, then swaps, then other characters; no more than asked for."""
    known = {"ABCDE", "BACDE", "ABCDF", "XBCDE"}
    assert ["ABCDE", "BACDE", "XBCDE"] == similar_keys("abcde", known.__contains__)
    assert ["ABCDE"] == similar_keys("abcde", known.__contains__, limit=1)


@settings(max_examples=500, deadline=None, print_blob=True)
@given(KEYS, TEXTS)
def test_both_sides_agree(key: str, written: str) -> None:
    """A key is a candidate for a text exactly where they share a mark, the text itself left out."""
    shared = bool(marks_of_key(key) & marks_of_text(written))
    assert shared == (key in candidate_keys(written) or key == written)


def test_few_look_ups() -> None:
    """A text asks for no more keys than there are slips."""
    assert len(candidate_keys("ABCDE")) <= 5 * 36 + 4
    assert len(marks_of_key("ABCDE")) <= 11
    assert len(marks_of_text("ABCDE")) <= 10
