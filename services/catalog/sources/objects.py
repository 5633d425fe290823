"""Reads trees and blobs of the catalog's own git store (port `Objects`).

Single look-ups ask `git cat-file` processes that are kept and used again. Whole revisions are read
by processes of their own, in bulk and in a worker thread.
"""

import asyncio
import contextlib
import os
import subprocess
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Final

from services.catalog.domain.entities import (
    DIRECTORY_MODE,
    OBJECT_ID,
    SUBMODULE_MODE,
    TreeChange,
    TreeEntry,
)
from services.catalog.ports import Chunk
from services.catalog.sources.conversation import AT_ONCE, Conversation, answers
from services.catalog.sources.git import Git, GitError, end, is_safe, reader_of, writer_of
from services.errors import InvalidArgumentError, NotFoundError, UnavailableError

EMPTY_TREE: Final = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""Git knows it without holding it."""
_PIECE: Final = 1024 * 1024
_IDLE: Final = 4
"""Processes of a kind that wait for work."""
_FEW: Final = 50
"""Up to so many blobs are asked of a kept process."""
_BROKEN: Final = (GitError, OSError, RuntimeError, asyncio.IncompleteReadError)
"""What talking to a process that somebody killed gives."""


class GitObjects:
    """The store of a `Git`; `close` ends the processes that are kept."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._contents = _Pool(git, "--batch")
        self._headers = _Pool(git, "--batch-check")
        self._few = Conversation(git)

    async def close(self) -> None:
        """Ends all processes."""
        await self._contents.close()
        await self._headers.close()
        await asyncio.to_thread(self._few.close)

    # Single look-ups

    async def entries(self, tree: str) -> list[TreeEntry]:
        """As the port says; entries whose path would leave the tree are left out."""
        if not OBJECT_ID.fullmatch(tree):
            raise InvalidArgumentError(f"{tree[:100]!r} is no git tree id", tree=tree[:100])
        trees: dict[str, list[TreeEntry]] = {}
        wanted = [tree]
        while wanted:
            found = await self._contents.ask(wanted)
            for id_ in wanted:
                kind, content = found.get(id_, ("", b""))
                if kind != "tree":
                    raise NotFoundError(f"the catalog does not hold the tree {id_}", tree=id_)
                trees[id_] = list(_parsed(content))
            below = (one.id for id_ in wanted for one in trees[id_] if one.mode == DIRECTORY_MODE)
            wanted = [id_ for id_ in dict.fromkeys(below) if id_ not in trees]
        entries = list(_flattened(tree, trees))
        blobs = {one.id for one in entries if one.mode not in (DIRECTORY_MODE, SUBMODULE_MODE)}
        sizes = await self._headers.sizes(sorted(blobs))
        return [
            TreeEntry(path=one.path, mode=one.mode, id=one.id, size=sizes.get(one.id, -1))
            if one.id in blobs
            else one
            for one in entries
        ]

    async def blobs(self, ids: Sequence[str], *, limit: int) -> dict[str, bytes]:
        """As the port says."""
        wanted = list(dict.fromkeys(ids))
        if len(wanted) > _FEW:
            return await asyncio.to_thread(lambda: dict(self.read(wanted, limit=limit)))
        found = await self._contents.ask(wanted, limit=limit)
        return {id_: content for id_, (_, content) in found.items()}

    async def stream(self, ids: Sequence[str], *, chunk: int) -> AsyncIterator[tuple[str, Chunk]]:
        """As the port says."""
        async with self._contents.taken() as conversation:
            for id_ in ids:
                header = await conversation.header(id_)
                if header is None:
                    raise NotFoundError(f"the catalog does not hold the blob {id_}", blob=id_)
                left = header[1]
                if left == 0:
                    yield id_, Chunk(data=b"", more=False)
                async for data in conversation.content(left, piece=chunk):
                    left -= len(data)
                    yield id_, Chunk(data=data, more=left > 0)

    # Whole revisions

    async def changes(self, old: str, new: str) -> Sequence[TreeChange]:
        """As the port says; paths that would leave the tree are left out."""
        try:
            return await self._git.difference(old or EMPTY_TREE, new)
        except GitError as error:
            raise NotFoundError(
                f"the catalog does not hold the trees {old} and {new}", tree=new
            ) from error

    def read(self, ids: Sequence[str], *, limit: int) -> Iterator[tuple[str, bytes]]:
        """As the port says."""
        for id_, _, content in self._bulk(ids, limit=limit):
            yield id_, content

    def listings(self, trees: Sequence[str]) -> Mapping[str, list[str]]:
        """As the port says."""
        known: dict[str, list[TreeEntry]] = {}
        wanted = list(dict.fromkeys(trees))
        while wanted:
            for id_, kind, content in self._bulk(wanted, limit=None):
                if kind == "tree":
                    known[id_] = list(_parsed(content))
            lacking = [id_ for id_ in wanted if id_ not in known]
            if lacking:
                raise NotFoundError(f"the catalog lacks the tree {lacking[0]}", tree=lacking[0])
            below = (one.id for id_ in wanted for one in known[id_] if one.mode == DIRECTORY_MODE)
            wanted = [id_ for id_ in dict.fromkeys(below) if id_ not in known]
        return {
            id_: [one.path for one in _flattened(id_, known) if one.mode != DIRECTORY_MODE]
            for id_ in trees
        }

    def _bulk(self, ids: Sequence[str], *, limit: int | None) -> Iterator[tuple[str, str, bytes]]:
        """Id, kind and content of objects; many come from a process of their own."""
        if len(ids) <= AT_ONCE:
            if ids:
                yield from self._few.ask(ids, limit=limit)
            return
        with tempfile.TemporaryFile() as given:
            given.write("".join(f"{id_}\n" for id_ in ids).encode())
            given.seek(0)
            process = subprocess.Popen(
                ["git", "cat-file", "--batch", "--buffer"],
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._git.environment(),
                cwd=self._git.directory.parent,
                start_new_session=True,
                bufsize=_PIECE,
            )
            assert process.stdout is not None  # noqa: S101  # started with a pipe
            try:
                yield from answers(process.stdout, len(ids), limit=limit)
            finally:
                process.kill()
                process.stdout.close()
                process.wait()


def _parsed(content: bytes) -> Iterator[TreeEntry]:
    """The entries of one git tree object."""
    place = 0
    while place < len(content):
        space = content.index(b" ", place)
        zero = content.index(b"\0", space)
        name = content[space + 1 : zero]
        if is_safe(name):
            yield TreeEntry(
                path=os.fsdecode(name),
                mode=int(content[place:space], 8),
                id=content[zero + 1 : zero + 21].hex(),
            )
        place = zero + 21


def _flattened(
    tree: str, trees: Mapping[str, Sequence[TreeEntry]], prefix: str = ""
) -> Iterator[TreeEntry]:
    for entry in trees[tree]:
        path = prefix + entry.path
        yield TreeEntry(path=path, mode=entry.mode, id=entry.id)
        if entry.mode == DIRECTORY_MODE:
            yield from _flattened(entry.id, trees, f"{path}/")


class _Pool:
    """Processes of one kind, each of which answers one caller at a time."""

    def __init__(self, git: Git, option: str) -> None:
        self._git = git
        self._option = option
        self._idle: list[Process] = []

    async def close(self) -> None:
        while self._idle:
            await end(self._idle.pop())

    @contextlib.asynccontextmanager
    async def taken(self) -> AsyncIterator["_Conversation"]:
        """A process for the block; one that is not left in good order is ended."""
        conversation = _Conversation(self)
        try:
            yield conversation
        except BaseException:
            conversation.spoilt = True
            raise
        finally:
            await conversation.finish()

    async def process(self) -> tuple[Process, bool]:
        """A process and whether it was used before."""
        while self._idle:
            process = self._idle.pop()
            if process.returncode is None:
                return process, True
        return await self.new(), False

    async def new(self) -> Process:
        return await self._git.start("cat-file", self._option)

    async def give_back(self, process: Process) -> None:
        if len(self._idle) < _IDLE and process.returncode is None:
            self._idle.append(process)
        else:
            await end(process)

    async def ask(
        self, ids: Sequence[str], *, limit: int | None = None
    ) -> dict[str, tuple[str, bytes]]:
        """Kind and content of objects; missing ones are left out."""
        found: dict[str, tuple[str, bytes]] = {}
        async with self.taken() as conversation:
            for start in range(0, len(ids), AT_ONCE):
                part = ids[start : start + AT_ONCE]
                await conversation.announce(part)
                for id_ in part:
                    header = await conversation.header(id_)
                    if header is None:
                        continue
                    kind, size = header
                    content = bytearray()
                    async for data in conversation.content(size):
                        kept = len(data) if limit is None else max(limit + 1 - len(content), 0)
                        content += data[:kept]
                    found[id_] = (kind, bytes(content))
        return found

    async def sizes(self, ids: Sequence[str]) -> dict[str, int]:
        """Sizes of objects; missing ones are left out."""
        found: dict[str, int] = {}
        async with self.taken() as conversation:
            for start in range(0, len(ids), AT_ONCE):
                part = ids[start : start + AT_ONCE]
                await conversation.announce(part)
                for id_ in part:
                    header = await conversation.header(id_)
                    if header is not None:
                        found[id_] = header[1]
        return found


class _Conversation:
    """One caller's use of a process; a process that somebody killed is replaced in time."""

    def __init__(self, pool: _Pool) -> None:
        self._pool = pool
        self._process: Process | None = None
        self._waiting: list[str] = []
        """Asked already, not answered yet."""
        self._open = 0
        """Bytes of the last object that are not read yet."""
        self._used_before = False
        self.spoilt = False

    async def announce(self, ids: Sequence[str]) -> None:
        """Asks for several objects at once; their headers are to be read in this order."""
        if self._process is None:
            self._process, self._used_before = await self._pool.process()
        self._waiting += ids
        try:
            writer_of(self._process).write("".join(f"{id_}\n" for id_ in ids).encode())
        except (OSError, RuntimeError):
            await self._replace()

    async def header(self, id_: str) -> tuple[str, int] | None:
        """Kind and size of the next object, or None if it is missing."""
        if not self._waiting:
            await self.announce([id_])
        try:
            parts = await self._read_header()
        except _BROKEN as error:
            if not self._used_before:
                raise UnavailableError("the object store does not answer; try again") from error
            await self._replace()
            parts = await self._read_header()
        self._waiting.pop(0)
        self._used_before = True  # whoever kills it from now on has killed a good one
        if len(parts) < 3:
            return None
        return parts[1].decode(), int(parts[2])

    async def _read_header(self) -> list[bytes]:
        assert self._process is not None  # noqa: S101  # announced
        line = await reader_of(self._process.stdout).readline()
        if not line.endswith(b"\n"):
            raise GitError(self._process.returncode or -1, "cat-file ended early")
        return line.split()

    async def _replace(self) -> None:
        """Goes on with a new process where the one before was killed between two objects."""
        if self._process is not None:
            await end(self._process)
        self._process, self._used_before = await self._pool.new(), False
        writer_of(self._process).write("".join(f"{id_}\n" for id_ in self._waiting).encode())

    async def content(self, size: int, *, piece: int = _PIECE) -> AsyncIterator[bytes]:
        """The object whose header was read last."""
        assert self._process is not None  # noqa: S101  # its header was read
        pipe = reader_of(self._process.stdout)
        self._open = size + 1
        try:
            while self._open > 1:
                data = await pipe.readexactly(min(self._open - 1, piece))
                self._open -= len(data)
                yield data
            await pipe.readexactly(1)  # the line break after each object
            self._open = 0
        except asyncio.IncompleteReadError as error:
            raise UnavailableError("the object store was interrupted; try again") from error

    async def finish(self) -> None:
        if self._process is None:
            return
        if self.spoilt or self._waiting or self._open:
            await end(self._process)
        else:
            await self._pool.give_back(self._process)
