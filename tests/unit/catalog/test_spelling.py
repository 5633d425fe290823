"""The nearest words: how many slips are forgiven, and in which order words are offered."""

import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from services.catalog.spelling import MAX_CANDIDATES, Vocabulary, nearest_keys

words = st.text("abcd", min_size=1, max_size=10)


@pytest.mark.parametrize(
    ("word", "known", "near"),
    [
        ("lornez", "lorenz", True),  # neighbours exchanged
        ("lorenzz", "lorenz", True),  # too many
        ("loenz", "lorenz", True),  # too few
        ("lorens", "lorenz", True),  # wrong
        ("larens", "lorenz", False),  # two in a short word
        ("qwadratik", "quadratic", True),  # two in a long one
        ("qwatratik", "quadratic", False),
        ("cht", "cat", False),  # everything is near to three letters
        ("cars", "cart", True),
    ],
)
def test_slips(word: str, known: str, near: bool) -> None:
    """One slip in words of 4 to 7 letters, two in longer ones, none in shorter ones."""
    assert ([known] if near else []) == Vocabulary({known: 1}).nearest(word)


def test_fewest_slips_then_frequency() -> None:
    """Nearer words come alone; of equally near ones the more frequent ones, then by alphabet."""
    vocabulary = Vocabulary({"controller": 9, "controllers": 99, "controlled": 5, "controlles": 9})
    assert ["controller", "controlles", "controlled"] == vocabulary.nearest("controllez")
    assert ["controllers"] == vocabulary.nearest("controlelrs")


def test_beginnings() -> None:
    """A word that may go on is compared with beginnings, where no whole word is near."""
    vocabulary = Vocabulary({"pendulum": 2, "pendulums": 3, "bend": 1, "endless": 1})
    assert [] == vocabulary.nearest("pnedul")
    assert ["pendulums", "pendulum"] == vocabulary.nearest("pnedul", open_ended=True)
    assert ["bend"] == vocabulary.nearest("bendd", open_ended=True)


def test_keys() -> None:
    """Keys with one slip."""
    assert ["UXMFA", "UXMFX"] == nearest_keys("UXMFB", ["UXMFA", "UXMFX", "UXXXX", "12345"])


@given(words, st.dictionaries(words, st.integers(1, 9), max_size=12))
def test_never_farther_than_forgiven(word: str, counts: dict[str, int]) -> None:
    """Whatever the vocabulary: known words only, all equally near, and none nearer is missing."""
    found = Vocabulary(counts).nearest(word)
    allowed = 0 if len(word) < 4 else 1 if len(word) < 8 else 2
    distances = {OSA.distance(word, one) for one in found}
    assert len(distances) <= 1
    least = min((OSA.distance(word, one) for one in counts), default=99)
    assert bool(found) is (allowed > 0 and least <= allowed)
    assert distances <= {least}


def test_large_vocabularies() -> None:
    """Of tens of thousands of words the nearest are found at once, and not too many are offered."""
    letters = string.ascii_lowercase
    endings = (a + b + c + d for a in letters for b in letters for c in letters for d in "xy")
    known = {f"word{ending}": 1 for ending in endings}
    vocabulary = Vocabulary(known)
    begin = time.perf_counter()
    found = vocabulary.nearest("word1a1x", open_ended=True)
    assert MAX_CANDIDATES == len(found)
    assert time.perf_counter() - begin < 2
