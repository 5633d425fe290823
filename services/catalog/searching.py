"""Searching: which entities have the words of a query, and what these have in common."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from services.catalog.columns import Facet, Mask, Shelf, View
from services.catalog.domain.entities import Placed, Revision
from services.catalog.domain.filters import Filter
from services.catalog.domain.queries import Clause, Query
from services.catalog.domain.snippets import Slot, Snippet, snippets_of
from services.catalog.ports import SearchIndex, Store
from services.catalog.ranking import MIN_KEY_PART, Found, Scores, best, occurs, rank
from services.catalog.spelling import Vocabulary, nearest_keys

FACETS: Final = ("type", "tag", "creator", "environment")
MAX_FACET_VALUES: Final = 50
MAX_REPLACEMENTS: Final = 3
CACHED_VIEWS: Final = 4
"""Revisions whose columns are kept; each takes some 10 MB for 100,000 entities."""
CACHED_MASKS: Final = 50
"""Answers to conditions on paths and texts that are kept; each takes 100 kB for as many."""
_KEY_LENGTH: Final = 5


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for."""

    query: Query
    filter: Filter = field(default_factory=Filter)
    keys: frozenset[str] | None = None
    """Only among these entities; None for all."""
    offset: int = 0
    limit: int = 20
    facets: bool = True


@dataclass(frozen=True, kw_only=True)
class Result:
    """An entity that was found."""

    placed: Placed
    score: float
    snippets: tuple[Snippet, ...]


@dataclass(frozen=True, kw_only=True)
class Correction:
    """A word that occurs nowhere, and what was tried in its place."""

    word: str
    replacements: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A page of what was found."""

    results: tuple[Result, ...]
    total: int
    facets: tuple[Facet, ...]
    corrections: tuple[Correction, ...]


@dataclass(frozen=True)
class _Words:
    """What the index knows of the words of one query."""

    exact: Mapping[str, bytes]
    longer: Mapping[str, Mapping[str, bytes]]
    """By beginning."""
    replaced: Mapping[str, Mapping[str, bytes]]
    """By word that occurs nowhere."""

    def found(self, word: str, *, open_ended: bool) -> Found:
        """Places of a word and of all that is meant by it."""
        instead = self.replaced.get(word, {})
        longer = self.longer.get(word, {}) if open_ended else {}
        exact = {word: self.exact[word]} if word in self.exact else {}
        key = (word.upper(),) if _may_be_key(word, open_ended=open_ended) else ()
        return Found(
            slot=Slot(frozenset({word, *instead}), prefix=word if open_ended else ""),
            exact=[*exact.values(), *instead.values()],
            longer=[places for other, places in longer.items() if other != word],
            keys=key,
        )


class Search:
    """Finds entities of indexed revisions.

    Args:
        index: Where words stand.
        store: Where entities are.
    """

    def __init__(self, *, index: SearchIndex, store: Store) -> None:
        self._index = index
        self._store = store
        self._shelf = Shelf()
        self._views: OrderedDict[str, View] = OrderedDict()
        self._masks: OrderedDict[tuple[object, ...], Mask] = OrderedDict()
        self._vocabulary = Vocabulary({})
        self._vocabulary_last = 0
        self._lock = asyncio.Lock()

    async def search(self, request: Request, *, revision: Revision) -> Answer:
        """Finds entities of a revision.

        All that match are ranked and counted, however many there are.
        """
        view = await self._view(revision.tree)
        words, corrections = await self._words(request.query, view)
        wanted = [_found(clause, words) for clause in request.query.clauses]
        excluded = [_found(clause, words) for clause in request.query.excluded]
        among = await self._among(request, view, revision)
        kept, scores, facets = await asyncio.to_thread(
            _evaluate, request, view, wanted, excluded, among
        )
        rows = best(kept, scores, offset=request.offset, limit=request.limit)
        keys = [view.key(row) for row in rows]
        entities = await self._store.entities(revision.tree, keys)
        slots = [[found.slot for found in clause] for clause in wanted]
        return Answer(
            results=tuple(
                Result(
                    placed=entities[key],
                    score=float(scores[row]),
                    snippets=snippets_of(entities[key].entity, slots),
                )
                for key, row in zip(keys, rows, strict=True)
            ),
            total=int(kept.sum()),
            facets=facets,
            corrections=corrections,
        )

    async def warm(self, revision: Revision) -> None:
        """Reads what searches of a revision need, so that the first one need not wait."""
        await self._view(revision.tree)

    # Columns

    async def _view(self, tree: str) -> View:
        """The columns of a revision; mostly from those of another and what is different."""
        view = self._views.get(tree)
        if view is not None:
            self._views.move_to_end(tree)
            return view
        async with self._lock:
            if tree in self._views:
                return self._views[tree]
            base = next(reversed(self._views), "")
            members = await self._index.members(tree, base=base)
            facts = await self._index.facts(after=self._shelf.last)

            def build() -> View:
                self._shelf.add(facts)
                return View.of(self._shelf, members, base=self._views.get(base))

            view = await asyncio.to_thread(build)
            self._views[tree] = view
            while len(self._views) > CACHED_VIEWS:
                self._views.popitem(last=False)
            return view

    async def _among(self, request: Request, view: View, revision: Revision) -> Mask | None:
        """Rows that pass what is no column: keys, folders and parts of texts; None for all."""
        found: Mask | None = None
        if request.keys is not None:
            found = view.rows_of_keys(request.keys)
        if request.filter.paths or request.filter.texts:
            passing = await self._passing(request.filter, view, revision)
            found = passing if found is None else found & passing
        return found

    async def _passing(self, filter_: Filter, view: View, revision: Revision) -> Mask:
        asked = (revision.tree, filter_.paths, filter_.texts)
        mask = self._masks.get(asked)
        if mask is None:
            found = await self._index.matching(paths=filter_.paths, texts=filter_.texts)
            mask = view.has(np.array(found, np.int64))
            self._masks[asked] = mask
            while len(self._masks) > CACHED_MASKS:
                self._masks.popitem(last=False)
        return mask

    # Words

    async def _words(self, query: Query, view: View) -> tuple[_Words, tuple[Correction, ...]]:
        longer = {
            clause.words[-1]: await self._index.places_from(clause.words[-1])
            for clause in query.clauses
            if clause.open_ended
        }
        exact = dict(await self._index.places(query.words))
        words = _Words(exact=exact, longer=longer, replaced={})
        replaced: dict[str, Mapping[str, bytes]] = {}
        corrections: list[Correction] = []
        for clause in query.clauses:
            for number, word in enumerate(clause.words):
                open_ended = clause.open_ended and number == len(clause.words) - 1
                found = words.found(word, open_ended=open_ended)
                if word in replaced or occurs(view, [*found.exact, *found.longer]):
                    continue
                keys = self._keys_with(word, view)
                if keys:
                    replaced[word] = await self._index.places([key.lower() for key in keys])
                    continue
                near = await self._near(query.written(word), word, view, open_ended=open_ended)
                if near:
                    replaced[word] = near
                    written = query.written(word)
                    corrections.append(Correction(word=written, replacements=tuple(near)))
        return replace(words, replaced=replaced), tuple(corrections)

    def _keys_with(self, word: str, view: View) -> list[str]:
        if not word.isascii() or not MIN_KEY_PART <= len(word) < _KEY_LENGTH:
            return []
        return view.keys_with(word.upper(), limit=MAX_FACET_VALUES)

    async def _near(
        self, written: str, word: str, view: View, *, open_ended: bool
    ) -> Mapping[str, bytes]:
        """Words near to one that occurs nowhere, likeliest first, which do occur."""
        if self._vocabulary_last != self._shelf.last:
            self._vocabulary_last = self._shelf.last
            self._vocabulary = Vocabulary(await self._index.vocabulary())
        candidates = await asyncio.to_thread(self._vocabulary.nearest, word, open_ended=open_ended)
        if not candidates and _looks_like_key(written):
            keys = [key.decode() for key in view.keys.tolist()]
            near = await asyncio.to_thread(nearest_keys, written.upper(), keys)
            candidates = [key.lower() for key in near]
        places = await self._index.places(candidates)
        found = [one for one in candidates if one in places and occurs(view, [places[one]])]
        return {one: places[one] for one in found[:MAX_REPLACEMENTS]}


def _found(clause: Clause, words: _Words) -> Sequence[Found]:
    last = len(clause.words) - 1
    return [
        words.found(word, open_ended=clause.open_ended and number == last)
        for number, word in enumerate(clause.words)
    ]


def _evaluate(
    request: Request,
    view: View,
    wanted: Sequence[Sequence[Found]],
    excluded: Sequence[Sequence[Found]],
    among: Mask | None,
) -> tuple[Mask, Scores, tuple[Facet, ...]]:
    matched, scores = rank(view, wanted, excluded)
    if among is not None:
        matched &= among
    kept = matched & view.mask(request.filter)
    facets = []
    if request.facets:
        for name in FACETS:
            # Counts under the other conditions, so that one sees what another choice would give.
            rows = matched & view.mask(request.filter, leaving=name)
            facets.append(view.facet(name, rows, limit=MAX_FACET_VALUES))
    return kept, scores, tuple(facets)


def _may_be_key(word: str, *, open_ended: bool) -> bool:
    if not word.isascii() or len(word) > _KEY_LENGTH:
        return False
    return len(word) == _KEY_LENGTH or (open_ended and len(word) >= MIN_KEY_PART)


def _looks_like_key(written: str) -> bool:
    near = abs(len(written) - _KEY_LENGTH) <= 1 and written.isascii() and written.isalnum()
    return near and (written.isupper() or any(character.isdigit() for character in written))
