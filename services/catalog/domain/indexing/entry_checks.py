"""What is wrong with a file, link or submodule by itself, whatever folder it is in."""

import posixpath
from collections.abc import Iterator, Sequence
from typing import Final

from services.catalog.domain.diagnostics import MAX_PATH, Diagnostic, shortened
from services.catalog.domain.entities import (
    METADATA_FILE,
    SUBMODULE_MODE,
    SYMLINK_MODE,
    is_printable,
    printable,
)
from services.catalog.domain.metadata.documents import Position

TEMPLATE_FOLDER: Final = "_template"
"""Folders that begin with `_` and end so hold patterns for new entities, and are skipped."""
_METADATA: Final = f"/{METADATA_FILE}"
MAX_LINK_BYTES: Final = 4096
"""Longer link targets are no paths."""


def is_metadata(path: str) -> bool:
    """Whether a file makes its folder an entity, templates left out."""
    if not path.endswith(_METADATA) and path != METADATA_FILE:
        return False
    return not (("/_" in path or path[0] == "_") and _in_template(path))


def _in_template(path: str) -> bool:
    return any(part.startswith("_") and part.endswith(TEMPLATE_FOLDER) for part in path.split("/"))


def check_entry(path: str, mode: int, *, target: str) -> Iterator[Diagnostic]:
    """What is wrong with one entry of a tree that is no folder.

    Args:
        path: In the data repository.
        mode: As in the tree.
        target: Where it leads, if it is a link and its target is known.
    """
    if not is_printable(path):
        yield _report(
            path,
            "odd-name",
            "the name holds bytes that are no UTF-8; checks do not see this file",
            "rename the file",
        )
    elif mode == SUBMODULE_MODE:
        yield _report(
            path,
            "submodule-ignored",
            "submodules are not fetched; checks do not see this folder",
            "commit its files into the data repository itself",
        )
    elif mode == SYMLINK_MODE and target:
        yield _check_link(path, target)


def _check_link(path: str, target: str) -> Diagnostic:
    end = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    if target.startswith("/") or end == ".." or end.startswith("../"):
        return _report(
            path,
            "symlink-outside",
            f"the link leads out of the repository, to {printable(target)[:200]}",
            "put a copy of what it points at in its place",
        )
    return _report(
        path,
        "symlink",
        f"a link to {printable(target)[:200]}; only checks with both ends see through it",
        "nothing, if its target lies in the same entity",
    )


def check_metadata_entry(path: str, mode: int) -> Diagnostic | None:
    """Why a `metadata.yml` cannot make an entity, whatever it holds; None where it can."""
    folder = posixpath.dirname(path)
    if mode in (SYMLINK_MODE, SUBMODULE_MODE):
        return _report(
            path,
            "metadata-not-a-file",
            "metadata.yml is a link; it is not followed",
            "put a real file in its place",
        )
    if not is_printable(folder):
        name = shortened(printable(folder), 200)
        return _report(
            path,
            "odd-entity-path",
            f"the folder's name {name!r} holds bytes that are no UTF-8",
            "rename the folder",
        )
    if len(folder) > MAX_PATH:
        return _report(
            path,
            "odd-entity-path",
            f"the folder's path has {len(folder)} characters, more than {MAX_PATH}",
            "move it up, or give it a shorter name",
        )
    if not folder:
        return _report(
            path,
            "entity-at-root",
            "metadata.yml at the root of the repository makes no entity",
            "move the entity into a folder of its own",
        )
    return None


def missing_content(path: str, *, key: str = "") -> Diagnostic:
    """That the object store lacks a file."""
    return _report(
        path,
        "missing-content",
        "the object store of the source does not hold this file",
        "fetch the whole repository (it may be a partial clone)",
        key=key,
    )


def _report(path: str, code: str, message: str, remedy: str, *, key: str = "") -> Diagnostic:
    return Diagnostic(path=printable(path), code=code, message=message, remedy=remedy, key=key)


def rival_diagnostics(key: str, rivals: Sequence[tuple[str, Position]]) -> Iterator[Diagnostic]:
    """That several folders have the same key, told to each of them.

    Args:
        key: The key.
        rivals: Paths in order, the one that is used first, and where each states the key.
    """
    kept = rivals[0][0]
    for path, position in rivals:
        others = [other for other in rivals[:6] if other[0] != path][:5]
        where = ", ".join(f"{other}/{METADATA_FILE}:{place.line}" for other, place in others)
        outcome = "this one is used" if path == kept else f"{kept}/{METADATA_FILE} is used instead"
        yield Diagnostic(
            path=f"{path}/{METADATA_FILE}",
            line=position.line,
            column=position.column,
            code="duplicate-key",
            field="key",
            message=f"the key {key} stands in {where} too; {outcome}",
            remedy="give one of them a new key (`ackrep key` makes one)",
            key=key,
        )
