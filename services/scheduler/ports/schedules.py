"""What schedules need of the world, beside what checks need."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol

from services.scheduler.domain.schedules import Schedule


class Schedules(Protocol):
    """The schedules. Each method is one transaction."""

    async def create(self, schedule: Schedule) -> None:
        """Adds a schedule."""

    async def list_all(self) -> list[Schedule]:
        """Lists all schedules, by id."""

    async def update(self, schedule: Schedule) -> None:
        """Keeps what a firing changed; does nothing where it was deleted meanwhile."""

    async def delete(self, schedule_id: str) -> bool:
        """Deletes a schedule, and says whether there was one."""

    async def spent(self, requester: str, *, since: datetime) -> float:
        """Seconds that the checks of a requester took, or are expected to take.

        Args:
            requester: Who asked.
            since: Only checks created from then on.
        """


class Changes(Protocol):
    """The catalog, as far as schedules and selections ask it."""

    def revisions(self) -> AsyncIterator[str]:
        """Tree id of the current revision, and of each that becomes current; never ends.

        Raises:
            UnavailableError: The connection is lost.
        """

    async def affected(self, *, base: str, revision: str) -> list[str]:
        """Keys of checkable entities whose check is another one at `revision` than at `base`.

        Raises:
            NotFoundError: One of the two was never indexed.
        """

    async def matching(self, *, revision: str, condition: str) -> list[str]:
        """Keys of the checkable entities of a revision that match a filter, in order.

        Raises:
            InvalidArgumentError: The filter cannot be read.
        """
