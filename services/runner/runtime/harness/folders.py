"""The folders of a check: laying them out, finding what changed, emptying them.

While these functions run no process of the check lives; what it left may still be hostile. So no
link is followed, nothing but regular files is read, and every step is relative to an open folder.
"""

from __future__ import annotations

import hashlib
import io
import os
import posixpath
import stat
import tarfile
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

Signature = Tuple[int, int, int, int]
"""Inode, size, and times of a file: a change cannot hide from its ctime."""

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
REGULAR = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
SKIPPED = {"__pycache__", ".ipynb_checkpoints"}
"""Folders whose content is nobody's result."""
MAXIMUM_DEPTH = 40
MAXIMUM_ENTRIES = 500000


class LayoutError(Exception):
    """A tree that cannot be laid out."""


def safe_path(path: str) -> str:
    """The path, when it stays below where it is put. Raises LayoutError."""
    clean = posixpath.normpath(path)
    if path.startswith("/") or clean.startswith("../") or clean == ".." or "\0" in path:
        raise LayoutError("a path that leads outside: %r" % path)
    return "" if clean == "." else clean


def lay_out(root: str, path: str, tar: bytes, owner: Optional[int]) -> None:
    """Write the files of a tar archive to `path` below the root, owned by a user if given."""
    base = safe_path(path)
    made: Set[str] = set()
    links: List[Tuple[str, str]] = []
    _make_folders(root, base, made, owner)
    with tarfile.open(fileobj=io.BytesIO(tar), mode="r:") as archive:
        for member in archive:
            name = posixpath.join(base, safe_path(member.name)) if base else safe_path(member.name)
            if member.isdir():
                _make_folders(root, name, made, owner)
            elif member.isreg():
                _make_folders(root, posixpath.dirname(name), made, owner)
                mode = 0o755 if member.mode & 0o100 else 0o644
                content = archive.extractfile(member)
                assert content is not None
                flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
                handle = os.open(os.path.join(root, name), flags, mode)
                try:
                    with open(handle, "wb", closefd=False) as file:
                        file.write(content.read())
                    if owner is not None:
                        os.fchown(handle, owner, owner)
                finally:
                    os.close(handle)
            elif member.issym():
                links.append((name, member.linkname))
    for name, target in links:
        # Last, so that nothing is ever written through one; only to what lies below the root.
        safe_path(posixpath.join(posixpath.dirname(name), target))
        _make_folders(root, posixpath.dirname(name), made, owner)
        os.symlink(target, os.path.join(root, name))


def _make_folders(root: str, path: str, made: Set[str], owner: Optional[int]) -> None:
    if path in made:
        return
    if path:
        _make_folders(root, posixpath.dirname(path), made, owner)
        full = os.path.join(root, path)
        try:
            os.mkdir(full, 0o755)
        except FileExistsError:
            pass
        else:
            if owner is not None:
                os.chown(full, owner, owner, follow_symlinks=False)
    made.add(path)


class Found(NamedTuple):
    """A regular file below a root."""

    path: str
    handle: int
    """Open for reading; whoever gets it closes it."""
    status: os.stat_result


def walk(root: str) -> Iterator[Tuple[str, int, str, os.stat_result]]:
    """All that is no folder: path, handle of its folder, name, status. Bounded; sorted by name."""
    budget = [MAXIMUM_ENTRIES]

    def descend(
        handle: int, prefix: str, depth: int
    ) -> Iterator[Tuple[str, int, str, os.stat_result]]:
        for name in sorted(os.listdir(handle)):
            budget[0] -= 1
            if budget[0] < 0:
                return
            try:
                status = os.stat(name, dir_fd=handle, follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISDIR(status.st_mode):
                if depth >= MAXIMUM_DEPTH or name in SKIPPED:
                    continue
                try:
                    inner = os.open(name, FOLDER, dir_fd=handle)
                except OSError:
                    continue
                try:
                    for item in descend(inner, prefix + name + "/", depth + 1):
                        yield item
                finally:
                    os.close(inner)
            else:
                yield prefix + name, handle, name, status

    try:
        top = os.open(root, FOLDER)
    except OSError:
        return
    try:
        for item in descend(top, "", 0):
            yield item
    finally:
        os.close(top)


def snapshot(root: str) -> Dict[str, Signature]:
    """What is there before a check."""
    return {path: signature(status) for path, _, _, status in walk(root)}


def signature(status: os.stat_result) -> Signature:
    """What changes when a file changes."""
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


class Collected(NamedTuple):
    """What `collect` found."""

    skipped: int
    """Files that were not sent."""
    files: int
    """Files that appeared or changed."""
    bytes: int
    """Their sizes together."""


def collect(
    root: str,
    before: Dict[str, Signature],
    owner: Optional[int],
    maximum_count: int,
    maximum_bytes: int,
    send: Callable[[str, bytes, str], None],
) -> Collected:
    """Send what appeared or changed.

    Skipped are files beyond the bounds, and what is no plain file of the check's own user: links
    of both kinds, pipes, devices.
    """
    skipped = count = total = files = left = 0
    for path, folder, name, status in walk(root):
        if before.get(path) == signature(status) or name.endswith(".pyc"):
            continue
        files += 1
        left += status.st_size
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            skipped += 1
            continue
        if count >= maximum_count or total + status.st_size > maximum_bytes:
            skipped += 1
            continue
        content = _read(folder, name, owner, maximum_bytes - total)
        if content is None:
            skipped += 1
            continue
        count += 1
        total += len(content)
        readable = path.encode("utf-8", "backslashreplace").decode("utf-8")
        send(readable, content, hashlib.sha256(content).hexdigest())
    return Collected(skipped, files, left)


def _read(folder: int, name: str, owner: Optional[int], maximum: int) -> Optional[bytes]:
    try:
        handle = os.open(name, REGULAR, dir_fd=folder)
    except OSError:
        return None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size > maximum:
            return None
        if owner is not None and status.st_uid not in (owner, os.getuid()):
            return None
        with open(handle, "rb", closefd=False) as file:
            return file.read(status.st_size)
    except OSError:
        return None
    finally:
        os.close(handle)


def empty(root: str, spare: Set[str], leftovers: List[str]) -> int:
    """Remove everything in a folder but the names to spare; how many files that were.

    What cannot be removed is added to `leftovers`.
    """
    try:
        handle = os.open(root, FOLDER)
    except OSError:
        return 0
    try:
        return _empty(handle, root, spare, leftovers, 0)
    finally:
        os.close(handle)


def _empty(handle: int, path: str, spare: Set[str], leftovers: List[str], depth: int) -> int:
    removed = 0
    for name in os.listdir(handle):
        if name in spare:
            continue
        full = path + "/" + name
        try:
            status = os.stat(name, dir_fd=handle, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                os.unlink(name, dir_fd=handle)
                removed += 1
                continue
            if depth > 200:
                raise OSError("too deep")
            removed += _empty_folder(handle, name, full, leftovers, depth)
        except OSError as error:
            if len(leftovers) < 20:
                text = "%s: %s" % (full, error.strerror or error)
                leftovers.append(text.encode("utf-8", "backslashreplace").decode("utf-8"))
    return removed


def _empty_folder(handle: int, name: str, full: str, leftovers: List[str], depth: int) -> int:
    try:
        inner = os.open(name, FOLDER, dir_fd=handle)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=handle)
        inner = os.open(name, FOLDER, dir_fd=handle)
    try:
        me = os.getuid()
        if me == 0 and os.fstat(inner).st_uid != 0:
            # Its sticky bit must not protect what is in it from us.
            os.fchown(inner, 0, 0)
        if os.fstat(inner).st_mode & 0o700 != 0o700:
            os.fchmod(inner, 0o700)
        removed = _empty(inner, full, set(), leftovers, depth + 1)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=handle)
    return removed
