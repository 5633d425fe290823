"""The commits of the data repository between two of them."""

from collections.abc import Sequence
from typing import Final

from services.catalog.app import Catalog
from services.catalog.domain.commits import Commit
from services.catalog.source_ports import Source
from services.errors import NotFoundError, PreconditionError

MOST_COMMITS: Final = 10_000
_PAGE: Final = 500


class History:
    """Looks into the source's own history; without one, into what was indexed."""

    def __init__(self, source: Source, catalog: Catalog) -> None:
        self._source = source
        self._catalog = catalog

    async def commits(self, *, since: str, until: str, paths: Sequence[str]) -> list[Commit]:
        """Commits from `since` (not included) to `until`, oldest first.

        Args:
            since: Commit, branch or tag.
            until: Commit, branch or tag; empty means the commit of the current revision.
            paths: Only commits that change something at or below one of them; all where empty.

        Raises:
            NotFoundError: There is no such commit.
            PreconditionError: The current revision is no commit.
            SourceError: It is no git repository, or its history is not complete.
        """
        if not until:
            current = await self._catalog.revision("")
            until = current.commit or current.base_commit
            if not until:
                raise PreconditionError("the current revision belongs to no commit; give `until`")
        found = await self._source.commits(
            since=since, until=until, paths=paths, limit=MOST_COMMITS
        )
        return await self._indexed(since, until) if found is None else found

    async def _indexed(self, since: str, until: str) -> list[Commit]:
        """The same from the revisions that were indexed: each push or poll left one."""
        seen: list[Commit] = []
        while page := await self._catalog.revisions(limit=_PAGE, offset=len(seen)):
            seen += [Commit(id=revision.commit, time=revision.create_time) for revision in page]
            if len(page) < _PAGE:
                break
        commits = [commit for commit in reversed(seen) if commit.id]
        places = {}
        for ref in (since, until):
            matching = [place for place, commit in enumerate(commits) if commit.id.startswith(ref)]
            if not matching or len(ref) < 7:
                raise NotFoundError(
                    f"no revision of commit {ref[:100]} was indexed, and the source has no history "
                    "at hand",
                    ref=ref,
                )
            places[ref] = matching[-1]
        return commits[places[since] + 1 : places[until] + 1][-MOST_COMMITS:]
