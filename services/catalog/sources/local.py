"""Where a data repository is read from: a folder, a git directory, or a URL (port `Source`).

Whatever it is, its present state ends up as a git tree in the catalog's own object store.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from services.catalog.domain.commits import Commit
from services.catalog.domain.entities import OBJECT_ID, Revision
from services.catalog.source_ports import Snapshot, Source
from services.catalog.sources.git import Git, GitError
from services.catalog.sources.history import commits_between
from services.catalog.sources.ignore_rules import IgnoreRules
from services.catalog.sources.importing import Import
from services.catalog.sources.remotes import LARGEST_FETCH, UrlSource, remote_of
from services.catalog.sources.repositories import (
    Repository,
    bare_repository,
    check_ref,
    enclosing_repository,
    is_git_directory,
)
from services.catalog.sources.surroundings import Surroundings
from services.catalog.sources.worktree import WorkTree
from services.errors import InvalidArgumentError, NotFoundError, SourceError

_FILE: Final = "file://"


def source_of(
    text: str, *, ref: str, git: Git, timeout: float, largest: int = LARGEST_FETCH
) -> Source:
    """The source that a setting names.

    Args:
        text: Path or URL.
        ref: Branch, tag or commit; empty means the working tree, or HEAD where there is none.
        git: The catalog's own store.
        timeout: Seconds that reading from a URL may take.
        largest: Bytes that reading from a URL may bring at a time.

    Raises:
        InvalidArgumentError: The path, URL or ref is of a kind that is refused.
    """
    check_ref(ref)
    if not text or text.startswith("-") or any(ord(character) < 32 for character in text):
        raise InvalidArgumentError(f"{text[:100]!r} is no path or URL of a data repository")
    if text.lower().startswith(_FILE):
        host, slash, path = text[len(_FILE) :].partition("/")
        if host.lower() not in ("", "localhost"):
            raise InvalidArgumentError(f"{text!r} names another machine; use ssh:// or https://")
        return LocalSource(Path(slash + path), ref=ref or "HEAD", git=git)
    # A folder may be called like a remote, but never like a URL.
    if ("://" in text or not Path(text).exists()) and (remote := remote_of(text)) is not None:
        return UrlSource(remote, ref=ref, git=git, timeout=timeout, largest=largest)
    return LocalSource(Path(os.path.expanduser(text)), ref=ref, git=git)  # noqa: PTH111  # never fails


class LocalSource:
    """A folder of this machine: a working tree, a plain folder, or a git directory."""

    def __init__(self, path: Path, *, ref: str, git: Git) -> None:
        self._path = Path(os.path.abspath(path))  # noqa: PTH100  # resolve() would follow links
        self._ref = ref
        self._git = git
        self._import = Import(git)
        self._work_tree: WorkTree | None = None

    def surroundings(self) -> Surroundings:
        """What to watch to learn of changes."""

        async def rules(repository: Repository | None) -> IgnoreRules:
            return await WorkTree(self._path.resolve(), git=self._git).ignore_rules(repository)

        return Surroundings(self._path, committed=bool(self._ref), rules=rules)

    async def snapshot(self, *, ref: str = "") -> Snapshot:
        """As the port says."""
        check_ref(ref)
        path = self._path
        if not path.is_dir():
            raise SourceError(f"there is no folder {path}", source=str(path))
        try:
            if is_git_directory(path):
                wanted = ref or self._ref or "HEAD"
                return await self._committed(bare_repository(path), wanted, prefix="")
            repository, prefix = self.repository()
            path = path.resolve()
            if ref or self._ref:
                if repository is None:
                    raise SourceError(
                        f"{path} is no git repository, so that it has no {ref or self._ref}",
                        source=str(path),
                    )
                return await self._committed(repository, ref or self._ref, prefix=prefix)
            if self._work_tree is None:
                self._work_tree = WorkTree(path, git=self._git)
            snapshot = await self._work_tree.snapshot(repository)
        except GitError as error:
            raise SourceError(f"cannot read {self._path}: {error.output}") from error
        except PermissionError as error:
            raise SourceError(f"cannot read {self._path}: {error}") from error
        except NotFoundError as error:
            if ref:
                raise
            # The configured ref: a fault of the source, not of the caller.
            raise SourceError(error.message, **error.facts) from error
        return replace(snapshot, revision=self._described(snapshot.revision, self._ref))

    async def commits(
        self, *, since: str, until: str, paths: Sequence[str], limit: int
    ) -> list[Commit] | None:
        """As the port says."""
        for ref in (since, until):
            check_ref(ref)
        repository, prefix = self.repository()
        if repository is None:
            raise SourceError(f"{self._path} is no git repository", source=str(self._path))
        environment = self._git.environment(alternates=repository.objects)
        ends = [await self._commit(repository, ref, environment) for ref in (since, until)]
        below = [f"{prefix}/{path}" if prefix else path for path in paths]
        return await commits_between(
            self._git,
            since=ends[0],
            until=ends[1],
            paths=below or ([prefix] if prefix else []),
            limit=limit,
            environment=environment,
        )

    def repository(self) -> tuple[Repository | None, str]:
        """The repository that holds the source, and the source's folder in it."""
        if is_git_directory(self._path):
            return bare_repository(self._path), ""
        path = self._path.resolve()
        repository = enclosing_repository(path)
        if repository is None or repository.work_tree is None:
            return None, ""
        below = path.relative_to(repository.work_tree).as_posix()
        return repository, "" if below == "." else below

    def _described(self, revision: Revision, ref: str) -> Revision:
        name = self._path.parent.name if self._path.name == ".git" else self._path.name
        return replace(
            revision,
            source=str(self._path),
            ref="" if ref == "HEAD" else ref,
            title=name.removesuffix(".git") or str(self._path),
        )

    async def _committed(self, repository: Repository, ref: str, *, prefix: str) -> Snapshot:
        repository.check()
        environment = self._git.environment(alternates=repository.objects)
        commit = tree = ""
        try:
            if named := _named(repository, ref):
                commit, tree = await self._parse(named, prefix, environment)
        except GitError as error:
            if prefix and f"path '{prefix}'" in error.output:
                raise NotFoundError(f"{prefix} does not exist in {ref}", ref=ref) from error
        if not commit:
            raise self._unknown(ref)
        missing = await self._import.tree(tree, environment)
        revision = Revision(tree=tree, commit=commit, base_commit=commit)
        return Snapshot(revision=self._described(revision, ref), missing=missing)

    async def _commit(self, repository: Repository, ref: str, environment: dict[str, str]) -> str:
        try:
            if named := _named(repository, ref):
                return (await self._parse(named, "", environment))[0]
        except GitError:
            pass
        raise self._unknown(ref)

    def _unknown(self, ref: str) -> NotFoundError:
        return NotFoundError(f"{self._path} has no branch, tag or commit {ref}", ref=ref)

    async def _parse(self, named: str, prefix: str, environment: dict[str, str]) -> tuple[str, str]:
        """Commit and tree that a name means; both by one process."""
        output = await self._git.run(
            "rev-parse",
            "--end-of-options",
            f"{named}^{{commit}}",
            f"{named}^{{commit}}:{prefix}",
            environment=environment,
        )
        found = [line for line in output.decode().split() if OBJECT_ID.fullmatch(line)]
        if len(found) != 2:
            raise GitError(1, f"{named} is no commit")
        return found[0], found[1]


def _named(repository: Repository, ref: str) -> str:
    """What git is to look up for a ref; empty if there is nothing of that name."""
    named = repository.commit_or_tag(ref)
    return named or (ref if re.fullmatch(r"[0-9a-f]{7,40}", ref) else "")
