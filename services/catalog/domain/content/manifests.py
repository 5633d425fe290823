"""What a far client says that its working copy holds, and the git trees that this makes."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from services.catalog.domain.entities import DIRECTORY_MODE, OBJECT_ID, SYMLINK_MODE
from services.errors import InvalidArgumentError

FILE_MODES: Final = frozenset({0o100644, 0o100755, SYMLINK_MODE})
"""Modes that a file of an upload may have."""
LONGEST_PATH: Final = 4096
"""Bytes of a path, as Linux takes them."""
DEEPEST_PATH: Final = 200
"""Folders on a path; git itself gives up somewhere above 2,000."""

_REFUSED: Final = frozenset({b"", b".", b".."})
# Windows and macOS take more names than this one for it; see `verify_path` of git.
_GIT: Final = re.compile(rb"(\.git|git~1)[. ]*(:.*)?", re.IGNORECASE | re.DOTALL)


class ManifestFile(NamedTuple):
    """One file."""

    path: bytes
    mode: int
    blob: str
    """Git blob id."""


class TreeObject(NamedTuple):
    """A git tree, as it is stored."""

    id: str
    content: bytes
    """Without git's header."""


def checked(files: Sequence[ManifestFile]) -> None:
    """Checks that a git tree can hold these files.

    Raises:
        InvalidArgumentError: A path, mode or id is wrong, or two paths cannot exist at once.
    """
    paths: set[bytes] = set()
    for file in files:
        _check(file)
        if file.path in paths:
            raise _refusal(file, "is named twice")
        paths.add(file.path)
    known_folders: set[bytes] = set()
    for file in files:
        folder = file.path.rpartition(b"/")[0]
        while folder and folder not in known_folders:
            if folder in paths:
                raise _refusal(file, f"lies in {_shown(folder)}, which is a file")
            known_folders.add(folder)
            folder = folder.rpartition(b"/")[0]


def _check(file: ManifestFile) -> None:
    parts = file.path.split(b"/")
    if len(file.path) > LONGEST_PATH or len(parts) > DEEPEST_PATH:
        raise _refusal(
            file, f"is too long: at most {LONGEST_PATH} bytes and {DEEPEST_PATH} folders"
        )
    if b"\0" in file.path or any(part in _REFUSED for part in parts):
        raise _refusal(file, "is no path below a folder")
    if any(_GIT.fullmatch(part) for part in parts):
        raise _refusal(file, "is a part of git's own folder")
    if file.mode not in FILE_MODES:
        raise _refusal(file, f"has the mode {file.mode:o}; 100644, 100755 and 120000 are known")
    if not OBJECT_ID.fullmatch(file.blob):
        raise _refusal(file, f"has the blob {file.blob[:100]!r}, which is no git object id")


def _refusal(file: ManifestFile, reason: str) -> InvalidArgumentError:
    shown = _shown(file.path)
    return InvalidArgumentError(f"the path {shown} {reason}", path=shown)


def _shown(path: bytes) -> str:
    return path[:200].decode("utf-8", "backslashreplace")


def tree_objects(files: Sequence[ManifestFile]) -> Iterator[TreeObject]:
    """The trees of checked files: folders before what holds them, the whole tree last."""
    folders: dict[bytes, list[tuple[bytes, bytes]]] = {b"": []}
    """Of each folder, the sort key and line of each entry."""
    for file in files:
        folder, _, name = file.path.rpartition(b"/")
        line = b"%o %s\0%s" % (file.mode, name, bytes.fromhex(file.blob))
        folders.setdefault(folder, []).append((name, line))
        while folder:
            folder = folder.rpartition(b"/")[0]
            if folder in folders:
                break
            folders[folder] = []
    # A folder's name is longer than that of what holds it, so this order has children first.
    for folder in sorted(folders, key=len, reverse=True):
        content = b"".join(line for _, line in sorted(folders[folder]))
        tree = TreeObject(object_id("tree", content), content)
        yield tree
        if folder:
            parent, _, name = folder.rpartition(b"/")
            line = b"%o %s\0%s" % (DIRECTORY_MODE, name, bytes.fromhex(tree.id))
            # Git sorts a folder as if its name ended with a slash.
            folders[parent].append((name + b"/", line))


def object_id(kind: str, content: bytes) -> str:
    """Git's id of an object."""
    head = f"{kind} {len(content)}\0".encode()
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()
