"""The artefact store as files: `<folder>/<first two digits>/<sha256>`, never changed once there.

The time of a file is when somebody last asked whether it is there, or brought it: what a runner
was told it need not upload is as safe from retention as what it uploaded.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

from services.errors import InvalidArgumentError, NotFoundError, ResourceExhaustedError
from services.scheduler.domain.retention import StoredFile

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
        clock: Seconds since 1970.
    """

    def __init__(
        self, folder: Path, *, largest: int = 1024**3, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self._removing = folder / "removing"
        self._largest = largest
        self._clock = clock
        for inner in (self._incoming, self._removing):
            inner.mkdir(parents=True, exist_ok=True)
        with self._alone():
            pass
        for leftover in self._incoming.iterdir():  # of a process that was killed
            with contextlib.suppress(FileNotFoundError):
                if time.time() - leftover.stat().st_mtime > _ABANDONED:
                    leftover.unlink()

    async def missing(self, digests: Sequence[str]) -> list[str]:
        return [digest for digest in digests if not self._asked_for(digest)]

    async def put(self, digest: str, *, size: int, chunks: AsyncIterator[bytes]) -> None:
        if size > self._largest:
            raise ResourceExhaustedError(
                f"artefacts/{digest} has {size} bytes; {self._largest} are allowed"
            )
        if self._asked_for(digest):
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
            await _on_disk(_keep, path, bytes(gathered), self._path(digest), self._clock())
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

    async def stored(self) -> list[StoredFile]:
        return await asyncio.to_thread(lambda: [*self._stored()])

    async def remove(self, digests: Sequence[str], *, unused_since: float) -> list[str]:
        return await asyncio.to_thread(self._remove, digests, unused_since)

    @contextlib.asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        with _opened(self._removing) as lock:
            # A batch that is being removed takes no longer than a moment.
            await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_SH)
            yield

    @contextlib.contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """Gives the path of a file, not there yet, that is gone after the block."""
        path = self._incoming / f"{name}.{secrets.token_hex(8)}"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def path(self, digest: str) -> Path:
        """Where a file lies, if it is there."""
        return self._path(digest)

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest

    def _asked_for(self, digest: str) -> bool:
        """Whether a file is there; if so, it is in use from now on."""
        now = self._clock()
        try:
            os.utime(self._path(digest), (now, now))
        except FileNotFoundError:
            return False
        return True

    def _stored(self) -> Iterator[StoredFile]:
        for folder in self._folder.glob("[0-9a-f][0-9a-f]"):
            for entry in os.scandir(folder):
                with contextlib.suppress(FileNotFoundError):
                    found = entry.stat(follow_symlinks=False)
                    yield StoredFile(
                        sha256=entry.name, size=found.st_size, last_asked=found.st_mtime
                    )

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        """Says whether no process copies or removes files, and none begins to meanwhile.

        What a process left that ended while it removed a file is put back first.
        """
        with _opened(self._removing) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            for interrupted in self._removing.iterdir():
                interrupted.replace(self._path(interrupted.name))
            yield True

    def _remove(self, digests: Sequence[str], unused_since: float) -> list[str]:
        with self._alone() as alone:
            if not alone:
                return []
            return [digest for digest in digests if self._remove_one(digest, unused_since)]

    def _remove_one(self, digest: str, unused_since: float) -> bool:
        """Takes a file away, then looks whether it was asked for: who asks now does not see it."""
        aside = self._removing / digest
        try:
            self._path(digest).replace(aside)
        except FileNotFoundError:
            return True
        if aside.stat().st_mtime > unused_since:
            aside.replace(self._path(digest))
            return False
        aside.unlink()
        return True


async def _on_disk(work: Callable[..., None], *arguments: object) -> None:
    try:
        await asyncio.to_thread(work, *arguments)
    except OSError as error:
        raise ResourceExhaustedError(f"the file cannot be stored: {error.strerror}") from error


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def _keep(path: Path, rest: bytes, final: Path, now: float) -> None:
    """Completes a file and gives it its name; both are on disk when this returns."""
    with path.open("ab") as file:
        file.write(rest)
        file.flush()
        os.utime(file.fileno(), (now, now))
        os.fsync(file.fileno())
    if not final.parent.is_dir():
        final.parent.mkdir(exist_ok=True)
        _sync_folder(final.parent.parent)
    path.replace(final)
    _sync_folder(final.parent)


def _sync_folder(folder: Path) -> None:
    with _opened(folder) as descriptor:
        os.fsync(descriptor)


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """Opens a folder itself; what is locked by it is free again after the block."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
