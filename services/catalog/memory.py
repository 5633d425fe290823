"""The index in memory (port `Store`): for tests and demonstrations."""

from collections.abc import Sequence
from dataclasses import replace

from services.catalog.domain.entities import Placed, Relation, Revision
from services.catalog.domain.filters import Filter
from services.catalog.domain.indexing import Index
from services.catalog.ports import DiagnosticPage, Page


class MemoryStore:
    """Keeps everything while the process lives."""

    def __init__(self) -> None:
        self._revisions: dict[str, Revision] = {}
        self._indexes: dict[str, Index] = {}
        self._current: str | None = None

    async def current(self) -> Revision | None:
        return self._revisions[self._current] if self._current is not None else None

    async def revision(self, tree: str) -> Revision | None:
        return self._revisions.get(tree)

    async def revisions(self, *, limit: int, offset: int) -> list[Revision]:
        return list(reversed(self._revisions.values()))[offset : offset + limit]

    async def add(self, revision: Revision, index: Index) -> None:
        self._revisions[revision.tree] = revision
        self._indexes[revision.tree] = index
        self._current = revision.tree

    async def set_current(self, revision: Revision) -> None:
        known = self._revisions[revision.tree]
        self._revisions[revision.tree] = replace(
            known,
            commit=revision.commit,
            base_commit=revision.base_commit,
            dirty=revision.dirty,
            source=revision.source,
            ref=revision.ref,
            title=revision.title,
        )
        self._current = revision.tree

    async def entities(self, tree: str, keys: Sequence[str]) -> dict[str, Placed]:
        wanted = set(keys)
        return {
            placed.entity.key: placed
            for placed in self._indexes[tree].entities
            if placed.entity.key in wanted
        }

    async def keys(self, tree: str) -> list[str]:
        return [placed.entity.key for placed in self._indexes[tree].entities]

    async def page(self, tree: str, filter_: Filter, *, after: str, limit: int) -> Page:
        matching = [placed for placed in self._indexes[tree].entities if filter_.matches(placed)]
        following = [placed for placed in matching if placed.entity.key > after]
        return Page(entities=tuple(following[:limit]), total=len(matching))

    async def referrers(self, tree: str, key: str) -> list[Relation]:
        found = {
            (placed.entity.key, reference.field): Relation(
                field=reference.field,
                key=placed.entity.key,
                title=placed.entity.title,
                type=placed.entity.type,
            )
            for placed in self._indexes[tree].entities
            for reference in placed.entity.references
            if reference.key == key
        }
        return [found[place] for place in sorted(found)]

    async def diagnostics(self, tree: str, *, key: str, limit: int, offset: int) -> DiagnosticPage:
        matching = [
            diagnostic
            for diagnostic in self._indexes[tree].diagnostics
            if not key or diagnostic.key == key
        ]
        return DiagnosticPage(
            diagnostics=tuple(matching[offset : offset + limit]), total=len(matching)
        )
