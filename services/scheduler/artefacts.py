"""The artefact store as files: `<folder>/<first two digits>/<sha256>`, never changed once there."""

import asyncio
import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from services.errors import InvalidArgumentError, NotFoundError, ResourceExhaustedError

CHUNK = 256 * 1024
_GATHERED = 1024 * 1024
"""Bytes of an upload that are held in memory before they are written."""
_ABANDONED = 3600.0
"""Seconds after which an unfinished upload is nobody's; another process may be writing others."""


class FileArtefacts:
    """The port `Artefacts` over a folder.

    Args:
        folder: Made if it does not exist.
        largest: Bytes that one file may have.
    """

    def __init__(self, folder: Path, *, largest: int = 1024**3) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self._largest = largest
        self._incoming.mkdir(parents=True, exist_ok=True)
        for leftover in self._incoming.iterdir():  # of a process that was killed
            with contextlib.suppress(FileNotFoundError):
                if time.time() - leftover.stat().st_mtime > _ABANDONED:
                    leftover.unlink()

    async def missing(self, digests: Sequence[str]) -> list[str]:
        return [digest for digest in digests if not self._path(digest).is_file()]

    async def put(self, digest: str, *, size: int, chunks: AsyncIterator[bytes]) -> None:
        if size > self._largest:
            raise ResourceExhaustedError(
                f"artefacts/{digest} has {size} bytes; {self._largest} are allowed"
            )
        if self._path(digest).is_file():
            return
        path = self._incoming / f"{digest}.{secrets.token_hex(8)}"
        try:
            # One trip to a thread for a small file: most are logs of a few lines.
            found, length, gathered = hashlib.sha256(), 0, bytearray()
            async for chunk in chunks:
                length += len(chunk)
                if length > size:
                    raise InvalidArgumentError(
                        f"artefacts/{digest} is longer than the {size} bytes that were said"
                    )
                found.update(chunk)
                gathered += chunk
                if len(gathered) >= _GATHERED:
                    await _on_disk(_append, path, bytes(gathered))
                    gathered.clear()
            if length != size or found.hexdigest() != digest:
                raise InvalidArgumentError(
                    f"the bytes are not artefacts/{digest} of {size} bytes: "
                    f"{length} bytes came, with digest {found.hexdigest()}"
                )
            await _on_disk(_keep, path, bytes(gathered), self._path(digest))
        finally:
            path.unlink(missing_ok=True)

    async def read(self, digest: str) -> AsyncIterator[bytes]:
        try:
            file = self._path(digest).open("rb")
        except FileNotFoundError:
            raise NotFoundError(
                f"there is no artefact named artefacts/{digest}", name=f"artefacts/{digest}"
            ) from None
        with file:
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                yield chunk

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest


async def _on_disk(work: Callable[..., None], *arguments: object) -> None:
    try:
        await asyncio.to_thread(work, *arguments)
    except OSError as error:
        raise ResourceExhaustedError(f"the file cannot be stored: {error.strerror}") from error


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def _keep(path: Path, rest: bytes, final: Path) -> None:
    """Completes a file and gives it its name; both are on disk when this returns."""
    with path.open("ab") as file:
        file.write(rest)
        file.flush()
        os.fsync(file.fileno())
    if not final.parent.is_dir():
        final.parent.mkdir(exist_ok=True)
        _sync_folder(final.parent.parent)
    path.replace(final)
    _sync_folder(final.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
