"""What the catalog does: reads its source again, and answers for what it read."""

import asyncio
import datetime
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace

from services.catalog.domain.closures import Closure, closure_of, wanted_keys
from services.catalog.domain.diagnostics import Severity
from services.catalog.domain.documents import MAX_METADATA_BYTES, Document
from services.catalog.domain.entities import (
    DIRECTORY_MODE,
    KEY,
    SUBMODULE_MODE,
    Placed,
    Relation,
    Revision,
    TreeEntry,
    is_printable,
    similar_keys,
)
from services.catalog.domain.filters import Filter
from services.catalog.domain.indexing import (
    MAX_LINK_BYTES,
    Index,
    index_revision,
    link_entries,
    metadata_entries,
)
from services.catalog.ports import Chunk, DiagnosticPage, Objects, Page, Snapshot, Source, Store
from services.errors import Error, NotFoundError, UnavailableError

log = logging.getLogger(__name__)

FIRST_INDEX_SECONDS = 30.0
"""How long an answer waits for the first index after a start."""
CHUNK_BYTES = 1024 * 1024
"""Largest piece of a file in one message."""
CACHED_DOCUMENTS = 200_000
CACHED_TREES = 2_000
CACHED_CLOSURES = 5_000

Parse = Callable[[bytes], Document]
"""Parses the content of a `metadata.yml`."""


@dataclass(frozen=True, kw_only=True)
class EntityView:
    """An entity with everything a reader of its page wants."""

    placed: Placed
    revision: Revision
    references: tuple[Relation, ...]
    referrers: tuple[Relation, ...]
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
        clock: Tells the time.
    """

    def __init__(
        self,
        *,
        source: Source,
        objects: Objects,
        store: Store,
        parse: Parse,
        clock: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        self._source = source
        self._objects = objects
        self._store = store
        self._parse = parse
        self._clock = clock
        self._documents: dict[str, Document] = {}
        self._files: dict[str, tuple[TreeEntry, ...]] = {}
        self._closures: dict[tuple[str, str], Closure] = {}
        """By tree of the revision and key: a revision never changes, and each check asks."""
        self._lock = asyncio.Lock()
        self._indexed = asyncio.Event()
        self._failure: Error | None = None

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
                revision = await self._sync()
            except Error as error:
                self._failure = error
                raise
            else:
                self._failure = None
                return revision
            finally:
                self._indexed.set()

    async def _sync(self) -> Revision:
        begin = time.perf_counter()
        snapshot = await self._source.snapshot()
        seen = snapshot.revision
        current = await self._store.current()
        if current is not None and _same(current, seen):
            return current
        known = await self._store.revision(seen.tree)
        if known is not None:
            await self._store.set_current(seen)
        else:
            index = await self._index(snapshot)
            seen = replace(
                seen,
                create_time=self._clock(),
                entity_count=len(index.entities),
                error_count=index.count(Severity.ERROR),
                warning_count=index.count(Severity.WARNING),
            )
            await self._store.add(seen, index)
        revision = await self._store.revision(seen.tree)
        assert revision is not None  # noqa: S101  # it was just written
        log.info(
            f"revision {revision.tree[:10]}{' (dirty)' if revision.dirty else ''}: "
            f"{revision.entity_count} entities, {revision.error_count} errors, "
            f"{revision.warning_count} warnings, in {time.perf_counter() - begin:.3f} s"
        )
        return revision

    async def _index(self, snapshot: Snapshot) -> Index:
        entries = await self._objects.entries(snapshot.revision.tree)
        wanted = [entry.id for entry in metadata_entries(entries)]
        unknown = [id_ for id_ in wanted if id_ not in self._documents]
        contents = await self._objects.blobs(unknown, limit=MAX_METADATA_BYTES)
        targets = await self._objects.blobs(
            [entry.id for entry in link_entries(entries)], limit=MAX_LINK_BYTES
        )
        links = {id_: target.decode(errors="surrogateescape") for id_, target in targets.items()}

        def index() -> Index:
            if len(self._documents) > CACHED_DOCUMENTS:
                self._documents.clear()
            for id_, content in contents.items():
                self._documents[id_] = self._parse(content)
            return index_revision(
                entries, documents=self._documents, links=links, found=snapshot.diagnostics
            )

        return await asyncio.to_thread(index)

    # Revisions

    async def revision(self, tree: str) -> Revision:
        """An indexed revision; an empty tree means the current one.

        Raises:
            NotFoundError: It was never indexed.
            UnavailableError: The first index takes longer than a caller would wait.
        """
        if tree:
            found = await self._store.revision(tree)
            if found is None:
                raise NotFoundError(
                    f"the revision {tree[:100]} was never indexed", revision=tree[:100]
                )
            return found
        try:
            async with asyncio.timeout(FIRST_INDEX_SECONDS):
                await self._indexed.wait()
        except TimeoutError as error:
            raise UnavailableError("the first index is not ready yet; try again") from error
        current = await self._store.current()
        if current is None:
            raise self._failure or UnavailableError("nothing is indexed yet; try again")
        return current

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
        placed = await self._placed(key, revision)
        wanted = [reference.key for reference in placed.entity.references]
        others = await self._store.entities(revision.tree, wanted)
        return EntityView(
            placed=placed,
            revision=revision,
            references=tuple(
                Relation(
                    field=reference.field,
                    key=reference.key,
                    title=other.entity.title if other else "",
                    type=other.entity.type if other else None,
                )
                for reference in placed.entity.references
                for other in (others.get(reference.key),)
            ),
            referrers=tuple(await self._store.referrers(revision.tree, key)),
            files=await self._files_of(placed.entity.tree),
        )

    async def page(self, filter_: Filter, *, tree: str, after: str, limit: int) -> Page:
        """Entities of an indexed revision, in the order of their keys."""
        return await self._store.page(tree, filter_, after=after, limit=limit)

    async def diagnostics(self, key: str, *, tree: str, limit: int, offset: int) -> DiagnosticPage:
        """What is wrong in an indexed revision, or with one entity if a key is given."""
        return await self._store.diagnostics(tree, key=key, limit=limit, offset=offset)

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

    async def _placed(self, key: str, revision: Revision) -> Placed:
        found = await self._store.entities(revision.tree, [key]) if KEY.fullmatch(key) else {}
        if key in found:
            return found[key]
        similar = similar_keys(key[:20], await self._store.keys(revision.tree))
        hint = f"; did you mean {', '.join(similar)}?" if similar else ""
        raise NotFoundError(
            f"no entity has the key {key[:100]}{hint}", key=key[:100], similar=",".join(similar)
        )

    # Content

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


def _same(current: Revision, seen: Revision) -> bool:
    return seen == replace(
        current,
        create_time=seen.create_time,
        entity_count=seen.entity_count,
        error_count=seen.error_count,
        warning_count=seen.warning_count,
    )
