"""What the catalog needs from outside: a source, an object store, and a place for its index."""

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from services.catalog.domain.diagnostics import Diagnostic
from services.catalog.domain.entities import Node, Placed, Relation, Revision, TreeChange, TreeEntry
from services.catalog.domain.filters import Filter
from services.catalog.domain.indexing.index import Delta, Index
from services.catalog.domain.ontology.answers import Answer
from services.catalog.domain.ontology.concepts import Ontology
from services.catalog.domain.ontology.triples import Tagged
from services.catalog.domain.search.queries import Query
from services.catalog.domain.search.snippets import Slot


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

    async def changes(self, old: str, new: str) -> Sequence[TreeChange]:
        """All paths that differ between two trees, folders included.

        Args:
            old: Tree before; empty means one without entries.
            new: Tree after.

        Raises:
            NotFoundError: The store does not hold one of them.
        """
        ...

    def read(self, ids: Sequence[str], *, limit: int) -> Iterator[tuple[str, bytes]]:
        """As `blobs`, one after the other and blocking, for a worker thread."""
        ...

    def listings(self, trees: Sequence[str]) -> Mapping[str, list[str]]:
        """Paths of everything below trees but folders; blocking, for a worker thread.

        Raises:
            NotFoundError: The store does not hold one of them.
        """
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
class RelationPage:
    """The first relations and the number of all."""

    relations: tuple[Relation, ...]
    total: int


@dataclass(frozen=True, kw_only=True)
class DiagnosticPage:
    """A page of diagnostics and the number of all that match."""

    diagnostics: tuple[Diagnostic, ...]
    counts: Mapping[str, int]
    """All by code, of the revision or of one entity, whatever codes were asked for."""
    total: int


class Store(Protocol):
    """Indexed revisions. Readers see whole revisions only; a revision never changes."""

    async def current(self) -> Revision | None:
        """The latest state of the source, or None before the first index."""
        ...

    async def latest(self) -> Revision | None:
        """The revision that was added last, whether or not it is the current one."""
        ...

    async def revision(self, tree: str) -> Revision | None:
        """An indexed revision."""
        ...

    async def find(self, prefix: str, *, limit: int) -> list[Revision]:
        """Revisions whose tree id, or a commit id they were seen with, begins so; newest first."""
        ...

    async def revisions(self, *, limit: int, offset: int) -> list[Revision]:
        """Indexed revisions, newest first."""
        ...

    async def add(self, revision: Revision, change: Index | Delta, *, current: bool = True) -> None:
        """Adds a revision in one transaction.

        Args:
            revision: A new one.
            change: All that it holds, or what it has other than the one that was added last.
            current: Whether to make it the current one.
        """
        ...

    async def set_current(self, revision: Revision) -> None:
        """Makes an indexed revision the current one; its commit, base and ref may be news."""
        ...

    async def entities(self, tree: str, keys: Sequence[str]) -> dict[str, Placed]:
        """Entities of a revision by key; unknown keys are left out."""
        ...

    async def nodes(self, tree: str, keys: Sequence[str]) -> dict[str, Node]:
        """As `entities`, with what closures need alone."""
        ...

    async def keys(self, tree: str) -> list[str]:
        """All keys of a revision, in order."""
        ...

    async def page(self, tree: str, filter_: Filter, *, after: str, limit: int) -> Page:
        """Entities of a revision that match, in the order of their keys, from after a key on."""
        ...

    async def referrers(self, tree: str, key: str, *, limit: int) -> RelationPage:
        """Who refers to an entity at a revision, in the order of keys and fields.

        Entities refer to the environment that they run in also where they do not name it.
        """
        ...

    async def dependants(self, tree: str, keys: Sequence[str]) -> set[str]:
        """Keys of the entities that name one of these in a field of the closure."""
        ...

    async def users(self, tree: str, environments: Sequence[str]) -> set[str]:
        """Keys of the entities that run in one of these environments, given by key."""
        ...

    async def changed(self, old: str, new: str) -> set[str]:
        """Keys whose entity, or its environment, is another one in one of two revisions."""
        ...

    async def diagnostics(
        self,
        tree: str,
        *,
        key: str,
        limit: int,
        offset: int,
        codes: Collection[str] | None = None,
    ) -> DiagnosticPage:
        """Diagnostics of a revision in order of file and line; of one entity if a key is given.

        Args:
            tree: The revision.
            key: Only those of this entity; empty for all.
            limit: At most so many.
            offset: So many are left out before.
            codes: Only those with one of these; None for all.
        """
        ...


class Standing(NamedTuple):
    """An entity as it stands in some revisions, with what a search looks into."""

    first: int
    """Number of the first revision; numbers grow with each index."""
    last: int
    """Number of the last one; greater than any number where it still stands."""
    key: str
    type: str
    title: str
    tags: Sequence[str]
    short_description: str
    creator: str
    notes: str
    path: str
    environment: str


class Standings(Protocol):
    """What a search index is made from."""

    async def number(self, tree: str) -> int:
        """The number of an indexed revision."""
        ...

    async def latest(self) -> int:
        """The number of the revision that was indexed last; 0 if there is none."""
        ...

    def since(self, number: int) -> AsyncIterator[Sequence[Standing]]:
        """What began after a revision, or ended with it or later; all of it for 0."""
        ...

    async def holding(self, tree: str, texts: Sequence[str]) -> Sequence[str]:
        """Keys of a revision in whose searched text all of these parts occur; see `Filter`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a search asks its index."""

    query: Query
    filter: Filter = field(default_factory=Filter)
    keys: frozenset[str] | None = None
    """Only among these entities; None for all."""
    offset: int = 0
    limit: int = 20
    facets: bool = True


@dataclass(frozen=True, kw_only=True)
class Facet:
    """How the found entities are spread over the values of a field."""

    field: str
    values: tuple[tuple[str, int], ...]
    """Each with its count, most frequent first."""


@dataclass(frozen=True, kw_only=True)
class Correction:
    """A word that occurs nowhere, and what was tried in its place."""

    word: str
    replacements: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What an index answers."""

    hits: tuple[tuple[str, float], ...]
    """Keys of a page with their scores, best first."""
    total: int
    clauses: tuple[tuple[Slot, ...], ...]
    """What was looked for, for snippets."""
    facets: tuple[Facet, ...] = ()
    corrections: tuple[Correction, ...] = ()


class SearchIndex(Protocol):
    """Finds entities by words."""

    async def find(self, question: Question, *, tree: str) -> Finding:
        """Answers for an indexed revision; reads first what is new, so that it may take longer."""
        ...

    async def prepare(self) -> None:
        """Reads what is new, so that no search has to wait for it."""
        ...


class OntologyFiles(Protocol):
    """The files of the ontology."""

    async def read(self, tree: str, *, limit: int) -> Sequence[tuple[str, str, bytes]]:
        """Path, blob id and content of each file, at most `limit` + 1 bytes of it, by path.

        Raises:
            NotFoundError: The store does not hold the tree.
        """
        ...


class Individuals(Protocol):
    """What graphs are made of."""

    def tagged(self, tree: str) -> AsyncIterator[Sequence[Tagged]]:
        """All entities of an indexed revision, in the order of their keys, in batches."""
        ...


class Graphs(Protocol):
    """RDF graphs of revisions, the ones used last."""

    async def load(
        self, tree: str, ontology: Ontology, entities: AsyncIterator[Sequence[Tagged]]
    ) -> None:
        """Loads the graph of a revision; others may be given up for it.

        Raises:
            UnavailableError: The store of graphs has failed.
        """
        ...

    async def query(self, tree: str, query: str, *, max_rows: int) -> Answer:
        """Runs a checked SELECT or ASK, without the names of concepts in its answer.

        Raises:
            UnknownGraphError: That graph is not loaded.
            InvalidArgumentError: It cannot be understood; with line, column and why.
            DeadlineExceededError: It took too long and was ended.
            ResourceExhaustedError: It needs too much memory, or there are too many at once.
            UnavailableError: The store of graphs has failed.
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
