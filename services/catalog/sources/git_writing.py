"""Writes blobs and trees into the catalog's own object store.

Each object is written to a file of its own and renamed when it is whole and its id is right, so
that nobody ever reads a part of it; the same object may be written by many at once.
"""

import asyncio
import contextlib
import errno
import hashlib
import secrets
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from services.catalog.domain.content.manifests import TreeObject
from services.catalog.sources.git import Git
from services.errors import ResourceExhaustedError

_READ: Final = 1024 * 1024
_IN_MEMORY: Final = 1024 * 1024
"""Blobs up to this size are put together in memory, larger ones in a file without a name."""
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_TEMPORARY: Final = "tmp_obj_upload_"
"""Git's own clean-up knows names that begin with `tmp_obj_`."""


class GitWriter:
    """Adds to the store (port `ObjectWriter`)."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._objects = git.directory / "objects"

    def tidy(self) -> None:
        """Removes what a killed process left behind; nobody may be writing."""
        for path in self._objects.glob(f"{_TEMPORARY}*"):
            path.unlink(missing_ok=True)

    async def missing(self, ids: Sequence[str], *, kind: str) -> list[str]:
        """As the port says."""
        if not ids:
            return []
        output = await self._git.run(
            "cat-file",
            "--batch-check=%(objecttype)",
            "--buffer",
            given="".join(f"{id_}\n" for id_ in ids).encode(),
        )
        kinds = output.decode().splitlines()
        return [id_ for id_, found in zip(ids, kinds, strict=True) if found != kind]

    def draft(self) -> "GitDraft":
        """As the port says."""
        return GitDraft(self._objects)

    async def write_trees(self, trees: Iterable[TreeObject]) -> None:
        """As the port says."""
        made = await asyncio.to_thread(list, trees)
        lacking = set(await self.missing([tree.id for tree in made], kind="tree"))
        await asyncio.to_thread(self._write_trees, [tree for tree in made if tree.id in lacking])

    def _write_trees(self, trees: Sequence[TreeObject]) -> None:
        for tree in trees:
            head = f"tree {len(tree.content)}\0".encode()
            with _full_disk(), _new(self._objects, tree.id) as file:
                file.write(zlib.compress(head + tree.content, 1))


class GitDraft:
    """A blob of which not all is known yet (port `Draft`)."""

    def __init__(self, objects: Path) -> None:
        self._objects = objects
        # Beyond memory it has no name, so nothing is left of it whatever happens.
        self._content: IO[bytes] = tempfile.SpooledTemporaryFile(  # noqa: SIM115
            _IN_MEMORY, dir=str(objects)
        )
        self.size = 0

    async def add(self, data: bytes) -> None:
        """As the port says."""
        self.size += len(data)
        if self.size > _IN_MEMORY:
            await asyncio.to_thread(self._write, data)
        else:
            self._content.write(data)

    async def keep(self, id_: str) -> bool:
        """As the port says."""
        return await asyncio.to_thread(self._keep, id_)

    def close(self) -> None:
        """As the port says."""
        self._content.close()

    def _write(self, data: bytes) -> None:
        with _full_disk():
            self._content.write(data)

    def _keep(self, id_: str) -> bool:
        head = f"blob {self.size}\0".encode()
        # The id begins with the size, so it can only be computed now.
        digest = hashlib.sha1(head, usedforsecurity=False)
        for data in self._pieces():
            digest.update(data)
        if digest.hexdigest() != id_:
            return False
        if _path(self._objects, id_).exists():
            return True
        compressor = zlib.compressobj(1)
        with _full_disk(), _new(self._objects, id_) as file:
            file.write(compressor.compress(head))
            for data in self._pieces():
                file.write(compressor.compress(data))
            file.write(compressor.flush())
        return True

    def _pieces(self) -> Iterator[bytes]:
        self._content.seek(0)
        while data := self._content.read(_READ):
            yield data


def _path(objects: Path, id_: str) -> Path:
    return objects / id_[:2] / id_[2:]


@contextlib.contextmanager
def _new(objects: Path, id_: str) -> Iterator[IO[bytes]]:
    target = _path(objects, id_)
    target.parent.mkdir(exist_ok=True)
    temporary = objects / f"{_TEMPORARY}{secrets.token_hex(8)}"
    try:
        with temporary.open("xb") as file:
            yield file
        temporary.chmod(0o444)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _full_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise ResourceExhaustedError("the catalog's disk is full") from error
        raise
