"""The files of an export, in a folder or an archive, read once and never written anywhere."""

import dataclasses
import hashlib
import os
import stat
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Final

from services.errors import InvalidArgumentError

_KEPT: Final = 8 * 1024 * 1024
"""Bytes up to which a file's content is kept: records and lists are small."""
_MOST: Final = 100_000
_LARGEST: Final = 4 * 1024**3
"""Bytes of all files together: what says to be more is no export of ours."""
_PIECE: Final = 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Member:
    """One file or link."""

    sha256: str
    blob: str
    """Git blob id."""
    mode: str
    """As git says it: `100644`, `100755`, or `120000` for a link."""
    content: bytes | None
    """What is in it; None where it is large."""


def read(path: Path) -> Mapping[str, Member]:
    """The members of an export by their paths, below its top folder.

    Raises:
        InvalidArgumentError: It is neither a folder nor an archive, or larger than any export.
    """
    try:
        if path.is_dir():
            return _gathered(_of_folder(path))
        if zipfile.is_zipfile(path):
            return _gathered(_of_zip(path))
        if tarfile.is_tarfile(path):
            return _gathered(_of_tar(path))
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, NotImplementedError) as error:
        raise InvalidArgumentError(f"{path} cannot be read: {error}") from error
    except RuntimeError as error:  # of encrypted zip files
        raise InvalidArgumentError(f"{path} cannot be read: {error}") from error
    raise InvalidArgumentError(f"{path} is neither a folder, nor a zip or tar file, nor a record")


def tree(members: Mapping[str, Member], folder: str) -> str:
    """Git's tree id of a folder, from the files in it; empty if there is none."""
    inside: dict[str, dict[str, Member]] = {}
    entries: dict[str, tuple[str, str]] = {}
    prefix = f"{folder}/" if folder else ""
    for path, member in members.items():
        if not path.startswith(prefix):
            continue
        first, slash, _ = path.removeprefix(prefix).partition("/")
        if slash:
            inside.setdefault(first, {})[path] = member
        else:
            entries[first] = (member.mode, member.blob)
    for name, below in inside.items():
        entries[name] = ("40000", tree(below, prefix + name))
    if not entries:
        return ""
    # Git sorts a folder as if its name ended with a slash.
    order = sorted(entries, key=lambda name: name.encode() + b"/" * (entries[name][0] == "40000"))
    body = b"".join(
        b"%s %s\0%s" % (entries[name][0].encode(), name.encode(), bytes.fromhex(entries[name][1]))
        for name in order
    )
    return _git_id(b"tree", body)


def _git_id(kind: bytes, body: bytes) -> str:
    head = b"%s %d\0" % (kind, len(body))
    return hashlib.sha1(head + body, usedforsecurity=False).hexdigest()


_Found = Iterator[tuple[str, str, int, IO[bytes] | bytes]]
"""Path, mode, size, and content of each member."""


def _gathered(found: _Found) -> dict[str, Member]:
    members: dict[str, Member] = {}
    total = 0
    for path, mode, size, content in found:
        total += size
        if len(members) >= _MOST or total > _LARGEST:
            raise InvalidArgumentError("this has more in it than any export")
        if path in members or path.startswith("/") or ".." in path.split("/"):
            raise InvalidArgumentError(f"no export has a file like {path!r} in it, or has it twice")
        members[path] = _member(mode, size, content)
    return members


def _member(mode: str, size: int, content: IO[bytes] | bytes) -> Member:
    digest = hashlib.sha256()
    blob = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    kept = bytearray()
    seen = 0
    pieces = [content] if isinstance(content, bytes) else iter(lambda: content.read(_PIECE), b"")
    for piece in pieces:
        seen += len(piece)
        if seen > size:
            raise InvalidArgumentError("a file has more in it than it says")
        digest.update(piece)
        blob.update(piece)
        if size <= _KEPT:
            kept += piece
    whole = bytes(kept) if size <= _KEPT else None
    return Member(digest.hexdigest(), blob.hexdigest(), mode, whole)


def _of_folder(folder: Path) -> _Found:
    for parent, names, files in os.walk(folder):
        names.sort()
        for name in sorted([*files, *(one for one in names if (Path(parent) / one).is_symlink())]):
            path = Path(parent) / name
            relative = path.relative_to(folder).as_posix()
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                target = os.fsencode(path.readlink())
                yield relative, "120000", len(target), target
            elif stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    yield relative, _mode(status.st_mode), status.st_size, file


def _of_zip(path: Path) -> _Found:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            unix = info.external_attr >> 16
            name = info.filename.partition("/")[2]
            with archive.open(info) as file:
                if stat.S_ISLNK(unix):
                    yield name, "120000", info.file_size, file.read(_PIECE)
                else:
                    yield name, _mode(unix), info.file_size, file


def _of_tar(path: Path) -> _Found:
    with tarfile.open(path) as archive:
        for info in archive:
            name = info.name.partition("/")[2]
            if info.issym():
                yield name, "120000", len(info.linkname.encode()), info.linkname.encode()
            elif info.isreg():
                file = archive.extractfile(info)
                assert file is not None  # noqa: S101  # regular
                yield name, _mode(info.mode), info.size, file


def _mode(unix: int) -> str:
    return "100755" if unix & stat.S_IXUSR else "100644"
