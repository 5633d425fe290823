"""Copies the objects of a tree from somebody's repository into the catalog's own store."""

import asyncio
import hashlib
import zlib
from collections.abc import Collection, Iterable
from typing import Final

from services.catalog.domain.entities import SUBMODULE_MODE
from services.catalog.sources.git import Git, GitError

_FEW: Final = 1000
_SMALL: Final = 32 * 1024 * 1024
"""So many objects of so many bytes are kept one by one; more become a pack of their own."""
_LARGE: Final = 256 * 1024


class Import:
    """Imports of one source. What the tree imported last has is not looked at again."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._last = ""
        self._missing: frozenset[str] = frozenset()

    async def tree(self, tree: str, environment: dict[str, str]) -> frozenset[str]:
        """Copies what our store lacks of a tree.

        Args:
            tree: Its id.
            environment: Of git processes that see the source's objects and ours.

        Returns:
            Blobs that neither of the two holds; they stay missing.

        Raises:
            GitError: The source lacks a folder.
        """
        marker = self._git.directory / "ackrep-imported" / tree
        if marker.exists():
            self._last, self._missing = tree, frozenset()
            return self._missing
        missing: Collection[str]
        if self._last:
            listed: Collection[str] = self._missing | await self._differing(tree, environment)
            if len(listed) > _FEW:
                listed = await self._absent(listed)
            missing = await self._copy(listed, environment)
        else:
            listed, missing = await self._all(tree, environment)
            if any((self._git.directory / "objects" / "pack").glob("*.pack")):
                listed = await self._absent(listed)
            # An empty store lacks all of it; what it holds one by one may come again.
            if len(listed) > _FEW:
                await self._pack(listed, environment)
            else:
                await self._copy(listed, environment)
        self._last, self._missing = tree, frozenset(missing)
        if not missing:
            marker.parent.mkdir(exist_ok=True)
            marker.touch()
        return self._missing

    async def _all(self, tree: str, environment: dict[str, str]) -> tuple[set[str], set[str]]:
        """Objects of a tree that are there, and those that are not."""
        output = await self._git.run(
            "rev-list",
            "--objects",
            "--no-object-names",
            "--missing=print",
            "--no-walk",
            tree,
            environment=environment,
        )
        lines = output.decode().split()
        missing = {line[1:] for line in lines if line.startswith("?")}
        return {line for line in lines if not line.startswith("?")}, missing

    async def _differing(self, tree: str, environment: dict[str, str]) -> set[str]:
        """Objects of a tree that the one imported last has not at the same place."""
        if tree == self._last:
            return set()
        changes = await self._git.difference(self._last, tree, environment=environment)
        return {tree} | {
            change.id for change in changes if change.mode and change.mode != SUBMODULE_MODE
        }

    async def _absent(self, ids: Collection[str]) -> set[str]:
        """Those that our own store lacks."""
        if not ids:
            return set()
        known = await self._git.run(
            "cat-file",
            "--batch-check",
            "--buffer",
            given=_lines(ids),
        )
        return {
            line.split()[0] for line in known.decode().splitlines() if line.endswith(" missing")
        }

    async def _copy(self, ids: Collection[str], environment: dict[str, str]) -> set[str]:
        """Copies objects; returns those that are nowhere."""
        if not ids:
            return set()
        sizes = await self._git.run(
            "cat-file", "--batch-check", "--buffer", given=_lines(ids), environment=environment
        )
        found: list[str] = []
        missing: set[str] = set()
        total = 0
        for id_, *facts in (line.split() for line in sizes.decode().splitlines()):
            if len(facts) == 2:
                found.append(id_)
                total += int(facts[1])
            else:
                missing.add(id_)
        if total <= _SMALL and len(found) <= _FEW:
            # Packing looks at all packs of the source, which takes longer than all the rest.
            contents = await self._git.run(
                "cat-file", "--batch", given=_lines(found), environment=environment
            )
            await asyncio.to_thread(self._unpack, contents)
        else:
            await self._pack(found, environment)
        return missing

    def _unpack(self, contents: bytes) -> None:
        """Writes the output of `cat-file --batch` into the store, object by object."""
        place = 0
        while place < len(contents):
            end = contents.index(b"\n", place)
            id_, kind, size = contents[place:end].split()
            place = end + 1 + int(size) + 1
            data = kind + b" " + size + b"\0" + contents[end + 1 : place - 1]
            if hashlib.sha1(data, usedforsecurity=False).hexdigest() != id_.decode():
                raise GitError(1, f"the object {id_.decode()} of the source is damaged")
            name = id_.decode()
            path = self._git.directory / "objects" / name[:2] / name[2:]
            path.parent.mkdir(exist_ok=True)
            scratch = path.with_name(f"tmp_{name[2:]}")
            # Large folders are ids for the most part, which compressing only costs time.
            scratch.write_bytes(zlib.compress(data, 1 if len(data) < _LARGE else 0))
            scratch.chmod(0o444)
            scratch.replace(path)

    async def _pack(self, ids: Collection[str], environment: dict[str, str]) -> None:
        packs = self._git.directory / "objects" / "pack"
        packs.mkdir(parents=True, exist_ok=True)
        await self._git.run(
            "pack-objects",
            "-q",
            "--window=0",  # takes deltas over, and looks for no new ones
            str(packs / "pack"),
            given=_lines(ids),
            environment=environment,
        )


def _lines(ids: Iterable[str]) -> bytes:
    return "".join(f"{id_}\n" for id_ in ids).encode()
