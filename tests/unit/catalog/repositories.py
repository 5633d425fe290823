"""Revisions made of plain text, indexed without git."""

import hashlib
import posixpath
from collections.abc import Collection, Mapping

from services.catalog.domain.entities import DIRECTORY_MODE, SYMLINK_MODE, TreeEntry
from services.catalog.domain.indexing import Index, index_revision, metadata_entries
from services.catalog.metadata import parse_metadata

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


def index_of(
    files: Mapping[str, str | bytes],
    *,
    links: Mapping[str, str] | None = None,
    missing: Collection[str] = (),
) -> Index:
    """Indexes a revision of these files and links; the content of `missing` ones is not there."""
    contents: dict[str, bytes] = {
        path: text if isinstance(text, bytes) else text.encode() for path, text in files.items()
    }
    entries = []
    for path, content in contents.items():
        size = -1 if path in missing else len(content)
        entries.append(TreeEntry(path=path, mode=0o100644, id=_id(content), size=size))
    for path, target in (links or {}).items():
        entries.append(TreeEntry(path=path, mode=SYMLINK_MODE, id=_id(target.encode())))
    folders: dict[str, list[str]] = {}
    for entry in entries:
        folder = posixpath.dirname(entry.path)
        while folder:
            folders.setdefault(folder, []).append(f"{entry.path} {entry.id}")
            folder = posixpath.dirname(folder)
    entries += [
        TreeEntry(
            path=folder,
            mode=DIRECTORY_MODE,
            id=_id("\n".join(sorted(lines)).encode("utf-8", "surrogateescape")),
        )
        for folder, lines in folders.items()
    ]
    entries.sort(key=lambda entry: entry.path)
    documents = {
        entry.id: parse_metadata(contents[entry.path])
        for entry in metadata_entries(entries)
        if entry.path in contents and entry.size >= 0
    }
    targets = {_id(target.encode()): target for target in (links or {}).values()}
    return index_revision(entries, documents=documents, links=targets)


def _id(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()
