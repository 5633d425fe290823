"""Turns somebody's working tree into a tree of our own object store, without touching it.

What counts is what git would commit with `git add --all`: tracked files as they are now (also
ignored ones, such as a committed `_build/`) and untracked files that no ignore rule excludes. The
user's `.git` is only read: HEAD, refs, objects, ignore rules, and a copy of the index. A
persistent index of our own keeps the stat cache, so that only changed files are read again.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.catalog.domain.diagnostics import Diagnostic
from services.catalog.domain.entities import Revision, printable
from services.catalog.source_ports import Snapshot
from services.catalog.sources.git import Git, GitError
from services.catalog.sources.ignore_rules import IgnoreRules
from services.catalog.sources.repositories import Repository

_SUBMODULE: Final = b"160000"
_UNREADABLE: Final = re.compile(r"unable to index file '(.+)'$", re.MULTILINE)
_NO_COMMIT: Final = re.compile(r"'(.+?)/?' does not have a commit checked out", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where we hash: the work tree's top, and the data repository's folder below it."""

    top: Path
    prefix: str
    repository: Repository | None

    @property
    def pathspec(self) -> str:
        return self.prefix or "."


@dataclass(frozen=True, kw_only=True)
class _Head:
    """What the user has committed."""

    commit: str = ""
    tree: str = ""
    submodules: bytes = b""
    """Lines for `update-index --index-info`."""


class WorkTree:
    """One folder, hashed again and again. Calls must not overlap."""

    def __init__(self, folder: Path, *, git: Git) -> None:
        self._folder = folder
        self._git = git
        self._tracked: tuple[object, frozenset[bytes]] = (None, frozenset())
        self._head = _Head()
        # What decides about the tree, and the tree: git leaves an index alone that is up to date.
        self._settled: tuple[object, str] = (None, "")

    async def snapshot(self, repository: Repository | None) -> Snapshot:
        """The folder's present state.

        Args:
            repository: The repository whose work tree holds the folder, or None.

        Raises:
            GitError: It cannot be read.
            SourceError: The repository is of a kind that cannot be read.
        """
        place = await self._place(repository)
        index = self._index(place)
        index.parent.mkdir(exist_ok=True)
        # Nobody else writes our index: a lock can only be left from a killed process.
        index.with_name(f"{index.name}.lock").unlink(missing_ok=True)
        environment = self._git.environment(
            extra={"GIT_WORK_TREE": str(place.top), "GIT_INDEX_FILE": str(index)}
        )
        tracked = await self._tracked_names(place)
        head = await self._read_head(place)
        diagnostics = await self._add(place, environment)
        state = (_stat(index), *_rules(place), tracked, head)
        if self._settled[0] == state:
            tree = self._settled[1]
        else:
            settled = await self._reconcile(place, environment, tracked=tracked, head=head)
            tree = await self._write_tree(place, environment, head=head)
            state = (_stat(index), *_rules(place), tracked, head)
            self._settled = (state if settled else None, tree)
        clean = bool(head.commit) and head.tree == tree
        return Snapshot(
            revision=Revision(
                tree=tree,
                commit=head.commit if clean else "",
                base_commit=head.commit,
                dirty=not clean,
            ),
            diagnostics=diagnostics,
        )

    async def ignore_rules(self, repository: Repository | None) -> IgnoreRules:
        """What a snapshot leaves out; may be asked while one is made.

        Raises:
            GitError: The folder cannot be read.
            SourceError: The repository is of a kind that cannot be read.
        """
        place = await self._place(repository)
        index = self._index(place)
        return IgnoreRules(
            git=self._git,
            directory=place.top,
            prefix=place.prefix,
            options=_excludes(place),
            index=index,
            environment=self._git.environment(
                extra={"GIT_WORK_TREE": str(place.top), "GIT_INDEX_FILE": str(index)}
            ),
        )

    def _index(self, place: _Place) -> Path:
        return self._git.directory.parent / "indexes" / _name(place)

    async def _place(self, repository: Repository | None) -> _Place:
        plain = _Place(top=self._folder, prefix="", repository=None)
        if repository is None or repository.work_tree is None:
            return plain
        repository.check()
        prefix = self._folder.relative_to(repository.work_tree).as_posix()
        if prefix == ".":
            return _Place(top=self._folder, prefix="", repository=repository)
        place = _Place(top=repository.work_tree, prefix=prefix, repository=repository)
        try:
            await self._git.run(
                *_excludes(place),
                "check-ignore",
                "--quiet",
                "--no-index",
                "--",
                f"./{prefix}",
                # This command knows no literal paths; it takes them as they are after `./`.
                environment=self._git.environment(
                    extra={"GIT_WORK_TREE": str(place.top), "GIT_LITERAL_PATHSPECS": "0"}
                ),
                directory=place.top,
            )
        except GitError as error:
            if error.code == 1:
                return place
            raise
        return plain  # a folder that its repository ignores stands for itself

    async def _tracked_names(self, place: _Place) -> frozenset[bytes]:
        """What the user's index tracks, read from a copy of it."""
        if place.repository is None:
            return frozenset()
        original = place.repository.index
        try:
            stat = original.stat()
        except OSError:
            return frozenset()
        state = (original, stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if self._tracked[0] == state:
            return self._tracked[1]
        copy = self._git.directory / "user-index"
        shared = list(original.parent.glob("sharedindex.*"))
        copies = [self._git.directory / path.name for path in shared]
        try:
            shutil.copyfile(original, copy)
            for path, target in zip(shared, copies, strict=True):
                shutil.copyfile(path, target)
            output = await self._git.run(
                "ls-files",
                "-z",
                "--cached",
                "--",
                place.pathspec,
                environment=self._git.environment(
                    alternates=place.repository.objects,
                    extra={"GIT_WORK_TREE": str(place.top), "GIT_INDEX_FILE": str(copy)},
                ),
                directory=place.top,
            )
        finally:
            for path in (copy, *copies):
                path.unlink(missing_ok=True)
        names = frozenset(name for name in output.split(b"\0") if name)
        self._tracked = (state, names)
        return names

    async def _read_head(self, place: _Place) -> _Head:
        if place.repository is None:
            return _Head()
        commit = place.repository.head()
        if not commit or self._head.commit == commit:
            return self._head if commit else _Head()
        environment = self._git.environment(alternates=place.repository.objects)
        try:
            output = await self._git.run(
                "rev-parse",
                "--verify",
                "--quiet",
                "--end-of-options",
                f"{commit}:{place.prefix}",
                environment=environment,
            )
        except GitError:  # the folder is not committed yet
            self._head = _Head(commit=commit)
            return self._head
        tree = output.decode().split()[-1]
        listing = await self._git.run("ls-tree", "-r", "-z", tree, environment=environment)
        prefix = os.fsencode(f"{place.prefix}/" if place.prefix else "")
        submodules = b"".join(
            b"160000 " + line.split()[2] + b" 0\t" + prefix + line.partition(b"\t")[2] + b"\0"
            for line in listing.split(b"\0")
            if line.startswith(_SUBMODULE)
        )
        self._head = _Head(commit=commit, tree=tree, submodules=submodules)
        return self._head

    async def _add(self, place: _Place, environment: dict[str, str]) -> tuple[Diagnostic, ...]:
        """Brings our index up to date with the folder; what cannot be read is reported."""
        try:
            _, said = await self._git.run_verbose(
                *_excludes(place),
                "add",
                "--all",
                "--ignore-errors",
                "--",
                place.pathspec,
                environment=environment,
                directory=place.top,
                accept=(0, 1),
            )
        except GitError as error:
            if "did not match any files" not in error.output:
                raise
            Path(environment["GIT_INDEX_FILE"]).unlink(missing_ok=True)  # the folder is empty
            return ()
        lost = [*_UNREADABLE.findall(said), *_NO_COMMIT.findall(said)]
        prefix = f"{place.prefix}/" if place.prefix else ""
        return tuple(
            Diagnostic(
                path=printable(path.removeprefix(prefix)),
                code="unreadable-file",
                message="the file or folder cannot be read, and is left out",
                remedy="make it readable, or add it to .gitignore",
            )
            for path in dict.fromkeys(lost)
        )

    async def _reconcile(
        self, place: _Place, environment: dict[str, str], *, tracked: frozenset[bytes], head: _Head
    ) -> bool:
        """Adds tracked files that ignore rules hid; removes what is ignored and not tracked.

        Submodules never stay in our index, so that git never looks into them; those that HEAD
        has stand there while the tree is written.

        Returns:
            Whether the next `git add` alone would notice any change.
        """
        staged = await self._list(place, environment, "--stage")
        names = {line.partition(b"\t")[2] for line in staged}
        submodules = {line.partition(b"\t")[2] for line in staged if line.startswith(_SUBMODULE)}
        ignored = set(
            await self._list(place, environment, "--cached", "--ignored", "--exclude-standard")
        )
        top = os.fsencode(place.top)
        hidden = sorted(
            name
            for name in tracked - names
            if _is_file_or_link(os.path.join(top, name))  # noqa: PTH118  # bytes
        )
        await self._update(
            place, environment, "--force-remove", names=sorted((ignored - tracked) | submodules)
        )
        await self._update(place, environment, "--add", names=hidden)
        # A tracked file that is gone now may come back, and be ignored then.
        return not submodules and not head.submodules and len(hidden) == len(tracked - names)

    async def _list(self, place: _Place, environment: dict[str, str], *options: str) -> list[bytes]:
        output = await self._git.run(
            *_excludes(place),
            "ls-files",
            "-z",
            *options,
            environment=environment,
            directory=place.top,
        )
        return [line for line in output.split(b"\0") if line]

    async def _update(
        self, place: _Place, environment: dict[str, str], option: str, *, names: list[bytes]
    ) -> None:
        if names:
            await self._git.run(
                "update-index",
                option,
                "-z",
                "--stdin",
                environment=environment,
                directory=place.top,
                given=b"".join(name + b"\0" for name in names),
            )

    async def _write_tree(self, place: _Place, environment: dict[str, str], *, head: _Head) -> str:
        if head.submodules:
            await self._git.run(
                "update-index",
                "-z",
                "--index-info",
                environment=environment,
                directory=place.top,
                given=head.submodules,
            )
        arguments = [f"--prefix={place.prefix}/"] if place.prefix else []
        try:
            output = await self._git.run(
                "write-tree", *arguments, environment=environment, directory=place.top
            )
        except GitError as error:
            if "not found" not in error.output:
                raise
            # Nothing at all below the folder: the tree without entries.
            output = await self._git.run("hash-object", "-t", "tree", "-w", "--stdin")
        if head.submodules:
            names = [line.partition(b"\t")[2] for line in head.submodules.split(b"\0") if line]
            await self._update(place, environment, "--force-remove", names=names)
        return output.decode().strip()


def _excludes(place: _Place) -> tuple[str, str]:
    """Ignore rules of the repository that are not committed."""
    path = place.repository.excludes if place.repository is not None else None
    found = str(path) if path is not None and path.is_file() else os.devnull
    return "-c", f"core.excludesFile={found}"


def _rules(place: _Place) -> Iterator[object]:
    """States of the ignore rules that stand outside of the folder."""
    if place.repository is None:
        return
    yield _stat(place.repository.excludes)
    folder = place.top / place.prefix
    while folder != place.top:
        folder = folder.parent
        yield _stat(folder / ".gitignore")


def _stat(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _name(place: _Place) -> str:
    mark = f"{place.top}\0{place.prefix}\0{place.repository is not None}"
    return hashlib.sha256(os.fsencode(mark)).hexdigest()[:24]


def _is_file_or_link(path: bytes) -> bool:
    return os.path.islink(path) or os.path.isfile(path)  # noqa: PTH113, PTH114  # paths of bytes
