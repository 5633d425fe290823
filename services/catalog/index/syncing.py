"""Reading a source and indexing what it holds, one state at a time."""

import asyncio
import contextlib
import datetime
import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from services.catalog.domain.diagnostics import Severity
from services.catalog.domain.entities import Revision
from services.catalog.domain.indexing.contents import Contents
from services.catalog.domain.indexing.deltas import Delta, Index
from services.catalog.domain.indexing.entry_checks import MAX_LINK_BYTES
from services.catalog.domain.indexing.index import update
from services.catalog.domain.metadata.documents import MAX_METADATA_BYTES, Document
from services.catalog.domain.ontology.concepts import Ontology
from services.catalog.domain.ontology.documents import (
    MAX_ONTOLOGY_BYTES,
    OntologyDocument,
    OntologyFile,
)
from services.catalog.domain.ontology.merging import ontology_of
from services.catalog.ports import Objects, Store
from services.catalog.source_ports import Snapshot, Source
from services.errors import UnavailableError

log = logging.getLogger(__name__)

_KEPT_DOCUMENTS: Final = 1000
"""Parsed metadata that is kept during an update: what is wrong is often asked for again."""

Parse = Callable[[bytes], Document]
"""Parses the content of a `metadata.yml`."""
ParseOntology = Callable[[bytes], OntologyDocument]
"""Parses the content of an ontology file."""


class Indexing:
    """Brings the store up to what the source holds. Calls must not overlap.

    Args:
        source: Where the data repository is read from.
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
        clock: Callable[[], datetime.datetime],
    ) -> None:
        self._source = source
        self._objects = objects
        self._store = store
        self._parse = parse
        self._parse_ontology = parse_ontology
        self._clock = clock
        self._contents: Contents | None = None
        """Of the revision that was added last; None where they are not known."""

    async def sync(self) -> Revision:
        """Indexes the present state of the source, if it is a new one, and makes it current."""
        begin = time.perf_counter()
        snapshot = await self._source.snapshot()
        seen = snapshot.revision
        current = await self._store.current()
        if current is not None and _same(current, seen):
            return current
        if await self._store.revision(seen.tree) is not None:
            await self._store.set_current(seen)
        else:
            await self._add(snapshot, current=True)
        return await self._told(seen.tree, begin)

    async def index(self, ref: str) -> Revision:
        """Indexes a branch, tag or commit of the source, if it is a new state."""
        begin = time.perf_counter()
        snapshot = await self._source.snapshot(ref=ref)
        known = await self._store.revision(snapshot.revision.tree)
        if known is not None:
            return known
        await self._add(snapshot, current=False)
        return await self._told(snapshot.revision.tree, begin)

    async def add(self, snapshot: Snapshot) -> Revision:
        """Indexes a state that came from elsewhere, if it is a new one."""
        begin = time.perf_counter()
        known = await self._store.revision(snapshot.revision.tree)
        if known is not None:
            return known
        await self._add(snapshot, current=False)
        return await self._told(snapshot.revision.tree, begin)

    async def _told(self, tree: str, begin: float) -> Revision:
        revision = await self._store.revision(tree)
        assert revision is not None  # noqa: S101  # it was just written
        log.info(
            f"revision {revision.tree[:10]}{' (dirty)' if revision.dirty else ''}: "
            f"{revision.entity_count} entities, {revision.error_count} errors, "
            f"{revision.warning_count} warnings, in {time.perf_counter() - begin:.3f} s"
        )
        return revision

    async def _add(self, snapshot: Snapshot, *, current: bool) -> None:
        tree = snapshot.revision.tree
        # Whatever fails from here on, the contents are spoilt, and the next index begins anew.
        contents, self._contents = self._contents, None
        if contents is None or contents.outdated(snapshot.missing):
            contents = Contents()
        changes = await self._objects.changes(contents.tree, tree)
        reader = _Reader(self._objects, self._parse, self._parse_ontology)
        try:
            with _few_collections():
                delta = await asyncio.to_thread(
                    update,
                    contents,
                    changes,
                    tree=tree,
                    reader=reader,
                    missing=snapshot.missing,
                    found=snapshot.diagnostics,
                )
                await self._store.add(
                    replace(
                        snapshot.revision,
                        create_time=self._clock(),
                        entity_count=contents.entity_count,
                        error_count=contents.count(Severity.ERROR),
                        warning_count=contents.count(Severity.WARNING),
                    ),
                    delta if delta.base else whole(delta),
                    current=current,
                )
        finally:
            reader.stop()
        self._contents = contents
        if not delta.base:
            # Looking for garbage among a million objects that stay would halt all calls meanwhile.
            gc.freeze()


@contextlib.contextmanager
def _few_collections() -> Iterator[None]:
    """Has Python look for garbage rarely: a first index makes millions of objects, and none."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def whole(delta: Delta) -> Index:
    """The revision that has all this other than nothing."""
    return Index(entities=delta.placed, diagnostics=delta.noted)


class _Reader:
    """Reads the object store for one update, in its worker thread."""

    def __init__(self, objects: Objects, parse: Parse, parse_ontology: ParseOntology) -> None:
        self._objects = objects
        self._parse = parse
        self._parse_ontology = parse_ontology
        self._documents: dict[str, Document] = {}
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Makes a reading that still runs fail: nobody waits for it any more."""
        self._stopped.set()

    def documents(self, ids: Sequence[str]) -> Iterator[tuple[str, Document]]:
        unread = []
        for id_ in ids:
            document = self._documents.get(id_)
            if document is None:
                unread.append(id_)
            else:
                yield id_, document
        for id_, content in self._objects.read(unread, limit=MAX_METADATA_BYTES):
            if self._stopped.is_set():
                raise UnavailableError("the index was stopped")
            document = self._parse(content)
            if len(self._documents) < _KEPT_DOCUMENTS:
                self._documents[id_] = document
            yield id_, document

    def targets(self, ids: Sequence[str]) -> Mapping[str, str]:
        found = self._objects.read(list(dict.fromkeys(ids)), limit=MAX_LINK_BYTES)
        return {id_: target.decode(errors="surrogateescape") for id_, target in found}

    def listings(self, trees: Sequence[str]) -> Mapping[str, Sequence[str]]:
        return self._objects.listings(trees)

    def ontology(self, files: Mapping[str, str]) -> Ontology:
        ids = list(dict.fromkeys(files.values()))
        found = dict(self._objects.read(ids, limit=MAX_ONTOLOGY_BYTES))
        unusable = OntologyDocument(usable=False)
        return ontology_of(
            [
                OntologyFile(
                    path=path,
                    id=id_,
                    document=self._parse_ontology(found[id_]) if id_ in found else unusable,
                )
                for path, id_ in files.items()
            ]
        )


def _same(current: Revision, seen: Revision) -> bool:
    return seen == replace(
        current,
        create_time=seen.create_time,
        entity_count=seen.entity_count,
        error_count=seen.error_count,
        warning_count=seen.warning_count,
    )
