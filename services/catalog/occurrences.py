"""Collecting where words stand in many entity versions at once, as `domain.words` defines it.

Word by word in Python this would take longer than all the rest of an index. So the words of some
thousand texts are cut at once, turned into numbers, and sorted by number.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from services.catalog.domain.words import (
    FIELD_MASK,
    FIELD_SEPARATOR,
    FIELD_SHIFT,
    FIELDS,
    NAMING_FIELDS,
    VERSION_SHIFT,
    forms_of,
    joined,
    split,
)

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

MAX_VERSIONS: Final = 1 << 17
"""So many can be collected at once."""
_PLACE_BITS: Final = 17 + VERSION_SHIFT
_FIELD_END: Final = 0
"""Number of the sign between fields."""
_FIELD_STARTS: Final = np.arange(len(FIELDS), dtype=np.int64) << FIELD_SHIFT
_NAMING: Final = [FIELDS.index(name) for name in NAMING_FIELDS]


class _Numbering(dict[str, int]):
    """Numbers of words, each new one the next."""

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self)
        return number


class Occurrences:
    """Words of entity versions with their places."""

    def __init__(self) -> None:
        self._versions: list[int] = []
        self._written = _Numbering()
        self._written.update({FIELD_SEPARATOR: _FIELD_END})
        self._parts: list[tuple[Array, Array]] = []
        """Numbers of written words, and where they stand; of a version only its place in a list,
        so that word and place fit into one number that can be sorted."""

    def add(self, versions: Sequence[tuple[int, Sequence[Sequence[str]]]]) -> None:
        """Adds entity versions, each with the texts of its fields."""
        texts = [
            FIELD_SEPARATOR.join([joined(texts) for texts in of_version])
            for _, of_version in versions
        ]
        known = len(self._versions)
        self._versions += [number for number, _ in versions]
        plain = [place for place, text in enumerate(texts) if text.isascii()]
        others = [place for place, text in enumerate(texts) if not text.isascii()]
        for some in (plain, others):
            if some:
                self._add([texts[place] for place in some], np.array(some, np.int64) + known)

    def _add(self, texts: Sequence[str], versions: Array) -> None:
        words = split(FIELD_SEPARATOR.join(texts))
        numbers = np.fromiter(map(self._written.__getitem__, words), np.int64, len(words))
        ends = numbers == _FIELD_END
        field = np.cumsum(ends)  # counted over all versions
        begins = np.concatenate(([0], np.flatnonzero(ends) + 1))
        start = np.repeat(versions << VERSION_SHIFT, len(FIELDS)) + np.tile(
            _FIELD_STARTS, len(versions)
        )
        self._parts.append((numbers, (start - begins)[field] + np.arange(len(words))))

    def by_word(self) -> Iterator[tuple[str, int, bytes, int]]:
        """Each word with its first version, its places, and how often it stands in names."""
        folded, found = self._folded()
        found.sort()
        numbers, places = found >> _PLACE_BITS, found & ((1 << _PLACE_BITS) - 1)
        naming = np.isin(places >> FIELD_SHIFT & FIELD_MASK, _NAMING)
        versions = np.array(self._versions, np.int64)[places >> VERSION_SHIFT]
        within = places & ((1 << VERSION_SHIFT) - 1)
        begins = np.flatnonzero(np.diff(numbers, prepend=-1))
        names = np.add.reduceat(naming, begins, dtype=np.int64).tolist() if len(begins) else []
        packed = (versions << VERSION_SHIFT | within).astype("<i8").tobytes()
        bounds = [*(begins * 8).tolist(), len(packed)]
        firsts = versions[begins].tolist()
        for place, number in enumerate(numbers[begins].tolist()):
            block = packed[bounds[place] : bounds[place + 1]]
            yield folded[number], firsts[place], block, names[place]

    def _folded(self) -> tuple[list[str], Array]:
        """Folded words, and every word's number and place; with them the parts of names."""
        known = _Numbering()
        whole = np.full(len(self._written), -1, np.int64)
        parts: dict[int, list[int]] = {}
        for written, number in self._written.items():
            forms = [known[form] for form in forms_of(written)]
            if forms:
                whole[number] = forms[0]
                parts[number] = forms[1:]
        parts = {number: more for number, more in parts.items() if more}
        found = [np.zeros(0, np.int64)]
        for numbers, places in self._parts:
            words = whole[numbers]
            kept = words >= 0
            found.append(words[kept] << _PLACE_BITS | places[kept])
            if parts:
                some = np.isin(numbers, list(parts))
                found.append(
                    np.array(
                        [
                            form << _PLACE_BITS | place
                            for number, place in zip(
                                numbers[some].tolist(), places[some].tolist(), strict=True
                            )
                            for form in parts[number]
                        ],
                        np.int64,
                    )
                )
        return list(known), np.concatenate(found)
