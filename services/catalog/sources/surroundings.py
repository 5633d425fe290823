"""What of a folder and its repository can change what the catalog reads from it."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from services.catalog.ports import FolderChanges
from services.catalog.sources.ignore_rules import IgnoreRules
from services.catalog.sources.repositories import (
    Repository,
    bare_repository,
    enclosing_repository,
    is_git_directory,
)

MOST_FOLDERS: Final = 300_000
_COMMITTED: Final = {"HEAD", "packed-refs", "commondir"}
"""Files of a git directory that decide about commits, besides refs."""
_GIT_FILES: Final = {*_COMMITTED, "index", "exclude"}
_IGNORE_FILE: Final = ".gitignore"
_ASKED_AT_ONCE: Final = 20_000


class TooManyFoldersError(Exception):
    """The folder holds more folders than are watched."""


class Surroundings:
    """The folders to watch for one local data repository, and which changes in them matter.

    Args:
        path: The data repository's folder, or a git directory.
        committed: Whether only what is committed counts.
        rules: Tells what no snapshot holds, for the repository that the folder belongs to.
    """

    def __init__(
        self,
        path: Path,
        *,
        committed: bool,
        rules: Callable[[Repository | None], Awaitable[IgnoreRules]],
    ) -> None:
        self.path = path
        self._committed = committed
        self._ask_rules = rules
        self._rules: IgnoreRules | None = None
        self._root: str | None = None
        self._outer: frozenset[str] = frozenset()
        self._git_folders: tuple[str, ...] = ()
        self._refs: tuple[str, ...] = ()
        self._identity: object = None

    @property
    def replaced(self) -> bool:
        """Whether the folder is gone, or another one than when its folders were listed."""
        return _identity(self.path) != self._identity

    @property
    def git_is_busy(self) -> bool:
        """Whether a git process is changing the working tree, so that its state means nothing."""
        return any(os.path.lexists(f"{folder}/index.lock") for folder in self._git_folders[:1])

    async def folders(self) -> list[str]:
        """Lists all folders to watch.

        Raises:
            FileNotFoundError: There is no such folder.
            TooManyFoldersError: There are too many.
            GitError: The folder cannot be read.
            SourceError: The repository is of a kind that cannot be read.
        """
        self._identity = _identity(self.path)
        if self._identity is None:
            raise FileNotFoundError("there is no such folder")
        if is_git_directory(self.path):
            repository: Repository | None = bare_repository(self.path)
            self._root = None
        else:
            folder = self.path.resolve()
            repository = enclosing_repository(folder)
            self._root = None if self._committed else str(folder)
        git_folders = self._note_repository(repository)
        if self._root is None:
            return git_folders
        self._rules = await self._ask_rules(repository)
        held = await self._rules.held_folders()
        found = await self._walk([""], held=held)
        root = self._root
        return [*git_folders, *self._outer, *(f"{root}/{path}".rstrip("/") for path in found)]

    async def below(self, new_folders: Iterable[str]) -> list[str]:
        """Lists folders that came, with all below them, as far as they are to be watched."""
        found: list[str] = []
        inner: list[str] = []
        for folder in new_folders:
            if folder.startswith(self._refs):
                found += _tree(folder)
            elif (path := self._relative(folder)) and ".git" not in path.split("/"):
                inner.append(path)
        if self._root is not None and inner:
            root = self._root
            present = [
                path for path in inner if _identity(Path(root, path)) is not None
            ]  # links are none
            found += [f"{root}/{path}" for path in await self._walk(present, held=set())]
        return found

    async def matter(self, changes: FolderChanges) -> bool:
        """Whether the source may read differently after these changes."""
        if changes.lost:
            return True
        inner: list[str] = []
        for changed in changes.paths:
            if self._in_git(changed):
                if self._matters_to_git(changed):
                    return True
            elif (path := self._relative(changed)) is not None:
                inner.append(path)
            elif changed.rpartition("/")[2] == _IGNORE_FILE:
                return True
        if not inner:
            return False
        if self._rules is None or "" in inner:
            return True
        return len(await self._rules.ignored(inner)) < len(inner)

    def moves_boundaries(self, changes: FolderChanges) -> bool:
        """Whether other folders may be to watch now than those listed before."""
        return changes.lost or any(
            path.endswith(f"/{_IGNORE_FILE}")
            or path == f"{self._root}/.git"
            or (self._in_git(path) and self._matters_to_git(path))
            for path in changes.paths
        )

    def _note_repository(self, repository: Repository | None) -> list[str]:
        self._git_folders, self._refs, self._outer = (), (), frozenset()
        if repository is None:
            return []
        own, common = str(repository.git_directory), str(repository.common_directory)
        self._git_folders = tuple(dict.fromkeys((own, common, f"{common}/info")))
        self._refs = tuple(f"{folder}/refs" for folder in dict.fromkeys((own, common)))
        if self._root is not None and repository.work_tree is not None:
            inside = Path(self._root).relative_to(repository.work_tree)
            self._outer = frozenset(str(repository.work_tree / one) for one in inside.parents)
        return [*self._git_folders, *(path for refs in self._refs for path in _tree(refs))]

    def _in_git(self, path: str) -> bool:
        return path.startswith(self._refs) or path.rpartition("/")[0] in self._git_folders

    def _matters_to_git(self, path: str) -> bool:
        if path.startswith(self._refs):
            return not path.endswith(".lock")
        return path.rpartition("/")[2] in (_GIT_FILES if self._root is not None else _COMMITTED)

    def _relative(self, path: str) -> str | None:
        """A path below the data repository's folder; None if it is elsewhere."""
        if self._root is None or not f"{path}/".startswith(f"{self._root}/"):
            return None
        return path[len(self._root) + 1 :]

    async def _walk(self, start: Sequence[str], *, held: set[str]) -> list[str]:
        """Folders that are not ignored, or hold something tracked, level by level."""
        assert self._root is not None  # noqa: S101  # by the callers
        found: list[str] = []
        level = list(start)
        while level:
            kept = await self._kept(level, held)
            found += kept
            if len(found) > MOST_FOLDERS:
                raise TooManyFoldersError(f"{self._root} holds more than {MOST_FOLDERS} folders")
            level = await asyncio.to_thread(_children, self._root, kept)
        return found

    async def _kept(self, level: Sequence[str], held: set[str]) -> list[str]:
        assert self._rules is not None  # noqa: S101  # there is a root
        unknown = [path for path in level if path not in held]
        ignored: set[str] = set()
        for at in range(0, len(unknown), _ASKED_AT_ONCE):
            ignored |= await self._rules.ignored(unknown[at : at + _ASKED_AT_ONCE])
        return [path for path in level if path not in ignored]


def _identity(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _children(root: str, folders: Sequence[str]) -> list[str]:
    """Folders in folders; git's own and links are left out."""
    found = []
    for folder in folders:
        try:
            with os.scandir(f"{root}/{folder}") as entries:
                found += [
                    f"{folder}/{entry.name}".lstrip("/")
                    for entry in entries
                    if entry.name != ".git" and entry.is_dir(follow_symlinks=False)
                ]
        except OSError:  # gone, or not readable
            continue
    return found


def _tree(folder: str) -> list[str]:
    """A folder with all below it."""
    found = [folder]
    for path in found:
        try:
            with os.scandir(path) as entries:
                found += [e.path for e in entries if e.is_dir(follow_symlinks=False)]
        except OSError:
            continue
    return found
