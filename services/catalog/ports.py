"""What the catalog needs from outside: a source, an object store, and a place for its index."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.catalog.domain.diagnostics import Diagnostic
from services.catalog.domain.entities import Placed, Relation, Revision, TreeEntry
from services.catalog.domain.filters import Filter
from services.catalog.domain.indexing import Index


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The present state of a source; its objects are in the object store."""

    revision: Revision
    """Without counts and time, which indexing adds."""
    diagnostics: tuple[Diagnostic, ...] = ()
    """What could not be read."""


class Source(Protocol):
    """A data repository that somebody else keeps."""

    async def snapshot(self) -> Snapshot:
        """Reads its present state into the object store.

        Raises:
            SourceError: It is no readable folder or repository.
            UnavailableError: It is remote and cannot be reached.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Consecutive bytes of one file."""

    data: bytes
    more: bool
    """True if the file goes on."""


class Objects(Protocol):
    """A content-addressed store of git objects."""

    async def entries(self, tree: str) -> list[TreeEntry]:
        """Everything below a tree, folders included, in git's order.

        Raises:
            NotFoundError: The store does not hold the tree.
        """
        ...

    async def blobs(self, ids: Sequence[str], *, limit: int) -> dict[str, bytes]:
        """Content of blobs by id, at most `limit` + 1 bytes of each; missing ones are left out."""
        ...

    def stream(self, ids: Sequence[str], *, chunk: int) -> AsyncIterator[tuple[str, Chunk]]:
        """Content of blobs in the order given, in chunks of at most so many bytes.

        Raises:
            NotFoundError: The store does not hold one of them.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page of entities and the number of all that match."""

    entities: tuple[Placed, ...]
    total: int


@dataclass(frozen=True, kw_only=True)
class DiagnosticPage:
    """A page of diagnostics and the number of all that match."""

    diagnostics: tuple[Diagnostic, ...]
    total: int


class Store(Protocol):
    """Indexed revisions. Readers see whole revisions only; a revision never changes."""

    async def current(self) -> Revision | None:
        """The latest state of the source, or None before the first index."""
        ...

    async def revision(self, tree: str) -> Revision | None:
        """An indexed revision."""
        ...

    async def revisions(self, *, limit: int, offset: int) -> list[Revision]:
        """Indexed revisions, newest first."""
        ...

    async def add(self, revision: Revision, index: Index) -> None:
        """Adds a revision and makes it the current one, in one transaction."""
        ...

    async def set_current(self, revision: Revision) -> None:
        """Makes an indexed revision the current one; its commit, base and ref may be news."""
        ...

    async def entities(self, tree: str, keys: Sequence[str]) -> dict[str, Placed]:
        """Entities of a revision by key; unknown keys are left out."""
        ...

    async def keys(self, tree: str) -> list[str]:
        """All keys of a revision, in order."""
        ...

    async def page(self, tree: str, filter_: Filter, *, after: str, limit: int) -> Page:
        """Entities of a revision that match, in the order of their keys, from after a key on."""
        ...

    async def referrers(self, tree: str, key: str) -> list[Relation]:
        """Who refers to an entity at a revision, in the order of keys and fields."""
        ...

    async def diagnostics(self, tree: str, *, key: str, limit: int, offset: int) -> DiagnosticPage:
        """Diagnostics of a revision in order of file and line; of one entity if a key is given."""
        ...
