"""The index in memory (port `Store`): for tests and demonstrations."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from services.catalog.domain.entities import Node, Placed, Relation, Revision
from services.catalog.domain.filters import Filter
from services.catalog.domain.indexing.deltas import Delta, Index
from services.catalog.domain.indexing.graph import ENVIRONMENT_FIELD
from services.catalog.domain.metadata.documents import CLOSURE_FIELDS
from services.catalog.ports import DiagnosticPage, Page, RelationPage


class MemoryStore:
    """Keeps everything while the process lives."""

    def __init__(self) -> None:
        self._revisions: dict[str, Revision] = {}
        self._indexes: dict[str, Index] = {}
        self._commits: dict[str, str] = {}
        """Trees by commit."""
        self._current: str | None = None

    async def current(self) -> Revision | None:
        return self._revisions[self._current] if self._current is not None else None

    async def latest(self) -> Revision | None:
        return next(reversed(self._revisions.values()), None)

    async def revision(self, tree: str) -> Revision | None:
        return self._revisions.get(tree)

    async def find(self, prefix: str, *, limit: int) -> list[Revision]:
        trees = {tree for commit, tree in self._commits.items() if commit.startswith(prefix)}
        return [
            revision
            for revision in reversed(self._revisions.values())
            if revision.tree.startswith(prefix) or revision.tree in trees
        ][:limit]

    async def revisions(self, *, limit: int, offset: int) -> list[Revision]:
        return list(reversed(self._revisions.values()))[offset : offset + limit]

    async def add(self, revision: Revision, change: Index | Delta, *, current: bool = True) -> None:
        if isinstance(change, Delta):
            latest = await self.latest()
            if change.base != (latest.tree if latest else ""):
                raise ValueError(f"the change is one of {change.base}, not of the last revision")
            change = _applied(self._indexes.get(change.base), change)
        self._revisions[revision.tree] = revision
        self._indexes[revision.tree] = change
        if revision.commit:
            self._commits[revision.commit] = revision.tree
        if current:
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
        if revision.commit:
            self._commits[revision.commit] = revision.tree
        self._current = revision.tree

    async def entities(self, tree: str, keys: Sequence[str]) -> dict[str, Placed]:
        wanted = set(keys)
        return {
            placed.entity.key: placed
            for placed in self._indexes[tree].entities
            if placed.entity.key in wanted
        }

    async def nodes(self, tree: str, keys: Sequence[str]) -> dict[str, Node]:
        return {
            key: Node(
                key=key,
                type=placed.entity.type,
                title=placed.entity.title,
                path=placed.entity.path,
                tree=placed.entity.tree,
                references=placed.entity.references,
                environment_key=placed.environment_key,
            )
            for key, placed in (await self.entities(tree, keys)).items()
        }

    async def keys(self, tree: str) -> list[str]:
        return [placed.entity.key for placed in self._indexes[tree].entities]

    async def page(self, tree: str, filter_: Filter, *, after: str, limit: int) -> Page:
        matching = [placed for placed in self._indexes[tree].entities if filter_.matches(placed)]
        following = [placed for placed in matching if placed.entity.key > after]
        return Page(entities=tuple(following[:limit]), total=len(matching))

    async def referrers(self, tree: str, key: str, *, limit: int) -> RelationPage:
        found = {
            (placed.entity.key, field): Relation(
                field=field,
                key=placed.entity.key,
                title=placed.entity.title,
                type=placed.entity.type,
            )
            for placed in self._indexes[tree].entities
            for field in _fields(placed, key)
        }
        ordered = [found[place] for place in sorted(found)]
        return RelationPage(relations=tuple(ordered[:limit]), total=len(ordered))

    async def dependants(self, tree: str, keys: Sequence[str]) -> set[str]:
        wanted = set(keys)
        return {
            placed.entity.key
            for placed in self._indexes[tree].entities
            for reference in placed.entity.references
            if reference.field in CLOSURE_FIELDS and reference.key in wanted
        }

    async def users(self, tree: str, environments: Sequence[str]) -> set[str]:
        return {
            placed.entity.key
            for placed in self._indexes[tree].entities
            if placed.environment_key in set(environments) - {""}
        }

    async def changed(self, old: str, new: str) -> set[str]:
        before, after = (
            {placed.entity.key: _place(placed) for placed in self._indexes[tree].entities}
            for tree in (old, new)
        )
        return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}

    async def diagnostics(
        self,
        tree: str,
        *,
        key: str,
        limit: int,
        offset: int,
        codes: Collection[str] | None = None,
    ) -> DiagnosticPage:
        found = [one for one in self._indexes[tree].diagnostics if not key or one.key == key]
        matching = [one for one in found if codes is None or one.code in codes]
        return DiagnosticPage(
            diagnostics=tuple(matching[offset : offset + limit]),
            counts=Counter(one.code for one in found),
            total=len(matching),
        )


def _fields(placed: Placed, key: str) -> Iterator[str]:
    """Fields in which an entity refers to a key."""
    for reference in placed.entity.references:
        if reference.key == key:
            yield reference.field
    if key and placed.environment_key == key:
        yield ENVIRONMENT_FIELD


def _place(placed: Placed) -> tuple[str, str, str, str]:
    entity = placed.entity
    return entity.path, entity.tree, placed.environment, placed.environment_key


def _applied(base: Index | None, delta: Delta) -> Index:
    entities = {placed.entity.key: placed for placed in base.entities} if base else {}
    for key in delta.removed:
        del entities[key]
    for key, (environment, environment_key) in delta.moved.items():
        entities[key] = replace(
            entities[key], environment=environment, environment_key=environment_key
        )
    entities.update((placed.entity.key, placed) for placed in delta.placed)
    held = {*(base.diagnostics if base else ())}
    assert held.issuperset(delta.resolved)  # noqa: S101  # as SQL would not notice it
    assert held.isdisjoint(delta.noted)  # noqa: S101
    return Index(
        entities=tuple(entities[key] for key in sorted(entities)),
        diagnostics=tuple(sorted((held - {*delta.resolved}) | {*delta.noted})),
    )
