"""What the catalog does: reads its source again, and answers for what it read."""

import asyncio
import datetime
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, replace

from services.catalog.domain.affected import Affected
from services.catalog.domain.closures import Closure, closure_of, wanted_keys
from services.catalog.domain.entities import (
    DIRECTORY_MODE,
    KEY,
    SUBMODULE_MODE,
    Placed,
    Relation,
    Revision,
    TreeEntry,
    is_printable,
)
from services.catalog.domain.filters import Filter
from services.catalog.domain.indexing.suggestions import candidate_keys, similar_keys
from services.catalog.index.comparing import affected_entities
from services.catalog.index.syncing import Indexing, Parse, ParseOntology
from services.catalog.ports import Chunk, DiagnosticPage, Objects, Page, Store
from services.catalog.source_ports import Snapshot, Source
from services.errors import Error, InvalidArgumentError, NotFoundError, UnavailableError

FIRST_INDEX_SECONDS = 30.0
"""How long an answer waits for the first index after a start."""
CHUNK_BYTES = 1024 * 1024
"""Largest piece of a file in one message."""
CACHED_TREES = 2_000
CACHED_CLOSURES = 5_000
CACHED_VIEWS = 5_000
CACHED_COMPARISONS = 20
MAX_REFERRERS = 1000
"""An answer holds no more of them: thousands of entities may share an environment."""


@dataclass(frozen=True, kw_only=True)
class EntityView:
    """An entity with everything a reader of its page wants."""

    placed: Placed
    revision: Revision
    references: tuple[Relation, ...]
    referrers: tuple[Relation, ...]
    """The first ones, of `referrer_count`."""
    referrer_count: int
    files: tuple[TreeEntry, ...]


@dataclass(frozen=True, kw_only=True)
class TreePart:
    """A piece of a file of a tree, or its end."""

    tree: str
    path: str = ""
    mode: int = 0
    chunk: Chunk | None = None
    """None at the end of the tree."""


class Catalog:
    """One data repository, indexed.

    Args:
        source: Where it is read from.
        objects: Where its content is kept.
        store: Where its index is kept.
        parse: Parses metadata.
        parse_ontology: Parses ontology files.
        clock: Tells the time.
    """

    def __init__(
        self,
        *,
        source: Source,
        objects: Objects,
        store: Store,
        parse: Parse,
        parse_ontology: ParseOntology,
        clock: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        self._objects = objects
        self._store = store
        self._indexing = Indexing(
            source=source,
            objects=objects,
            store=store,
            parse=parse,
            parse_ontology=parse_ontology,
            clock=clock,
        )
        self._affected: dict[tuple[str, str], Sequence[Affected]] = {}
        """By the trees of the two revisions."""
        self._files: dict[str, tuple[TreeEntry, ...]] = {}
        self._views: dict[tuple[str, str], EntityView] = {}
        """By tree of the revision and key."""
        self._closures: dict[tuple[str, str], Closure] = {}
        """By tree of the revision and key: a revision never changes, and each check asks."""
        self._lock = asyncio.Lock()
        self._indexed = asyncio.Event()
        self._failure: Error | None = None
        self._current: Revision | None = None
        """After the first sync: nothing else changes it."""

    # Indexing

    async def sync(self) -> Revision:
        """Reads the source and indexes its present state, if it is a new one.

        Calls that overlap are served one after the other: each sees what was there when it began.

        Raises:
            SourceError: The source is not readable.
            UnavailableError: It is remote and cannot be reached.
        """
        async with self._lock:
            try:
                revision = await self._indexing.sync()
            except Error as error:
                self._failure = error
                raise
            else:
                self._failure = None
                self._current = revision
                return revision
            finally:
                self._indexed.set()

    async def index(self, ref: str) -> Revision:
        """Indexes a branch, tag or commit of the source, and leaves the current revision as it is.

        Raises:
            InvalidArgumentError: The ref is of a kind that is refused.
            NotFoundError: The source has no such ref.
            SourceError: The source is no git repository, or not readable.
            UnavailableError: It is remote and cannot be reached.
        """
        async with self._lock:
            return await self._indexing.index(ref)

    async def add(self, snapshot: Snapshot) -> Revision:
        """Indexes a tree of the object store, and leaves the current revision as it is."""
        async with self._lock:
            return await self._indexing.add(snapshot)

    # Revisions

    async def revision(self, name: str) -> Revision:
        """An indexed revision.

        Args:
            name: Id of its tree or of a commit, or the beginning of one; empty means the current
                revision.

        Raises:
            NotFoundError: It was never indexed.
            InvalidArgumentError: Several begin so.
            UnavailableError: The first index takes longer than a caller would wait.
        """
        if name:
            found = await self._store.revision(name)
            return found if found is not None else await self._named(name)
        try:
            async with asyncio.timeout(FIRST_INDEX_SECONDS):
                await self._indexed.wait()
        except TimeoutError as error:
            raise UnavailableError("the first index is not ready yet; try again") from error
        current = self._current or await self._store.current()
        if current is None:
            raise self._failure or UnavailableError("nothing is indexed yet; try again")
        return current

    async def _named(self, prefix: str) -> Revision:
        found = await self._store.find(prefix, limit=4)
        if not found:
            raise NotFoundError(
                f"no revision that was indexed has a tree or commit {prefix[:100]}",
                revision=prefix[:100],
            )
        if len(found) > 1:
            names = ", ".join(revision.tree[:12] for revision in found[:3])
            more = ", ..." if len(found) > 3 else ""
            raise InvalidArgumentError(
                f"{prefix} is the beginning of several revisions: {names}{more}; write more of it",
                revision=prefix,
            )
        return found[0]

    async def revisions(self, *, limit: int, offset: int) -> list[Revision]:
        """Indexed revisions, newest first."""
        return await self._store.revisions(limit=limit, offset=offset)

    # Entities

    async def entity(self, key: str, *, tree: str) -> EntityView:
        """An entity with its relations and files.

        Raises:
            NotFoundError: No entity has that key; the error names similar ones.
        """
        revision = await self.revision(tree)
        kept = self._views.get((revision.tree, key))
        if kept is None:
            kept = await self._view(key, revision)
            if len(self._views) >= CACHED_VIEWS:
                self._views.clear()
            self._views[revision.tree, key] = kept
        return replace(kept, revision=revision)  # a commit may have got its tree since

    async def _view(self, key: str, revision: Revision) -> EntityView:
        placed = await self._placed(key, revision)
        wanted = [reference.key for reference in placed.entity.references]
        others = await self._store.nodes(revision.tree, wanted) if wanted else {}
        referrers = await self._store.referrers(revision.tree, key, limit=MAX_REFERRERS)
        return EntityView(
            placed=placed,
            revision=revision,
            references=tuple(
                Relation(
                    field=reference.field,
                    key=reference.key,
                    title=other.title if other else "",
                    type=other.type if other else None,
                )
                for reference in placed.entity.references
                for other in (others.get(reference.key),)
            ),
            referrers=referrers.relations,
            referrer_count=referrers.total,
            files=await self._files_of(placed.entity.tree),
        )

    async def page(self, filter_: Filter, *, tree: str, after: str, limit: int) -> Page:
        """Entities of an indexed revision, in the order of their keys."""
        return await self._store.page(tree, filter_, after=after, limit=limit)

    async def diagnostics(
        self,
        key: str,
        *,
        tree: str,
        limit: int,
        offset: int,
        codes: Collection[str] | None = None,
    ) -> DiagnosticPage:
        """What is wrong in an indexed revision, or with one entity if a key is given."""
        return await self._store.diagnostics(tree, key=key, limit=limit, offset=offset, codes=codes)

    async def closure(self, key: str, *, tree: str) -> tuple[Closure, Revision]:
        """The folders that a check of an entity can see.

        Raises:
            NotFoundError: No entity has that key.
            NotCheckableError: A reference dangles.
        """
        revision = await self.revision(tree)
        kept = self._closures.get((revision.tree, key))
        if kept is not None:
            return kept, revision
        start = await self._placed(key, revision)
        known = {key: start}
        wanted = {*wanted_keys(start)}
        if start.environment_key:
            wanted.add(start.environment_key)
        while wanted:
            found = await self._store.entities(revision.tree, sorted(wanted))
            known |= found
            wanted = {
                other for placed in found.values() for other in wanted_keys(placed)
            } - known.keys()
        closure = closure_of(key, known)
        if len(self._closures) >= CACHED_CLOSURES:
            self._closures.clear()
        self._closures[revision.tree, key] = closure
        return closure, revision

    async def affected(self, base: Revision, revision: Revision) -> Sequence[Affected]:
        """The checkable entities that differ between two revisions for a check, by key."""
        trees = (base.tree, revision.tree)
        found = self._affected.get(trees)
        if found is None:
            found = await affected_entities(self._store, *trees)
            if len(self._affected) >= CACHED_COMPARISONS:
                self._affected.clear()
            self._affected[trees] = found
        return found

    async def _placed(self, key: str, revision: Revision) -> Placed:
        found = await self._store.entities(revision.tree, [key]) if KEY.fullmatch(key) else {}
        if key in found:
            return found[key]
        known = await self._store.nodes(revision.tree, candidate_keys(key[:20]))
        similar = similar_keys(key[:20], known.__contains__)
        hint = f"; did you mean {', '.join(similar)}?" if similar else ""
        raise NotFoundError(
            f"no entity has the key {key[:100]}{hint}", key=key[:100], similar=",".join(similar)
        )

    # Content

    async def files(self, key: str, *, tree: str) -> tuple[Sequence[TreeEntry], Revision]:
        """The files of an entity, links too.

        Raises:
            NotFoundError: No entity has that key.
        """
        revision = await self.revision(tree)
        placed = await self._placed(key, revision)
        return await self._files_of(placed.entity.tree), revision

    async def _files_of(self, tree: str) -> tuple[TreeEntry, ...]:
        files = self._files.get(tree)
        if files is None:
            files = tuple(
                entry
                for entry in await self._objects.entries(tree)
                if entry.mode not in (DIRECTORY_MODE, SUBMODULE_MODE)
            )
            if len(self._files) >= CACHED_TREES:
                self._files.clear()
            self._files[tree] = files
        return files

    async def trees(self, trees: Sequence[str]) -> AsyncIterator[TreePart]:
        """Content of trees, file by file; files whose names are no UTF-8 are left out.

        Raises:
            NotFoundError: The catalog does not hold a tree or a file of it.
        """
        for tree in dict.fromkeys(trees):
            files = [entry for entry in await self._files_of(tree) if is_printable(entry.path)]
            lacking = [entry.path for entry in files if entry.size < 0]
            if lacking:
                raise NotFoundError(
                    f"the source does not hold {lacking[0]} of the tree {tree}",
                    tree=tree,
                    path=lacking[0],
                )
            remaining = iter(files)
            file = None
            async for _, chunk in self._objects.stream(
                [entry.id for entry in files], chunk=CHUNK_BYTES
            ):
                if file is None:
                    file = next(remaining)
                yield TreePart(tree=tree, path=file.path, mode=file.mode, chunk=chunk)
                if not chunk.more:
                    file = None
            yield TreePart(tree=tree)
