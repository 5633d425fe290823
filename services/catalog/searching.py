"""Searching: which entities have the words of a query, and what these have in common."""

import asyncio
import functools
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from services.catalog.columns import Facet, Mask, Shelf, View
from services.catalog.domain.entities import Placed, Revision
from services.catalog.domain.filters import Filter
from services.catalog.domain.queries import Query
from services.catalog.domain.snippets import Snippet, snippets_of
from services.catalog.meaning import Meaning, Meanings
from services.catalog.ports import SearchIndex, Store
from services.catalog.ranking import Scores, best, rank

log = logging.getLogger(__name__)

FACETS: Final = ("type", "tag", "creator", "environment")
MAX_FACET_VALUES: Final = 50
QUICK_ROWS: Final = 20_000
"""Rows that are ranked and counted within a millisecond or two."""
CACHED_VIEWS: Final = 4
"""Revisions whose columns are kept; each takes some 10 MB for 100,000 entities."""
CACHED_MASKS: Final = 50
"""Answers to conditions on paths and texts that are kept; each takes 100 kB for as many."""


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


class Search:
    """Finds entities of indexed revisions.

    Args:
        index: Where words stand.
        store: Where entities are.
    """

    def __init__(self, *, index: SearchIndex, store: Store) -> None:
        self._index = index
        self._store = store
        self._meanings = Meanings(index)
        self._shelf = Shelf()
        self._views: OrderedDict[str, View] = OrderedDict()
        self._masks: OrderedDict[tuple[object, ...], Mask] = OrderedDict()
        self._lock = asyncio.Lock()

    async def search(self, request: Request, *, revision: Revision) -> Answer:
        """Finds entities of a revision.

        All that match are ranked and counted, however many there are.
        """
        view = await self._view(revision.tree)
        query = request.query
        wanted = [
            await self._meanings.of(clause, query, view, tree=revision.tree)
            for clause in query.clauses
        ]
        excluded = [
            await self._meanings.of(clause, query, view, tree=revision.tree, forgiving=False)
            for clause in query.excluded
        ]
        among = await self._among(request, view, revision)
        work = functools.partial(_evaluate, request, view, wanted, excluded, among)
        quick = view.size < QUICK_ROWS
        kept, scores, facets = work() if quick else await asyncio.to_thread(work)
        rows = best(kept, scores, offset=request.offset, limit=request.limit)
        keys = [view.key(row) for row in rows]
        entities = await self._store.entities(revision.tree, keys)
        slots = [meaning.slots for meaning in wanted]
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
            corrections=tuple(
                Correction(word=word, replacements=replacements)
                for word, replacements in dict(
                    pair for meaning in wanted for pair in meaning.replaced
                ).items()
            ),
        )

    async def follow(self, revisions: AsyncIterator[Revision]) -> None:
        """Reads what searches need of each revision, so that none of them has to wait for it."""
        async for revision in revisions:
            try:
                await self._meanings.prepare(await self._view(revision.tree))
            except Exception:
                # A search would meet the same, and can say so.
                log.exception("a revision could not be prepared for searches")

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


def _evaluate(
    request: Request,
    view: View,
    wanted: Sequence[Meaning],
    excluded: Sequence[Meaning],
    among: Mask | None,
) -> tuple[Mask, Scores, tuple[Facet, ...]]:
    matched, scores = rank(
        view,
        [(meaning.frequencies, meaning.keys) for meaning in wanted],
        [meaning.frequencies for meaning in excluded],
    )
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
