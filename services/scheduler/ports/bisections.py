"""What bisections need of the world, beside what checks need."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.scheduler.domain.bisection import Bisection
from services.scheduler.domain.check import Check
from services.scheduler.domain.ordering import Priority


class Bisections(Protocol):
    """The bisections. Each method is one transaction."""

    async def create(self, bisection: Bisection, *, request_id: str = "") -> Bisection:
        """Adds a bisection; gives the one that the same request made before, if there is one."""

    async def requested(self, request_id: str) -> Bisection | None:
        """Gives the bisection that a request made before."""

    async def get(self, bisection_id: str) -> Bisection:
        """Gets a bisection.

        Raises:
            NotFoundError: There is none of that id.
        """

    async def list_page(self, *, limit: int, before: str) -> list[Bisection]:
        """Lists bisections older than the id `before` (all where empty), newest first."""

    async def running(self) -> list[Bisection]:
        """Lists those that have not come to an end."""

    async def update(self, bisection: Bisection) -> None:
        """Keeps what a step changed; does nothing to one that has come to an end."""


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A commit of the data repository."""

    id: str
    subject: str


class Past(Protocol):
    """The catalog, as far as bisections ask it."""

    async def commits(self, *, since: str, until: str, paths: Sequence[str]) -> list[Commit]:
        """Commits from `since` (not included) to `until`, oldest first; see `ListCommits`."""

    async def index(self, commit: str) -> str:
        """Indexes a commit, and gives its tree id."""

    async def closure_paths(self, *, entity: str, revision: str) -> list[str]:
        """Folders of an entity's closure at a revision (tree id)."""


class Checking(Protocol):
    """Creates checks."""

    async def create_check(
        self,
        *,
        entity: str,
        revision: str,
        environment: str,
        request_id: str,
        requester: str,
        priority: Priority,
    ) -> Check:
        """Creates a check; see `SchedulerService.CreateCheck`."""
