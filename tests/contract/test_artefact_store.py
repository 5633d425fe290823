"""What the artefact store promises."""

import asyncio
import errno
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.errors import InvalidArgumentError, NotFoundError, ResourceExhaustedError
from services.scheduler.artefacts.files import FileArtefacts


@pytest.fixture
def artefacts(tmp_path: Path) -> FileArtefacts:
    """An empty store."""
    return FileArtefacts(tmp_path / "artefacts", largest=4_000_000)


async def chunks(content: bytes, *, size: int = 100_000) -> AsyncIterator[bytes]:
    for first in range(0, len(content), size):
        yield content[first : first + size]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def whole(artefacts: FileArtefacts, digest: str) -> bytes:
    return b"".join([chunk async for chunk in artefacts.read(digest)])


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 4000])
async def test_what_was_put_is_read(artefacts: FileArtefacts, content: bytes) -> None:
    """A file comes back as it was, and is no longer missing."""
    digest = sha256(content)
    assert [digest] == await artefacts.missing([digest])
    await artefacts.put(digest, size=len(content), chunks=chunks(content))
    assert [] == await artefacts.missing([digest])
    assert content == await whole(artefacts, digest)


async def test_a_second_store_over_the_folder_has_it(
    artefacts: FileArtefacts, tmp_path: Path
) -> None:
    """What was put outlives the process."""
    await artefacts.put(sha256(b"x"), size=1, chunks=chunks(b"x"))
    assert b"x" == await whole(FileArtefacts(tmp_path / "artefacts"), sha256(b"x"))


@pytest.mark.parametrize(("size", "content"), [(3, b"xyz"), (2, b"abc"), (4, b"abc")])
async def test_wrong_bytes_are_refused(
    artefacts: FileArtefacts, size: int, content: bytes, tmp_path: Path
) -> None:
    """Another digest or size than was said is refused, and nothing stays behind."""
    with pytest.raises(InvalidArgumentError):
        await artefacts.put(sha256(b"abc"), size=size, chunks=chunks(content))
    assert [sha256(b"abc")] == await artefacts.missing([sha256(b"abc")])
    assert [] == [path for path in (tmp_path / "artefacts").rglob("*") if path.is_file()]


async def test_a_broken_upload_leaves_nothing(artefacts: FileArtefacts, tmp_path: Path) -> None:
    """An upload that breaks off is as if it had never been."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"ab"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await artefacts.put(sha256(b"abc"), size=3, chunks=broken())
    assert [] == [path for path in (tmp_path / "artefacts").rglob("*") if path.is_file()]


async def test_the_same_file_at_once(artefacts: FileArtefacts) -> None:
    """Uploads of the same file side by side all succeed."""
    content = b"y" * 500_000
    digest = sha256(content)
    await asyncio.gather(
        *(artefacts.put(digest, size=len(content), chunks=chunks(content)) for _ in range(5))
    )
    assert content == await whole(artefacts, digest)


async def test_too_large_files_are_refused(artefacts: FileArtefacts) -> None:
    """A file over the limit is refused before its bytes are read."""
    with pytest.raises(ResourceExhaustedError):
        await artefacts.put("0" * 64, size=4_000_001, chunks=chunks(b""))


async def test_unknown_files_are_not_found(artefacts: FileArtefacts) -> None:
    """Reading what is not there says so."""
    with pytest.raises(NotFoundError):
        await whole(artefacts, "0" * 64)


async def test_a_full_disk_is_said(
    artefacts: FileArtefacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the system says of a disk reaches who uploads; nothing of the file stays."""

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    content = b"z" * 100
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(ResourceExhaustedError, match="No space left on device"):
            await artefacts.put(sha256(content), size=100, chunks=chunks(content))
    assert [sha256(content)] == await artefacts.missing([sha256(content)])
    assert [] == [path for path in tmp_path.rglob("*") if path.is_file()]
