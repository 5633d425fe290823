"""Which entities have the words of a query, and how well: BM25 over weighted fields.

Places of words (see `domain.words`) are numbers, so that all is arithmetic on arrays: a word that
stands in every one of 100,000 entities is ranked, without any bound or guess, in a few
milliseconds. The score of a word in an entity sums the weights of the fields it stands in
(BM25F), saturates, and counts more the fewer entities have the word.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from services.catalog.columns import NOWHERE, Mask, Numbers, View
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
_AT_ONCE: Final = 1 << 16
"""Places taken together: as many as stay in the processor's cache."""
_TITLE: Final = FIELDS.index("title")


@dataclass(frozen=True)
class Found:
    """Places of what may stand in one place of a clause."""

    exact: Sequence[bytes] = ()
    """Of the word as asked, or of what is tried in its place."""
    longer: Sequence[bytes] = ()
    """Of longer words that begin so."""


def numbers(parts: Sequence[bytes]) -> Numbers:
    """Places as numbers."""
    return np.frombuffer(b"".join(parts), "<i8").astype(np.int64, copy=False)


def occurrences(view: View, places: bytes) -> int:
    """How often a word stands in a revision."""
    return int(np.count_nonzero(view.rows(numbers([places]) >> VERSION_SHIFT) != NOWHERE))


def rank(
    view: View,
    wanted: Iterable[tuple[Scores, Sequence[str]]],
    excluded: Iterable[Scores],
) -> tuple[Mask, Scores]:
    """Rows that have all clauses and none of the excluded ones, and a score for each row.

    Args:
        view: The rows.
        wanted: How often each clause stands in each row, and what keys it may be meant as.
        excluded: How often each excluded clause stands in each row.
    """
    matched: Mask = np.ones(view.size, np.bool_)
    scores: Scores = np.zeros(view.size)
    for often, keys in wanted:
        has = often > 0
        matched &= has
        count = int(has.sum())
        rarity = np.log1p((view.size - count + 0.5) / (count + 0.5))
        scores += rarity * often / (often + _SATURATION)
        for key in keys:
            scores[view.keys_from(key)] += _KEY if len(key) == view.keys.itemsize else _KEY_PART
    for often in excluded:
        matched &= often == 0
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


def frequencies(view: View, slots: Sequence[Found]) -> Scores:
    """How often a clause stands in each row, weighted by field; its words stand together."""
    total: Scores = np.zeros(view.size)
    for everywhere, quality in _occurrences(slots):
        weights_of = _WEIGHTS * quality
        for start in range(0, len(everywhere), _AT_ONCE):
            places = everywhere[start : start + _AT_ONCE]
            rows = view.rows(places >> VERSION_SHIFT)
            fields = (places >> FIELD_SHIFT) & FIELD_MASK
            weights = weights_of[fields]
            titles = np.flatnonzero(fields == _TITLE)
            weights[titles] *= view.title_scale[rows[titles]]
            # The last place gathers what other revisions hold.
            rows[rows == NOWHERE] = view.size
            total += np.bincount(rows, weights, minlength=view.size + 1)[: view.size]
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
    return np.sort(numbers([*found.exact, *found.longer]))
