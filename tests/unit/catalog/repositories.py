"""Revisions made of plain text, indexed without git."""

import hashlib
import os
import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import ClassVar

from services.catalog.domain.entities import DIRECTORY_MODE, SYMLINK_MODE, TreeChange
from services.catalog.domain.indexing.contents import Contents
from services.catalog.domain.indexing.deltas import Delta, Index
from services.catalog.domain.indexing.index import update
from services.catalog.domain.metadata.documents import Document
from services.catalog.domain.ontology.concepts import Ontology
from services.catalog.domain.ontology.documents import OntologyFile
from services.catalog.domain.ontology.merging import ontology_of
from services.catalog.index.syncing import whole
from services.catalog.metadata.parsing import parse_metadata
from services.catalog.ontology.dialect import parse_ontology

FILES: Mapping[str, tuple[str, ...]] = {
    "system_model": ("system_model.py", "simulation.py"),
    "problem_specification": ("problem.py",),
    "problem_solution": ("solution.py",),
    "notebook": ("notebook.ipynb",),
}


def entity_files(key: str, type_: str, /, **fields: str) -> dict[str, str]:
    """The files of a right entity in the folder `{type}s/{key}`; fields are raw YAML values."""
    folder = f"{type_}s/{key.lower()}"
    lines = {"key": key, "type": type_, "name": f"Name of {key}", **fields}
    text = "".join(f"{name}: {value}\n" for name, value in lines.items())
    return {f"{folder}/metadata.yml": text} | {
        f"{folder}/{name}": "" for name in FILES.get(type_, ())
    }


def environment(key: str = "ENVIR", name: str = "default_environment") -> dict[str, str]:
    """The files of an environment specification."""
    return entity_files(key, "environment_specification", name=name)


class State:
    """A revision made of files and links, and a reader of it and of all that were made before.

    Args:
        files: Content by path.
        links: Target by path.
        missing: Paths whose content nobody holds.
    """

    _documents: ClassVar[dict[str, Document]] = {}

    def __init__(
        self,
        files: Mapping[str, str | bytes],
        *,
        links: Mapping[str, str] | None = None,
        missing: Collection[str] = (),
    ) -> None:
        contents = {
            path: text if isinstance(text, bytes) else text.encode() for path, text in files.items()
        }
        targets = {path: target.encode() for path, target in (links or {}).items()}
        self._blobs = {_id(content): content for content in (*contents.values(), *targets.values())}
        self.missing = frozenset(_id(contents[path]) for path in missing)
        for id_ in self.missing:
            del self._blobs[id_]
        self.entries = {path: (0o100644, _id(content)) for path, content in contents.items()} | {
            path: (SYMLINK_MODE, _id(target)) for path, target in targets.items()
        }
        folders: dict[str, list[str]] = {}
        for path, (_, id_) in self.entries.items():
            folder = posixpath.dirname(path)
            while folder:
                folders.setdefault(folder, []).append(f"{path[len(folder) :]} {id_}")
                folder = posixpath.dirname(folder)
        self._listings: dict[str, list[str]] = {}
        for folder, lines in folders.items():
            tree = _id("\n".join(sorted(lines)).encode("utf-8", "surrogateescape"))
            self._listings[tree] = [
                path[len(folder) + 1 :]
                for path, (mode, _) in sorted(self.entries.items())
                if path.startswith(f"{folder}/") and mode != DIRECTORY_MODE
            ]
            self.entries[folder] = (DIRECTORY_MODE, tree)
        text = "\n".join(f"{path} {entry}" for path, entry in sorted(self.entries.items()))
        self.tree = _id(text.encode("utf-8", "surrogateescape"))

    def changes_since(self, other: "State | None") -> list[TreeChange]:
        """What `git diff-tree` would say."""
        before = other.entries if other is not None else {}
        found = []
        for path in sorted(before.keys() | self.entries.keys()):
            old, new = before.get(path, (0, "")), self.entries.get(path, (0, ""))
            if old != new:
                if old[0] and new[0] and DIRECTORY_MODE in (old[0], new[0]) and old[0] != new[0]:
                    found.append(TreeChange(path, *old, 0, ""))
                    old = (0, "")
                found.append(TreeChange(path, *old, *new))
        return found

    def documents(self, ids: Sequence[str]) -> Iterator[tuple[str, Document]]:
        for id_ in ids:
            if id_ in self._blobs:
                if id_ not in self._documents:
                    self._documents[id_] = parse_metadata(self._blobs[id_])
                yield id_, self._documents[id_]

    def targets(self, ids: Sequence[str]) -> Mapping[str, str]:
        return {id_: os.fsdecode(self._blobs[id_]) for id_ in ids if id_ in self._blobs}

    def listings(self, trees: Sequence[str]) -> Mapping[str, Sequence[str]]:
        return {tree: self._listings[tree] for tree in trees}

    def ontology(self, files: Mapping[str, str]) -> Ontology:
        return ontology_of(
            [
                OntologyFile(path=path, id=id_, document=parse_ontology(self._blobs[id_]))
                for path, id_ in files.items()
            ]
        )


def delta_between(contents: Contents, old: State | None, new: State) -> Delta:
    """Brings contents from one state to another."""
    return update(contents, new.changes_since(old), tree=new.tree, reader=new, missing=new.missing)


def index_of(
    files: Mapping[str, str | bytes],
    *,
    links: Mapping[str, str] | None = None,
    missing: Collection[str] = (),
) -> Index:
    """Indexes a revision of these files and links; the content of `missing` ones is not there."""
    return whole(delta_between(Contents(), None, State(files, links=links, missing=missing)))


def _id(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()
