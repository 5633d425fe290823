"""Sorts the changes of a git tree by what they concern."""

from collections.abc import Iterable, Iterator
from typing import Final

from services.catalog.domain.entities import (
    DIRECTORY_MODE,
    METADATA_FILE,
    TreeChange,
    is_printable,
)
from services.catalog.domain.indexing.entry_checks import is_metadata
from services.catalog.domain.indexing.folder_checks import DOCKERFILE
from services.catalog.domain.ontology.concepts import ONTOLOGY_FOLDER

_PLAIN: Final = {0, 0o100644, 0o100755, 0o100664}
"""Modes of files about which nothing has to be said."""


class Scan:
    """The changes between two trees.

    Args:
        changes: All paths, folders included.
        missing: Blobs that the object store does not hold.
    """

    def __init__(self, changes: Iterable[TreeChange], *, missing: frozenset[str]) -> None:
        self.trees: dict[str, str] = {}
        """New tree of each changed folder that is there now."""
        self.added: dict[str, list[str]] = {}
        """Paths of the files of wholly new folders with metadata, relative to these."""
        self.metadata: dict[str, TreeChange] = {}
        """Changed `metadata.yml` by folder."""
        self.files: list[TreeChange] = []
        """Everything but folders."""
        self.odd: list[TreeChange] = []
        """What was or is no plain file with a plain name."""
        self.ontology: list[TreeChange] = []
        """Changes in the folder of the ontology."""
        self.dockerfiles: list[TreeChange] = []
        self.missing = missing
        for change in changes:
            path, old_mode, _, mode, id_ = change
            if mode == DIRECTORY_MODE or (not mode and old_mode == DIRECTORY_MODE):
                if mode:
                    self.trees[path] = id_
                    if not old_mode:
                        self.added[path] = []
                continue
            self.files.append(change)
            if path.endswith(METADATA_FILE) and is_metadata(path):
                self.metadata[path[: -len(METADATA_FILE) - 1]] = change
            plain = old_mode in _PLAIN and mode in _PLAIN
            if not plain or not (path.isascii() or is_printable(path)):
                self.odd.append(change)
            if path.startswith(ONTOLOGY_FOLDER):
                self.ontology.append(change)
            if DOCKERFILE in path and path.rpartition("/")[2].startswith(DOCKERFILE):
                self.dockerfiles.append(change)
        self._sort_into_folders()

    def _sort_into_folders(self) -> None:
        """Puts files into all new entity folders that hold them, however deep."""
        added = {path: files for path, files in self.added.items() if path in self.metadata}
        self.added = added
        if not added:
            return
        folder, holders = "", list[tuple[int, list[str]]]()
        for path, _, _, mode, _ in self.files:
            above = path.rpartition("/")[0]
            if above != folder:  # files of one folder follow each other
                folder, holders = above, list(_holders(above, added))
            for start, inside in holders:
                if mode:
                    inside.append(path[start:])


def _holders(folder: str, added: dict[str, list[str]]) -> Iterator[tuple[int, list[str]]]:
    """New entity folders that hold a folder, each with where paths below it begin."""
    while folder:
        inside = added.get(folder)
        if inside is not None:
            yield len(folder) + 1, inside
        folder = folder.rpartition("/")[0]
