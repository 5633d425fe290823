"""Where a data repository is read from: a folder, a git directory, or a URL (port `Source`).

Whatever it is, its present state ends up as a git tree in the catalog's own object store.
"""

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from services.catalog.domain.entities import OBJECT_ID, Revision
from services.catalog.ports import Snapshot, Source
from services.catalog.sources.git import Git, GitError
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
            path = path.resolve()
            repository = enclosing_repository(path)
            if ref or self._ref:
                if repository is None or repository.work_tree is None:
                    raise SourceError(
                        f"{path} is no git repository, so that it has no {ref or self._ref}",
                        source=str(path),
                    )
                below = path.relative_to(repository.work_tree).as_posix()
                prefix = "" if below == "." else below
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
        named = repository.commit_or_tag(ref)
        if not named and re.fullmatch(r"[0-9a-f]{7,40}", ref):
            named = ref
        commit = tree = ""
        try:
            if named:
                commit, tree = await self._parse(named, prefix, environment)
        except GitError as error:
            if prefix and f"path '{prefix}'" in error.output:
                raise NotFoundError(f"{prefix} does not exist in {ref}", ref=ref) from error
        if not commit:
            raise NotFoundError(f"{self._path} has no branch, tag or commit {ref}", ref=ref)
        missing = await self._import.tree(tree, environment)
        revision = Revision(tree=tree, commit=commit, base_commit=commit)
        return Snapshot(revision=self._described(revision, ref), missing=missing)

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
