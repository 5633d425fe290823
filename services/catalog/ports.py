"""What the catalog needs from outside: a source, an object store, and a place for its index."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

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


class VersionFacts(NamedTuple):
    """What a search filters and counts by, of an entity version; it never changes."""

    version: int
    """Number of the entity version, from 1."""
    key: str
    type: str
    creator: str
    title_length: int
    """In characters."""
    tags: Sequence[str]


class Members(NamedTuple):
    """Which entity versions a revision holds, whole or as a difference to another revision."""

    added: Sequence[tuple[int, str]]
    """Number of each and the environment that its checks run in."""
    removed: Sequence[int] = ()


class SearchIndex(Protocol):
    """Where which words stand in entity versions; see `domain.words` for words and places.

    Places are 64 bit numbers, least byte first: number of the entity version, field, position.
    """

    async def members(self, tree: str, *, base: str = "") -> Members:
        """The entity versions of an indexed revision; what is different, if a base is given."""
        ...

    async def facts(self, *, after: int) -> Sequence[VersionFacts]:
        """Facts of entity versions with greater numbers, in order."""
        ...

    async def places(self, words: Sequence[str]) -> Mapping[str, bytes]:
        """Where words stand, in any revision; words that stand nowhere are left out."""
        ...

    async def places_from(self, prefix: str) -> Mapping[str, bytes]:
        """Where the words stand that begin so."""
        ...

    async def vocabulary(self) -> Mapping[str, int]:
        """Words of titles, tags and creators with how often they occur in all revisions."""
        ...

    async def matching(self, *, paths: Sequence[str], texts: Sequence[str]) -> Sequence[int]:
        """Numbers of the entity versions in all these folders and with all these parts of text.

        As `Filter` has them, and of any revision.
        """
        ...


class WatchLimitError(Exception):
    """The operating system watches no more folders; the message says which limit it has."""


@dataclass(frozen=True, kw_only=True)
class FolderChanges:
    """What changed in watched folders during a short time."""

    paths: frozenset[str]
    """Files and folders that came, went, or have another content."""
    new_folders: frozenset[str] = frozenset()
    """Folders that came; what is in them is not watched yet."""
    lost: bool = False
    """True if there were too many changes to tell: everything may have changed."""

    def and_then(self, more: "FolderChanges") -> "FolderChanges":
        """These changes and later ones."""
        return FolderChanges(
            paths=self.paths | more.paths,
            new_folders=self.new_folders | more.new_folders,
            lost=self.lost or more.lost,
        )


class FolderEvents(Protocol):
    """Changes in folders, told by the operating system without anybody asking."""

    def watch(self, folders: Iterable[str]) -> None:
        """Watches further folders, each for itself; those that are gone are left out.

        Raises:
            WatchLimitError: The system watches no more.
        """
        ...

    async def next(self, *, timeout: float) -> FolderChanges | None:  # noqa: ASYNC109  # an interval
        """Waits for changes until there are no more for a moment; None after so many seconds."""
        ...

    def close(self) -> None:
        """Watches nothing any more."""
        ...
