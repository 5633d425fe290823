"""Copies the objects of a tree from somebody's repository into the catalog's own store."""

from typing import Final

from services.catalog.domain.entities import OBJECT_ID, SUBMODULE_MODE
from services.catalog.git import Git
from services.catalog.objects import parse_changes

_FEW: Final = 1000
"""So many objects are kept one by one; more become a pack of their own."""


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
        if not self._last:
            listed, missing = await self._all(tree, environment)
            empty = not any((self._git.directory / "objects" / "pack").glob("*.pack"))
            # A fresh store lacks all but what it holds one by one, and copying that does no harm.
            lacking = listed if empty else await self._absent(listed, self._git.environment())
        else:
            listed = self._missing | await self._differing(tree, environment)
            lacking = await self._absent(listed, self._git.environment())
            missing = await self._absent(lacking, environment)
        await self._copy(lacking - missing, environment)
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
        output = await self._git.run(
            "diff-tree",
            *("-r", "-t", "-z", "--raw", "--no-renames", "--no-abbrev"),
            self._last,
            tree,
            environment=environment,
        )
        changes = parse_changes(output)
        return {tree} | {
            change.id for change in changes if change.mode and change.mode != SUBMODULE_MODE
        }

    async def _absent(self, ids: set[str], environment: dict[str, str]) -> set[str]:
        """Those that cannot be found."""
        if not ids:
            return set()
        known = await self._git.run(
            "cat-file",
            "--batch-check",
            "--buffer",
            given="".join(f"{id_}\n" for id_ in ids).encode(),
            environment=environment,
        )
        lines = (line.split() for line in known.decode().splitlines())
        return {
            parts[0] for parts in lines if parts[-1] == "missing" and OBJECT_ID.fullmatch(parts[0])
        }

    async def _copy(self, ids: set[str], environment: dict[str, str]) -> None:
        if not ids:
            return
        given = "".join(f"{id_}\n" for id_ in sorted(ids)).encode()
        if len(ids) <= _FEW:
            pack = await self._git.run(
                "pack-objects", "-q", "--stdout", given=given, environment=environment
            )
            await self._git.run("unpack-objects", "-q", given=pack)
            return
        packs = self._git.directory / "objects" / "pack"
        packs.mkdir(parents=True, exist_ok=True)
        await self._git.run(
            "pack-objects",
            "-q",
            "--window=0",  # takes deltas over, and looks for no new ones
            str(packs / "pack"),
            given=given,
            environment=environment,
        )
