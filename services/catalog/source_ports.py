"""What the catalog needs of a source: a data repository that somebody else keeps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.catalog.domain.commits import Commit
from services.catalog.domain.diagnostics import Diagnostic
from services.catalog.domain.entities import Revision


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The present state of a source; its objects are in the object store."""

    revision: Revision
    """Without counts and time, which indexing adds."""
    diagnostics: tuple[Diagnostic, ...] = ()
    """What could not be read."""
    missing: frozenset[str] = frozenset()
    """Blobs that neither the source nor the object store holds."""


class Source(Protocol):
    """A data repository that somebody else keeps."""

    async def snapshot(self, *, ref: str = "") -> Snapshot:
        """Reads a state of it into the object store.

        Args:
            ref: Branch, tag or commit; empty means its present state.

        Raises:
            InvalidArgumentError: The ref is of a kind that is refused.
            NotFoundError: It has no such branch, tag or commit.
            SourceError: It is no readable folder or repository.
            UnavailableError: It is remote and cannot be reached.
        """
        ...

    async def commits(
        self, *, since: str, until: str, paths: Sequence[str], limit: int
    ) -> list[Commit] | None:
        """Commits from `since` (not included) to `until`, by first parents, oldest first.

        None where the source has no history at hand.

        Args:
            since: Commit, branch or tag.
            until: Commit, branch or tag.
            paths: Only commits that change something at or below one of them; all where empty.
            limit: The newest so many.

        Raises:
            InvalidArgumentError: A ref is of a kind that is refused.
            NotFoundError: There is no such commit.
            SourceError: It is no git repository, or commits in between are missing.
        """
        ...
