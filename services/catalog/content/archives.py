"""Zip and tar.gz, written piece by piece: the same members give the same bytes."""

import gzip
import io
import tarfile
import zipfile
from enum import StrEnum
from typing import IO, Final, Protocol

from services.catalog.domain.content.archive_layout import Member

_FILE: Final = 0o100644
_EXECUTABLE: Final = 0o100755
_LINK: Final = 0o120777
_TIME: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest that zip can say. When an entity was made is for git to tell."""
_TIME_SECONDS: Final = 315_532_800
_BLOCK: Final = tarfile.BLOCKSIZE
_COMPRESSION: Final = 6


class Format(StrEnum):
    """Kinds of archives, as their file names end."""

    ZIP = "zip"
    TAR_GZ = "tar.gz"

    @property
    def content_type(self) -> str:
        """What an answer with it says."""
        return "application/zip" if self is Format.ZIP else "application/gzip"

    def new(self) -> "Archive":
        """An empty archive."""
        return ZipArchive() if self is Format.ZIP else TarArchive()


class Archive(Protocol):
    """An archive that grows: begin a member, write it whole, begin the next."""

    def begin(self, name: str, member: Member) -> None:
        """Begins a member; a link is whole at once.

        Args:
            name: Path in the archive, top folder included.
            member: What it is.
        """
        ...

    def write(self, data: bytes) -> None:
        """Adds content to the member."""
        ...

    def finish(self) -> None:
        """Ends the archive."""
        ...

    def taken(self) -> bytes:
        """The bytes that came to be since the last time."""
        ...


class _Sink(io.RawIOBase):
    """Collects what is written; cannot seek, so that nothing written is changed later."""

    def __init__(self) -> None:
        self._data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # writers give bytes only
        self._data += data
        return len(data)

    def taken(self) -> bytes:
        data, self._data = bytes(self._data), bytearray()
        return data


class ZipArchive:
    """A zip file. Links are what Info-ZIP writes; Windows shows them as small text files."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED)
        self._open: IO[bytes] | None = None

    def begin(self, name: str, member: Member) -> None:
        self._end()
        info = zipfile.ZipInfo(name, _TIME)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.create_system = 3  # Unix, so that modes are understood
        info.file_size = member.size
        info.external_attr = _mode(member) << 16
        self._open = self._zip.open(info, "w")
        if member.target is not None:
            self.write(member.target.encode())

    def write(self, data: bytes) -> None:
        assert self._open is not None  # noqa: S101  # by the protocol
        self._open.write(data)

    def finish(self) -> None:
        self._end()
        self._zip.close()

    def taken(self) -> bytes:
        return self._sink.taken()

    def _end(self) -> None:
        if self._open is not None:
            self._open.close()


class TarArchive:
    """A tar file in pax format, compressed with gzip."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._gzip = gzip.GzipFile("", "wb", _COMPRESSION, self._sink, mtime=0)
        self._written = 0

    def begin(self, name: str, member: Member) -> None:
        self._pad()
        info = tarfile.TarInfo(name)
        info.mode = _mode(member) & 0o777
        info.mtime = _TIME_SECONDS
        if member.target is None:
            info.size = member.size
        else:
            info.type, info.linkname = tarfile.SYMTYPE, member.target
        self._gzip.write(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict"))

    def write(self, data: bytes) -> None:
        self._gzip.write(data)
        self._written += len(data)

    def finish(self) -> None:
        self._pad()
        self._gzip.write(bytes(2 * _BLOCK))
        self._gzip.close()

    def taken(self) -> bytes:
        return self._sink.taken()

    def _pad(self) -> None:
        self._gzip.write(bytes(-self._written % _BLOCK))
        self._written = 0


def _mode(member: Member) -> int:
    if member.target is not None:
        return _LINK
    return _EXECUTABLE if member.executable else _FILE
