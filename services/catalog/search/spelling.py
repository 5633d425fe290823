"""The nearest known words to one that occurs nowhere."""

from collections.abc import Iterable, Mapping
from typing import Final

from rapidfuzz import process
from rapidfuzz.distance import OSA

_SHORT: Final = 4
"""Shorter words are near to everything."""
_LONG: Final = 8
"""From so many letters on, two slips are forgiven."""
MAX_CANDIDATES: Final = 20
_KEY_LENGTH: Final = 5


class Vocabulary:
    """Words with how often they occur, ordered by length.

    Args:
        counts: Words, folded, with their counts.
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._counts = counts
        self._by_length: dict[int, list[str]] = {}
        for word in counts:
            self._by_length.setdefault(len(word), []).append(word)

    def nearest(self, word: str) -> list[list[str]]:
        """Words that are near: those with the fewest slips, then those with more.

        A slip is a letter too many, too few, wrong, or changed with its neighbour: one is
        forgiven in words of 4 to 7 letters, two in longer ones. Each list has the most frequent
        words first.
        """
        slips = _slips(word)
        lengths = range(len(word) - slips, len(word) + slips + 1)
        choices = [one for length in lengths for one in self._by_length.get(length, ())]
        return [self._first(group) for group in _near(word, choices, slips)]

    def continuing(self, word: str) -> list[list[str]]:
        """Words with a beginning that is near, of those with the same first letter, likewise.

        Who slips with the first letter sees it, and without this all words would have to be cut.
        """
        beginnings: dict[str, list[str]] = {}
        for length, words in self._by_length.items():
            if length > len(word):
                for one in words:
                    if one[0] == word[0]:
                        for cut in (len(word) - 1, len(word), len(word) + 1):
                            beginnings.setdefault(one[:cut], []).append(one)
        return [
            self._first({one for beginning in group for one in beginnings[beginning]})
            for group in _near(word, beginnings, _slips(word))
        ]

    def _first(self, words: Iterable[str]) -> list[str]:
        return sorted(words, key=lambda one: (-self._counts[one], one))[:MAX_CANDIDATES]


def looks_like_key(written: str) -> bool:
    """Whether somebody may have meant a key."""
    near = abs(len(written) - _KEY_LENGTH) <= 1 and written.isascii() and written.isalnum()
    return near and (written.isupper() or any(character.isdigit() for character in written))


def nearest_keys(key: str, keys: Iterable[str]) -> list[str]:
    """Keys with one slip, in order."""
    return sorted(one for group in _near(key, keys, 1) for one in group)[:MAX_CANDIDATES]


def _near(word: str, choices: Iterable[str], slips: int) -> list[list[str]]:
    """Choices that are near enough, by number of slips."""
    if not slips:
        return []
    near = process.extract(
        word, list(choices), scorer=OSA.distance, score_cutoff=slips, limit=None, processor=None
    )
    distances = sorted({distance for _, distance, _ in near})
    return [[one for one, slip, _ in near if slip == distance] for distance in distances]


def _slips(word: str) -> int:
    if len(word) < _SHORT:
        return 0
    return 1 if len(word) < _LONG else 2
