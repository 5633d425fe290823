"""A cache of git trees as tar archives, by tree id: what was fetched once is not fetched again.

Each archive is verified against its id before it is kept, named by the id, and appears whole (it is
renamed into place). The folder is bounded; what was not used for longest goes first.
"""

import asyncio
import contextlib
import hashlib
import io
import os
import posixpath
import re
import stat
import tarfile
import tempfile
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.errors import ResourceExhaustedError, UnavailableError
from services.runner.ports import Repository, TreePart

_MEMORY_BYTES: Final = 64 * 1024**2
_KEY = re.compile(rb"^key:\s*['\"]?([A-Z0-9]{5})\b", re.MULTILINE)
_FILE, _EXECUTABLE, _LINK, _FOLDER = 0o100644, 0o100755, 0o120000, 0o40000


@dataclass(frozen=True, kw_only=True)
class CachedTree:
    """The content of one git tree."""

    id: str
    tar: bytes
    files: frozenset[str]
    """Paths of all files and links in it."""


class TreeCache:
    """Trees on disk, the last used ones in memory too.

    Args:
        folder: Where; made if it is not there.
        repository: Where missing ones come from.
        disk_bytes: Bound of the folder's size.
    """

    def __init__(self, folder: Path, *, repository: Repository, disk_bytes: int) -> None:
        self._folder = folder
        self._repository = repository
        self._disk_bytes = disk_bytes
        self._memory: OrderedDict[str, CachedTree] = OrderedDict()
        self._held = 0
        self._lock = asyncio.Lock()

    async def get(self, ids: Sequence[str], *, at_most: int = 0) -> list[CachedTree]:
        """The trees, in order; all missing ones in one request.

        Args:
            ids: Git tree ids.
            at_most: Bytes of content to fetch; 0: any number.

        Raises NotFoundError if the catalog lacks one, UnavailableError if it does not answer or
        sends what is not the tree, ResourceExhaustedError for more than `at_most` bytes.
        """
        found = {tree: self._recall(tree) for tree in ids}
        missing = [tree for tree, cached in found.items() if cached is None]
        if missing:
            async with self._lock:  # two checks of one closure fetch it once
                found.update(await asyncio.to_thread(self._read_all, missing))
                absent = [tree for tree in missing if found[tree] is None]
                if absent:
                    found.update(await self._fetch(absent, at_most=at_most))
                for tree in missing:
                    self._remember(_present(found[tree], tree))
        return [_present(found[tree], tree) for tree in ids]

    def _recall(self, tree: str) -> CachedTree | None:
        cached = self._memory.get(tree)
        if cached is not None:
            self._memory.move_to_end(tree)
        return cached

    def _remember(self, tree: CachedTree) -> None:
        if tree.id in self._memory or len(tree.tar) > _MEMORY_BYTES // 4:
            return
        self._memory[tree.id] = tree
        self._held += len(tree.tar)
        while self._held > _MEMORY_BYTES:
            _, dropped = self._memory.popitem(last=False)
            self._held -= len(dropped.tar)

    def _path(self, tree: str) -> Path:
        if not tree.isalnum():
            raise UnavailableError(f"{tree!r} is no tree id")
        return self._folder / tree[:2] / f"{tree}.tar"

    def _read_all(self, ids: Iterable[str]) -> dict[str, CachedTree | None]:
        return {tree: self._read(tree) for tree in ids}

    def _read(self, tree: str) -> CachedTree | None:
        path = self._path(tree)
        try:
            tar = path.read_bytes()
            with tarfile.open(fileobj=io.BytesIO(tar), mode="r:") as archive:
                files = frozenset(archive.getnames())
        except (OSError, tarfile.TarError):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # used now: goes last
        return CachedTree(id=tree, tar=tar, files=files)

    async def _fetch(self, ids: Sequence[str], *, at_most: int) -> dict[str, CachedTree | None]:
        size = 0
        writers = {tree: TreeWriter(tree) for tree in ids}
        done: dict[str, CachedTree | None] = {}
        async for part in self._repository.trees(ids):
            if part.tree not in writers:
                raise UnavailableError(f"the catalog sent the tree {part.tree}, not asked for")
            size += len(part.data)
            if at_most and size > at_most:
                raise ResourceExhaustedError(f"{ids[0]} is larger than {at_most} bytes")
            if part.end:
                done[part.tree] = await asyncio.to_thread(self._keep, writers[part.tree])
            else:
                writers[part.tree].add(part)
        for tree in ids:
            if tree not in done:
                raise UnavailableError(f"the catalog did not send the tree {tree} whole")
        await asyncio.to_thread(self._trim)
        return done

    def _keep(self, writer: "TreeWriter") -> CachedTree:
        tree = writer.finish()
        path = self._path(tree.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as file:
            try:
                file.write(tree.tar)
                file.flush()
                Path(file.name).replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(file.name).unlink()
                raise
        return tree

    def _trim(self) -> None:
        entries = []
        for path in self._folder.glob("*/*.tar"):
            with contextlib.suppress(OSError):
                status = path.stat()
                entries.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries, key=lambda entry: entry[0]):
            if total <= self._disk_bytes:
                return
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size


class TreeWriter:
    """Builds the archive of one tree from its parts and verifies it."""

    def __init__(self, tree: str) -> None:
        self._tree = tree
        self._out = io.BytesIO()
        self._archive = tarfile.open(fileobj=self._out, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115  # closed by `finish`
        self._part = bytearray()
        self._entries: dict[str, tuple[int, bytes]] = {}
        # SHA-256 repositories have longer ids.
        self._hash = hashlib.sha256 if len(tree) == 64 else hashlib.sha1

    def add(self, part: TreePart) -> None:
        """Takes the next part. Raises UnavailableError for a path or mode that cannot be."""
        self._part += part.data
        if part.more:
            return
        content = bytes(self._part)
        self._part.clear()
        path = _safe(part.path)
        if path in self._entries or part.mode not in {_FILE, _EXECUTABLE, _LINK}:
            raise UnavailableError(f"the catalog sent {part.path!r} twice or with a wrong mode")
        blob = self._hash(b"blob %d\0" % len(content) + content).digest()
        self._entries[path] = (part.mode, blob)
        member = tarfile.TarInfo(path)
        member.mode = 0o755 if part.mode == _EXECUTABLE else 0o644
        if part.mode == _LINK:
            member.type = tarfile.SYMTYPE
            member.linkname = content.decode("utf-8", "surrogateescape")
            self._archive.addfile(member)
        else:
            member.size = len(content)
            self._archive.addfile(member, io.BytesIO(content))

    def finish(self) -> CachedTree:
        """The verified tree. Raises UnavailableError if its content has another id."""
        self._archive.close()
        found = self._id()
        if found != self._tree:
            raise UnavailableError(
                f"the catalog sent content of {found} for the tree {self._tree} (a tree with "
                "submodules cannot be checked)"
            )
        return CachedTree(id=self._tree, tar=self._out.getvalue(), files=frozenset(self._entries))

    def _id(self) -> str:
        """The git tree id of what was added: trees are hashed from the leaves up."""
        folders: dict[str, dict[bytes, tuple[int, bytes]]] = {"": {}}
        for path, entry in self._entries.items():
            parent, name = posixpath.split(path)
            folders.setdefault(parent, {})[_raw(name)] = entry
            while parent and posixpath.dirname(parent) not in folders:
                parent = posixpath.dirname(parent)
                folders[parent] = {}
        digest = b""
        for path in sorted(folders, key=lambda folder: -len(folder.split("/")) if folder else 1):
            entries = folders[path]
            body = b"".join(
                b"%o %s\0%s" % (mode, name, blob)
                for name, (mode, blob) in sorted(
                    entries.items(),
                    # Git orders folders as if their names ended in a slash.
                    key=lambda item: item[0] + (b"/" if stat.S_ISDIR(item[1][0]) else b""),
                )
            )
            digest = self._hash(b"tree %d\0" % len(body) + body).digest()
            if path:
                parent, name = posixpath.split(path)
                folders[parent][_raw(name)] = (_FOLDER, digest)
        return digest.hex()


def _safe(path: str) -> str:
    parts = path.split("/")
    if not path or any(part in {"", ".", "..", ".git"} for part in parts) or "\0" in path:
        raise UnavailableError(f"the catalog sent the path {path!r}, which leads outside its tree")
    return path


def _raw(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _present(tree: CachedTree | None, wanted: str) -> CachedTree:
    if tree is None:
        raise UnavailableError(f"the tree {wanted} could not be had")
    return tree


def keys_of(tree: CachedTree, files: Iterable[str]) -> dict[str, str]:
    """For each file of a repository the key of the entity in whose folder it lies, if any."""
    found: dict[str, str] = {}
    keys: dict[str, str] = {}
    with tarfile.open(fileobj=io.BytesIO(tree.tar), mode="r:") as archive:
        for path in files:
            folder = posixpath.dirname(path)
            while folder and f"{folder}/metadata.yml" not in tree.files:
                folder = posixpath.dirname(folder)
            if not folder:
                continue
            if folder not in keys:
                member = archive.extractfile(f"{folder}/metadata.yml")
                match = _KEY.search(member.read() if member is not None else b"")
                keys[folder] = match[1].decode() if match else ""
            if keys[folder]:
                found[path] = keys[folder]
    return found
