"""What indexing reads while it runs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from services.catalog.domain.metadata.documents import Document
from services.catalog.domain.ontology.concepts import Ontology


class Reader(Protocol):
    """What updates read of a git object store; blocking, for a worker thread."""

    def documents(self, ids: Sequence[str]) -> Iterator[tuple[str, Document]]:
        """Parsed metadata by blob id; each once, missing ones left out."""
        ...

    def targets(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Targets of links by blob id; missing ones left out."""
        ...

    def listings(self, trees: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Paths of everything below trees but folders, relative to the tree."""
        ...

    def ontology(self, files: Mapping[str, str]) -> Ontology:
        """The ontology of files, given by path and blob id."""
        ...
