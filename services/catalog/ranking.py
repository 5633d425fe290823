"""Which entities have the words of a query, and how well: BM25 over weighted fields.

Places of words (see `domain.words`) are numbers, so that all is arithmetic on arrays: a word that
stands in every one of 100,000 entities is ranked, without any bound or guess, in a few
milliseconds. The score of a word in an entity sums the weights of the fields it stands in
(BM25F), saturates, and counts more the fewer entities have the word.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np

from services.catalog.columns import NOWHERE, Mask, Numbers, View
from services.catalog.domain.snippets import Slot
from services.catalog.domain.words import FIELD_MASK, FIELD_SHIFT, FIELDS, VERSION_SHIFT

Scores: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

WEIGHTS: Final = {
    "title": 10.0,
    "key": 12.0,
    "tags": 7.0,
    "short_description": 4.0,
    "creator": 3.5,
    "notes": 1.5,
    "path": 1.0,
}
_WEIGHTS: Final = np.array([WEIGHTS[name] for name in FIELDS])
_SATURATION: Final = 8.0
_LONGER: Final = 0.6
"""What a word counts that only begins with what was asked."""
_KEY: Final = 1000.0
"""Whoever asks for a key wants that entity first."""
_KEY_PART: Final = 100.0
MIN_KEY_PART: Final = 3
_TITLE: Final = FIELDS.index("title")


@dataclass(frozen=True)
class Found:
    """A slot of a clause with the places of its words."""

    slot: Slot
    exact: Sequence[bytes] = ()
    """Places of the words as asked, and of what is tried in their place."""
    longer: Sequence[bytes] = ()
    """Places of longer words that begin so."""
    keys: Sequence[str] = field(default=())
    """Whole keys, or the beginning of keys, that are meant first of all; in upper case."""


def numbers(parts: Sequence[bytes]) -> Numbers:
    """Places as numbers."""
    return np.frombuffer(b"".join(parts), "<i8").astype(np.int64)


def occurs(view: View, parts: Sequence[bytes]) -> bool:
    """Whether words stand anywhere in a revision."""
    return bool((view.rows(numbers(parts) >> VERSION_SHIFT) != NOWHERE).any())


def rank(
    view: View, clauses: Sequence[Sequence[Found]], excluded: Sequence[Sequence[Found]]
) -> tuple[Mask, Scores]:
    """Rows that have all clauses and none of the excluded ones, and a score for each row."""
    matched: Mask = np.ones(view.size, np.bool_)
    scores: Scores = np.zeros(view.size)
    for slots in clauses:
        frequencies = _frequencies(view, slots)
        has = frequencies > 0
        matched &= has
        count = int(has.sum())
        rarity = np.log1p((view.size - count + 0.5) / (count + 0.5))
        scores += rarity * frequencies / (frequencies + _SATURATION)
        if len(slots) == 1:
            for key in slots[0].keys:
                scores[view.keys_from(key)] += _KEY if len(key) == view.keys.itemsize else _KEY_PART
    for slots in excluded:
        matched &= _frequencies(view, slots) == 0
    return matched, scores


def best(matched: Mask, scores: Scores, *, offset: int, limit: int) -> Numbers:
    """Rows of a page, best first, equal ones by key."""
    rows = np.flatnonzero(matched)
    # Sums of floats in another order differ in the last digits; that must not decide.
    negative = -np.round(scores[rows], 9)
    wanted = offset + limit
    if len(rows) > 4 * wanted:
        least = np.partition(negative, wanted - 1)[wanted - 1]
        kept = negative <= least
        rows, negative = rows[kept], negative[kept]
    return rows[np.argsort(negative, kind="stable")][offset:wanted]


def _frequencies(view: View, slots: Sequence[Found]) -> Scores:
    """How often a clause stands in each row, weighted by field."""
    total: Scores = np.zeros(view.size)
    for everywhere, quality in _occurrences(slots):
        rows = view.rows(everywhere >> VERSION_SHIFT)
        here = rows != NOWHERE
        rows, places = rows[here], everywhere[here]
        fields = (places >> FIELD_SHIFT) & FIELD_MASK
        weights = _WEIGHTS[fields] * quality
        titles = fields == _TITLE
        weights[titles] *= view.title_scale[rows[titles]]
        total += np.bincount(rows, weights, minlength=view.size)
    return total


def _occurrences(slots: Sequence[Found]) -> Iterator[tuple[Numbers, float]]:
    if len(slots) == 1:
        yield numbers(slots[0].exact), 1.0
        yield numbers(slots[0].longer), _LONGER
        return
    places = _ordered(slots[0])
    for step, slot in enumerate(slots[1:], start=1):
        following = _ordered(slot) - step
        if not len(following):
            return
        near = np.searchsorted(following, places)
        places = places[following[np.minimum(near, len(following) - 1)] == places]
    yield places, 1.0


def _ordered(found: Found) -> Numbers:
    places = numbers([*found.exact, *found.longer])
    places.sort()
    return places
