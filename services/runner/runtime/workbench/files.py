"""The working copy inside the container: laid out before the program starts, compared after it.

The program may run while changes are collected. So no link is followed, nothing but regular files
is read, and every step is relative to an open folder.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from ..harness import folders

PIECE = 256 * 1024
"""Bytes of a file in one frame."""
NAMED = 50
"""So many of the files that were left out are named."""
PRIVATE = ".git"
"""Nothing of that name goes in or out: it would be run by whoever uses git."""


class Refused(Exception):
    """A working copy that cannot be laid out; the message says why."""


class Sent(NamedTuple):
    """A file as it was laid out."""

    sha256: str
    """Empty for a link."""
    executable: bool
    link: str


def outward(path: str, target: str) -> bool:
    """Whether a link leads out of the working copy, or to where nothing goes."""
    if target.startswith("/") or "\0" in target or not target:
        return True
    clean = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return clean == ".." or clean.startswith("../") or PRIVATE in clean.split("/")


def hidden(path: str) -> bool:
    """Whether a path is nobody's result: caches, and what belongs to git."""
    parts = path.split("/")
    return path.endswith(".pyc") or PRIVATE in parts or not folders.SKIPPED.isdisjoint(parts)


class WorkingCopy:
    """The files below one folder.

    Args:
        root: the folder; exists.
        owner: user that they are to belong to, or None.
        maximum_bytes: of all files together.
    """

    def __init__(self, root: str, owner: Optional[int], maximum_bytes: int) -> None:
        self._root = root
        self._owner = owner
        self._left = self._maximum = maximum_bytes
        self._made: Set[str] = {""}
        self._links: Dict[str, str] = {}
        self._sent: Dict[str, Sent] = {}
        self._handle: Optional[int] = None
        self._hash: Any = None
        if owner is not None:
            os.chown(root, owner, owner)

    def add(self, header: Dict[str, Any], body: bytes) -> None:
        """Write a part of a file; links are kept until all files are there. Raises Refused."""
        path = header["path"]
        try:
            if not path or folders.safe_path(path) != path or PRIVATE in path.split("/"):
                raise Refused("the path %r cannot be in a working copy" % path)
            if header["link"]:
                if outward(path, header["link"]):
                    raise Refused("the link %s leads out of the working copy" % path)
                self._links[path] = header["link"]
                return
            if self._handle is None:
                self._folders(posixpath.dirname(path))
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                mode = 0o755 if header["executable"] else 0o644
                self._handle = os.open(os.path.join(self._root, path), flags, mode)
                self._hash = hashlib.sha256()
            self._left -= len(body)
            if self._left < 0:
                raise Refused(
                    "the working copy is larger than the %d MiB that a session takes here"
                    % (self._maximum >> 20)
                )
            self._hash.update(body)
            view = memoryview(body)
            while view:
                view = view[os.write(self._handle, view) :]
            if not header["more"]:
                if self._owner is not None:
                    os.fchown(self._handle, self._owner, self._owner)
                os.close(self._handle)
                self._handle = None
                self._sent[path] = Sent(self._hash.hexdigest(), bool(header["executable"]), "")
        except (OSError, folders.LayoutError) as error:
            raise Refused("%s cannot be laid out: %s" % (path, error)) from error

    def finish(self) -> None:
        """Make the links: last, so that nothing was written through one. Raises Refused."""
        try:
            for path, target in self._links.items():
                self._folders(posixpath.dirname(path))
                os.symlink(target, os.path.join(self._root, path))
                self._sent[path] = Sent("", False, target)
        except OSError as error:
            raise Refused("%s cannot be laid out: %s" % (path, error)) from error

    def _folders(self, path: str) -> None:
        if path in self._made:
            return
        self._folders(posixpath.dirname(path))
        full = os.path.join(self._root, path)
        os.mkdir(full, 0o755)
        if self._owner is not None:
            os.chown(full, self._owner, self._owner, follow_symlinks=False)
        self._made.add(path)

    def changes(
        self, file_bytes: int, all_bytes: int, count: int
    ) -> Iterator[Tuple[Dict[str, Any], bytes]]:
        """Frames of all files that are not as they were sent, and at last what was left out."""
        changes = _Changes(self._sent, file_bytes, all_bytes, count)
        for frame in changes.frames(self._root):
            yield frame


class _Changes:
    def __init__(self, sent: Dict[str, Sent], file_bytes: int, all_bytes: int, count: int) -> None:
        self._sent = sent
        self._file_bytes = file_bytes
        self._bytes_left = all_bytes
        self._count = count
        self._files = 0
        self._skipped: List[str] = []
        self._more = 0

    def frames(self, root: str) -> Iterator[Tuple[Dict[str, Any], bytes]]:
        seen: Set[str] = set()
        entries = 0
        for path, folder, name, status in folders.walk(root):
            entries += 1
            seen.add(path)
            if hidden(path):
                continue
            try:
                path.encode("utf-8")
            except UnicodeEncodeError:
                self._skip(ascii(path), "its name is no UTF-8")
                continue
            if stat.S_ISLNK(status.st_mode):
                frames = self._link(path, folder, name)
            elif stat.S_ISREG(status.st_mode):
                frames = self._regular(path, folder, name)
            else:
                self._skip(path, "no regular file")
                continue
            for frame in frames:
                yield frame
        if entries >= folders.MAXIMUM_ENTRIES:
            self._skip("(all)", "too many files to tell which are gone")
        else:
            for path in sorted(set(self._sent) - seen):
                if not hidden(path) and self._counts(path):
                    yield self._header(path, removed=True), b""
        if self._more:
            self._skipped.append("and %d more" % self._more)
        yield {"type": "collected", "files": self._files, "skipped": self._skipped}, b""

    def _link(self, path: str, folder: int, name: str) -> Iterator[Tuple[Dict[str, Any], bytes]]:
        try:
            target = os.readlink(name, dir_fd=folder)
            target.encode("utf-8")
        except (OSError, UnicodeEncodeError):
            self._skip(path, "its target cannot be read")
            return
        before = self._sent.get(path)
        if before is not None and before.link == target:
            return
        if outward(path, target):
            self._skip(path, "a link that leads out of the working copy")
        elif self._counts(path):
            yield self._header(path, link=target), b""

    def _regular(self, path: str, folder: int, name: str) -> Iterator[Tuple[Dict[str, Any], bytes]]:
        try:
            handle = os.open(name, folders.REGULAR, dir_fd=folder)
        except OSError as error:
            self._skip(path, str(error.strerror))
            return
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                self._skip(path, "no regular file")
                return
            executable = bool(status.st_mode & stat.S_IXUSR)
            before = self._sent.get(path)
            if before is not None and before.executable == executable:
                if status.st_size <= self._file_bytes and _sha256(handle) == before.sha256:
                    return
            if status.st_size > self._file_bytes:
                self._skip(path, "larger than %d MiB" % (self._file_bytes >> 20))
                return
            if status.st_size > self._bytes_left:
                self._skip(path, "beyond what a session brings back")
                return
            if not self._counts(path):
                return
            self._bytes_left -= status.st_size
            left = status.st_size
            os.lseek(handle, 0, os.SEEK_SET)
            while True:
                data = os.read(handle, min(left, PIECE)) if left else b""
                left = left - len(data) if data else 0
                yield self._header(path, executable=executable, more=left > 0), data
                if not left:
                    return
        finally:
            os.close(handle)

    def _counts(self, path: str) -> bool:
        if self._files >= self._count:
            self._skip(path, "beyond %d files" % self._count)
            return False
        self._files += 1
        return True

    def _skip(self, path: str, reason: str) -> None:
        if len(self._skipped) >= NAMED:
            self._more += 1
        else:
            self._skipped.append("%s: %s" % (path, reason))

    @staticmethod
    def _header(path: str, **more: Any) -> Dict[str, Any]:
        header = {"type": "file", "path": path, "executable": False, "link": ""}
        header.update(more=False, removed=False)
        header.update(more)
        return header


def _sha256(handle: int) -> str:
    found = hashlib.sha256()
    while True:
        data = os.read(handle, PIECE)
        if not data:
            return found.hexdigest()
        found.update(data)
