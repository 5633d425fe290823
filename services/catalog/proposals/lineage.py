"""Branches of forks beside the main line, in a store of their own (port `Lineage`).

What a stranger offers is fetched, with its history, into an object store that holds nothing else.
Only the tree that is to be looked at comes over into the catalog's own; git never checks anything
out, so that nothing of it is ever a file, a hook or a configuration.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.catalog.domain.commits import Commit
from services.catalog.domain.entities import OBJECT_ID, Revision
from services.catalog.domain.proposals import KEPT_COMMITS, KEPT_CONFLICTS, Comparison
from services.catalog.proposals.addresses import Addresses
from services.catalog.source_ports import Source
from services.catalog.sources.git import Git, GitError
from services.catalog.sources.history import commits_between
from services.catalog.sources.importing import Import
from services.catalog.sources.local import LocalSource
from services.catalog.sources.remotes import (
    Remote,
    UrlSource,
    environment_of,
    explained,
)
from services.catalog.sources.repositories import (
    Repository,
    bare_repository,
    check_ref,
    enclosing_repository,
    is_git_directory,
)
from services.errors import (
    InvalidArgumentError,
    PreconditionError,
    ResourceExhaustedError,
    SourceError,
)

_MAIN: Final = "refs/ackrep/main"
_KEPT: Final = "refs/ackrep/proposals/"
_GIT_SECONDS: Final = 60.0
_MOST_NAMES: Final = 4 * 1024**2
"""Bytes of names of files with conflicts."""
_LIST_BYTES: Final = 200
"""Bytes that a file takes in a listing, its path included; longer paths count for more files."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How much a fork may bring."""

    seconds: float
    """Time of a fetch."""
    size: int
    """Bytes of a fetch."""
    files: int
    """Files of its newest commit."""


class GitLineage:
    """Fetches forks and compares them with the source.

    Args:
        git: The store of forks, which is not the catalog's own.
        target: The catalog's own.
        source: The data repository.
        addresses: Judges where forks may be.
        bounds: How much a fork may bring.
    """

    def __init__(
        self, git: Git, *, target: Git, source: Source, addresses: Addresses, bounds: Bounds
    ) -> None:
        self._git = git
        self._target = target
        self._source = source
        self._addresses = addresses
        self._bounds = bounds

    def check(self, url: str, branch: str) -> str:
        """As the port says."""
        try:
            check_ref(branch)
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"{branch[:100]!r} is no branch", field="branch") from error
        if not url:
            if not branch:
                raise InvalidArgumentError(
                    "a proposal of the data repository itself needs a branch", field="branch"
                )
            return ""
        place = self._addresses.read(url)
        return place.shown if isinstance(place, Remote) else str(place)

    # Fetching

    async def fetch(self, key: str, *, url: str, branch: str) -> None:
        """As the port says."""
        where = self._addresses.read(url) if url else self._own()
        asked = f"refs/heads/{branch}" if branch else "HEAD"
        await self._fetch(where, asked, into=f"{_KEPT}{key}", own=not url)
        await self._require_few_files(f"{_KEPT}{key}")

    def _own(self) -> Remote | Path:
        if isinstance(self._source, UrlSource):
            return self._source.remote
        repository, _ = self._local()
        return repository.common_directory

    def _local(self) -> tuple[Repository, str]:
        """The repository of a source on this machine, and the source's folder in it."""
        repository, prefix = (
            self._source.repository() if isinstance(self._source, LocalSource) else (None, "")
        )
        if repository is None:
            raise PreconditionError(
                "the data repository is no git repository, so that nothing can be proposed to it"
            )
        return repository, prefix

    async def _fetch(self, where: Remote | Path, asked: str, *, into: str, own: bool) -> None:
        if isinstance(where, Remote):
            settings: list[tuple[str, str]] = []
            if not own and (pinned := await self._addresses.pinned(where)):
                settings.append(("http.curloptResolve", pinned))
            environment = environment_of(where, self._git, settings=settings)
            remote = where
        else:
            _require_repository(where)
            environment = self._git.environment(extra={"GIT_ALLOW_PROTOCOL": "file"})
            remote = Remote(scheme="file", url=str(where), shown=str(where), title=where.name)
        try:
            await self._git.run(
                "fetch",
                "--quiet",
                "--no-tags",
                "--no-recurse-submodules",
                "--no-write-fetch-head",
                "--force",
                "--",
                remote.url,
                f"+{asked}:{into}",
                environment=environment,
                timeout=self._bounds.seconds,
                largest_file=self._bounds.size,
                most_output=_MOST_NAMES,
            )
        except GitError as error:
            name = asked.removeprefix("refs/heads/")
            limit = f"{self._bounds.size} bytes (ACKREP_CATALOG_PROPOSAL_BYTES)"
            raise explained(error, remote, ref=name, limit=limit) from error

    async def _require_few_files(self, name: str) -> None:
        try:
            await self._git.run(
                "ls-tree",
                "-r",
                "-z",
                "--full-tree",
                f"{name}^{{commit}}",
                most_output=self._bounds.files * _LIST_BYTES,
                timeout=_GIT_SECONDS,
            )
        except GitError as error:
            raise ResourceExhaustedError(
                f"the branch is no readable commit, or has more than {self._bounds.files} files",
                limit=str(self._bounds.files),
            ) from error

    # Comparing

    async def compare(self, key: str, *, main: Revision) -> Comparison:
        """As the port says."""
        environment, prefix, tip = await self._main(main)
        head = await self._parse(f"{_KEPT}{key}^{{commit}}", environment)
        base = await self._merge_base(tip, head, environment)
        merged, conflicts = await self._merge(tip, head, environment)
        if base == head or (not conflicts and merged == await self._tree(tip, environment)):
            return Comparison(
                head=head, main=tip, merge_base=base, tree="", base_tree="", merged=True
            )
        before, after = (base, head) if conflicts else (tip, merged)
        trees = [await self._below(one, prefix, environment) for one in (before, after)]
        await self._import(trees[0], environment)
        await self._import(trees[1], environment)
        commits, count = await self._commits(tip, head, environment)
        return Comparison(
            head=head,
            main=tip,
            merge_base=base,
            tree=trees[1],
            base_tree=trees[0],
            merged=False,
            conflicts=tuple(conflicts[:KEPT_CONFLICTS]),
            commits=tuple(commits),
            commit_count=count,
        )

    async def _main(self, main: Revision) -> tuple[dict[str, str], str, str]:
        """Environment that sees the main line, the source's folder in it, and its commit."""
        tip = main.commit or main.base_commit
        if isinstance(self._source, UrlSource):
            own = self._source
            await self._fetch(own.remote, own.ref or "HEAD", into=_MAIN, own=True)
            environment, prefix = self._git.environment(), ""
        else:
            repository, prefix = self._local()
            environment = self._git.environment(alternates=repository.objects)
        if not tip:
            raise PreconditionError(
                "the data repository has no commit yet, so that nothing can be proposed to it"
            )
        return environment, prefix, tip

    async def _merge_base(self, main: str, head: str, environment: dict[str, str]) -> str:
        try:
            found = await self._ask("merge-base", main, head, environment=environment)
        except GitError as error:
            raise PreconditionError(
                "the branch and the data repository have no commit in common: propose a branch of "
                "a fork"
            ) from error
        return found[0]

    async def _merge(
        self, main: str, head: str, environment: dict[str, str]
    ) -> tuple[str, list[str]]:
        """The tree that a merge gives, and the paths that it could not merge."""
        try:
            output = await self._git.run(
                "merge-tree",
                "--write-tree",
                "-z",
                "--name-only",
                "--no-messages",
                main,
                head,
                environment=environment,
                accept=(0, 1),
                timeout=_GIT_SECONDS,
                most_output=_MOST_NAMES,
            )
        except GitError as error:
            raise SourceError(f"the branch cannot be merged: {error.output[:500]}") from error
        tree, *names = output.decode("utf-8", "backslashreplace").split("\0")
        return tree, [name for name in dict.fromkeys(names) if name]

    async def _commits(
        self, main: str, head: str, environment: dict[str, str]
    ) -> tuple[Sequence[Commit], int]:
        counted = await self._ask(
            "rev-list", "--count", "--first-parent", f"{main}..{head}", environment=environment
        )
        found = await commits_between(
            self._git,
            since=main,
            until=head,
            paths=(),
            limit=KEPT_COMMITS,
            environment=environment,
        )
        return found[::-1], int(counted[0])

    async def _tree(self, commit: str, environment: dict[str, str]) -> str:
        return await self._parse(f"{commit}^{{tree}}", environment)

    async def _below(self, what: str, prefix: str, environment: dict[str, str]) -> str:
        """The tree of the source's folder in a commit or tree."""
        named = f"{what}:{prefix}" if prefix else f"{what}^{{tree}}"
        try:
            return await self._parse(named, environment)
        except SourceError as error:
            raise PreconditionError(f"the branch has no folder {prefix}") from error

    async def _parse(self, named: str, environment: dict[str, str]) -> str:
        try:
            found = await self._ask(
                "rev-parse", "--verify", "--end-of-options", named, environment=environment
            )
        except GitError as error:
            raise SourceError(f"the branch cannot be read: {error.output[:500]}") from error
        id_ = found[-1] if found else ""
        if not OBJECT_ID.fullmatch(id_):
            raise SourceError("the branch cannot be read")
        return id_

    async def _ask(self, *arguments: str, environment: dict[str, str]) -> list[str]:
        output = await self._git.run(*arguments, environment=environment, timeout=_GIT_SECONDS)
        return output.decode().split()

    async def _import(self, tree: str, environment: dict[str, str]) -> None:
        """Copies a tree into the catalog's own store."""
        places = [self._git.directory / "objects"]
        if more := environment.get("GIT_ALTERNATE_OBJECT_DIRECTORIES"):
            own = self._target.environment(alternates=places[0])
            own["GIT_ALTERNATE_OBJECT_DIRECTORIES"] += f":{more}"
        else:
            own = self._target.environment(alternates=places[0])
        try:
            missing = await Import(self._target).tree(tree, own)
        except GitError as error:
            raise SourceError(f"the branch is not complete: {error.output[:500]}") from error
        if missing:
            raise SourceError(f"the branch lacks {len(missing)} of its files")

    async def forget(self, key: str) -> None:
        """As the port says. Objects stay until the store is made anew."""
        await self._git.run("update-ref", "-d", f"{_KEPT}{key}", accept=(0, 1, 128))


def _require_repository(path: Path) -> None:
    """Refuses what git would search a repository above of, or could not read.

    Raises:
        SourceError: It is no git repository.
    """
    found = bare_repository(path) if is_git_directory(path) else None
    if found is None and path.is_dir() and (enclosing := enclosing_repository(path)) is not None:
        found = enclosing if enclosing.work_tree == path else None
    if found is None:
        raise SourceError(f"{path} is no git repository", source=str(path))
    found.check()
