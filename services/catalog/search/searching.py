"""Searching: which entities have the words of a query, and what these have in common."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

from services.catalog.domain.entities import Placed, Revision
from services.catalog.domain.search.snippets import Snippet, snippets_of
from services.catalog.ports import Correction, Facet, Question, SearchIndex, Store

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Result:
    """An entity that was found."""

    placed: Placed
    score: float
    snippets: tuple[Snippet, ...]


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
        index: Knows which words stand where.
        store: Where entities are.
    """

    def __init__(self, *, index: SearchIndex, store: Store) -> None:
        self._index = index
        self._store = store

    async def search(self, question: Question, *, revision: Revision) -> Answer:
        """Finds entities of a revision; all that match are ranked and counted."""
        finding = await self._index.find(question, tree=revision.tree)
        entities = await self._store.entities(revision.tree, [key for key, _ in finding.hits])
        return Answer(
            results=tuple(
                Result(
                    placed=entities[key],
                    score=score,
                    snippets=snippets_of(entities[key].entity, finding.clauses),
                )
                for key, score in finding.hits
            ),
            total=finding.total,
            facets=finding.facets,
            corrections=finding.corrections,
        )

    async def follow(self, revisions: AsyncIterator[Revision]) -> None:
        """Reads what searches need of each revision, so that none of them has to wait for it."""
        async for _ in revisions:
            try:
                await self._index.prepare()
            except Exception:
                # A search would meet the same, and can say so.
                log.exception("a revision could not be prepared for searches")
