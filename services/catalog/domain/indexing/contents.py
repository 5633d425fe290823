"""What the catalog remembers of the last revision that it indexed."""

from collections.abc import Iterator, Mapping

from services.catalog.domain.diagnostics import Diagnostic, Severity
from services.catalog.domain.indexing.cycles import Cycles
from services.catalog.domain.indexing.entry_checks import is_metadata, missing_content
from services.catalog.domain.indexing.graph import Folder, Graph
from services.catalog.domain.indexing.reports import Reports
from services.catalog.domain.ontology.concepts import NO_ONTOLOGY, Ontology


class Contents:
    """Of an indexed revision what the next update needs; one that fails spoils it."""

    def __init__(self) -> None:
        self.tree = ""
        """Its git tree; empty before the first update."""
        self.folders: dict[str, Folder] = {}
        """By path."""
        self.rivals: dict[str, tuple[str, ...]] = {}
        """Paths by key, in order; the first one is used."""
        self.forms: dict[str, tuple[str, ...]] = {}
        """Paths of folders that some file systems take for one, by what they have in common."""
        self.dockerfiles: set[str] = set()
        """Paths of the Dockerfiles of environments."""
        self.graph = Graph()
        self.reports = Reports()
        self.lacking: dict[str, str] = {}
        """Blobs, by path, that the object store does not hold."""
        self.ontology_files: dict[str, str] = {}
        """Blobs by path."""
        self.ontology: Ontology = NO_ONTOLOGY
        self.closure_cycles = Cycles()
        self.predecessor_cycles = Cycles()
        self.told_cycles: dict[tuple[str, str], tuple[str, ...]] = {}
        """Keys that were told of a cycle, by the kind of cycle and the first key of its group."""

    @property
    def entity_count(self) -> int:
        """Number of entities."""
        return len(self.graph.entities)

    def count(self, severity: Severity) -> int:
        """Number of diagnostics of a severity."""
        return self.reports.count(severity)

    def outdated(self, missing: frozenset[str]) -> bool:
        """Whether files that were lacking are there now, so that all has to be read again."""
        return any(id_ not in missing for id_ in self.lacking.values())

    def lacking_diagnostics(self) -> Iterator[Diagnostic]:
        """Files of entities that the store does not hold; others are nobody's loss."""
        for path in self.lacking:
            folder = None if is_metadata(path) else enclosing(path, self.folders)
            if folder is not None:
                yield missing_content(path, key=folder.key)


def enclosing(path: str, folders: Mapping[str, Folder]) -> Folder | None:
    """The nearest folder above a path whose metadata can be read."""
    while path:
        path = path.rpartition("/")[0]
        if path in folders:
            return folders[path]
    return None
