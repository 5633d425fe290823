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

    def nearest(self, word: str, *, open_ended: bool = False) -> list[str]:
        """Words that are as few slips away as possible, the most frequent first.

        A slip is a letter too many, too few, wrong, or changed with its neighbour: one is
        forgiven in words of 4 to 7 letters, two in longer ones. Of a word that may go on
        (`open_ended`), beginnings of longer words are tried if no whole word is near.
        """
        slips = _slips(word)
        if not slips:
            return []
        lengths = range(len(word) - slips, len(word) + slips + 1)
        choices = [one for length in lengths for one in self._by_length.get(length, ())]
        found = _near(word, choices, slips)
        if not found and open_ended:
            found = self._continuing(word, slips)
        return sorted(found, key=lambda one: (-self._counts[one], one))[:MAX_CANDIDATES]

    def _continuing(self, word: str, slips: int) -> list[str]:
        """Words with a beginning that is near, of those with the same first letter.

        Who slips with the first letter sees it, and without this all words would have to be cut.
        """
        beginnings: dict[str, list[str]] = {}
        for length, words in self._by_length.items():
            if length > len(word):
                for one in words:
                    if one[0] == word[0]:
                        for cut in (len(word) - 1, len(word), len(word) + 1):
                            beginnings.setdefault(one[:cut], []).append(one)
        near = _near(word, beginnings, slips)
        return list({one for beginning in near for one in beginnings[beginning]})


def looks_like_key(written: str) -> bool:
    """Whether somebody may have meant a key."""
    near = abs(len(written) - _KEY_LENGTH) <= 1 and written.isascii() and written.isalnum()
    return near and (written.isupper() or any(character.isdigit() for character in written))


def nearest_keys(key: str, keys: Iterable[str]) -> list[str]:
    """Keys with one slip, in order."""
    return sorted(_near(key, keys, 1))[:MAX_CANDIDATES]


def _near(word: str, choices: Iterable[str], slips: int) -> list[str]:
    """The nearest of all choices that are near enough."""
    near = process.extract(
        word, list(choices), scorer=OSA.distance, score_cutoff=slips, limit=None, processor=None
    )
    least = min((distance for _, distance, _ in near), default=0)
    return [one for one, distance, _ in near if distance == least]


def _slips(word: str) -> int:
    if len(word) < _SHORT:
        return 0
    return 1 if len(word) < _LONG else 2
