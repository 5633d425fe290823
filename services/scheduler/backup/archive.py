"""The tar file of a copy, written and read as a stream.

Whatever reads tar reads it. Every byte is determined by the manifest, which comes first with its
own digest, so that reading it back notices each one that is different.
"""

import hashlib
import tarfile
from collections.abc import Iterator
from typing import BinaryIO

from services.scheduler.backup.manifest import DamagedBackupError, Manifest, Member

BLOCK = 512
CHUNK = 256 * 1024
_MANIFEST = "manifest.json"
_DIGEST = "manifest.sha256"
_END = bytes(2 * BLOCK)
_LARGEST_MANIFEST = 1024**3


def header(name: str, size: int) -> bytes:
    """The block before a file."""
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o600
    return info.tobuf(tarfile.GNU_FORMAT)


def padding(size: int) -> bytes:
    """What fills the last block of a file."""
    return bytes(-size % BLOCK)


def beginning(manifest: Manifest) -> bytes:
    """All that comes before the members."""
    text = manifest.encoded()
    digest = f"{hashlib.sha256(text).hexdigest()}  {_MANIFEST}\n".encode()
    return b"".join(
        part
        for name, content in ((_DIGEST, digest), (_MANIFEST, text))
        for part in (header(name, len(content)), content, padding(len(content)))
    )


def ending() -> bytes:
    """What comes after the last member."""
    return _END


def length(manifest: Manifest) -> int:
    """Bytes of the whole file."""
    members = sum(BLOCK + one.size + len(padding(one.size)) for one in manifest.members)
    return len(beginning(manifest)) + members + len(_END)


class _ShortError(DamagedBackupError):
    """The file ends too early."""


class Reader:
    """Reads a copy from its beginning, once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.manifest = self._manifest()

    def members(self) -> Iterator[tuple[Member, Iterator[bytes]]]:
        """Yields each member with its bytes, which have to be read before the next one.

        Raises:
            DamagedBackupError: A byte is different, missing or too many; the message names the
                member.
        """
        for member in self.manifest.members:
            if self._exactly(BLOCK, of=member.name) != header(member.name, member.size):
                raise DamagedBackupError(f"the header of {member.name} is damaged")
            yield member, self._content(member)
        if self._exactly(len(_END), of="the end of the file") != _END or self._file.read(1):
            raise DamagedBackupError("the end of the file is damaged")

    def _content(self, member: Member) -> Iterator[bytes]:
        found, left = hashlib.sha256(), member.size
        while left:
            data = self._exactly(min(CHUNK, left), of=member.name)
            found.update(data)
            left -= len(data)
            yield data
        if found.hexdigest() != member.sha256:
            raise DamagedBackupError(
                f"{member.name} is damaged: its digest is {found.hexdigest()}, "
                f"and the manifest says {member.sha256}"
            )
        self._skip(member.size, of=member.name)

    def _manifest(self) -> Manifest:
        try:
            said = self._file_at(_DIGEST).decode("ascii")
        except (tarfile.HeaderError, UnicodeDecodeError, _ShortError) as error:
            raise DamagedBackupError(
                f"this is no backup of ACKREP, or {_DIGEST}, with which it begins, is damaged"
            ) from error
        try:
            text = self._file_at(_MANIFEST)
        except tarfile.HeaderError as error:
            raise DamagedBackupError(f"the header of {_MANIFEST} is damaged") from error
        if said != f"{hashlib.sha256(text).hexdigest()}  {_MANIFEST}\n":
            raise DamagedBackupError(f"{_MANIFEST} is damaged: {_DIGEST} has another digest")
        return Manifest.decoded(text)

    def _file_at(self, name: str) -> bytes:
        """Reads a small file of a known name, whose size only its header says."""
        block = self._exactly(BLOCK, of=name)
        info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        if info.name != name or info.size > _LARGEST_MANIFEST or block != header(name, info.size):
            raise tarfile.HeaderError(name)
        content = self._exactly(info.size, of=name)
        self._skip(info.size, of=name)
        return content

    def _skip(self, size: int, *, of: str) -> None:
        filling = padding(size)
        if self._exactly(len(filling), of=of) != filling:
            raise DamagedBackupError(f"{of} is damaged: there are bytes after its end")

    def _exactly(self, size: int, *, of: str) -> bytes:
        data = self._file.read(size)
        if len(data) != size:
            raise _ShortError(f"the file ends within {of}: it was not copied whole")
        return data
