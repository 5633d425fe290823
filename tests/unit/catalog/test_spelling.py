"""The nearest words: how many slips are forgiven, and in which order words are offered."""

import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from services.catalog.search.spelling import MAX_CANDIDATES, Vocabulary, nearest_keys

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
    assert ([[known]] if near else []) == Vocabulary({known: 1}).nearest(word)


def test_fewest_slips_then_frequency() -> None:
    """Nearer words come first; of equally near ones the more frequent ones, then by alphabet."""
    vocabulary = Vocabulary({"controller": 9, "controllers": 99, "controlled": 5, "controlles": 9})
    assert [["controller", "controlles", "controlled"], ["controllers"]] == vocabulary.nearest(
        "controllez"
    )


def test_beginnings() -> None:
    """A word that goes on is compared with beginnings of longer words."""
    vocabulary = Vocabulary({"pendulum": 2, "pendulums": 3, "bend": 1, "endless": 1})
    assert [] == vocabulary.nearest("pnedul")
    assert [["pendulums", "pendulum"]] == vocabulary.continuing("pnedul")
    assert [] == vocabulary.continuing("qnedul")


def test_keys() -> None:
    """Keys with one slip."""
    assert ["UXMFA", "UXMFX"] == nearest_keys("UXMFB", ["UXMFA", "UXMFX", "UXXXX", "12345"])


@given(words, st.dictionaries(words, st.integers(1, 9), max_size=12))
def test_never_farther_than_forgiven(word: str, counts: dict[str, int]) -> None:
    """Whatever the vocabulary: all words that are near enough, by their number of slips."""
    allowed = 0 if len(word) < 4 else 1 if len(word) < 8 else 2
    near = {one: OSA.distance(word, one) for one in counts}
    wanted = [
        {one for one, distance in near.items() if distance == slips} for slips in range(allowed + 1)
    ]
    expected = [group for group in wanted if group] if allowed else []
    assert expected == [set(group) for group in Vocabulary(counts).nearest(word)]


def test_large_vocabularies() -> None:
    """Of tens of thousands of words the nearest are found at once, and not too many are offered."""
    letters = string.ascii_lowercase
    endings = (a + b + c + d for a in letters for b in letters for c in letters for d in "xy")
    known = {f"word{ending}": 1 for ending in endings}
    vocabulary = Vocabulary(known)
    begin = time.perf_counter()
    found = [*vocabulary.nearest("word1a1x"), *vocabulary.continuing("word1a1")]
    assert MAX_CANDIDATES == len(found[0])
    assert time.perf_counter() - begin < 2
