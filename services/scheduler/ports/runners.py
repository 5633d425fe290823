"""What the registry of runners needs of the store."""

from typing import Protocol

from services.scheduler.domain.runners import Drain, KnownRunner


class Registry(Protocol):
    """All runners that were ever heard of, and which of them are drained."""

    async def runners(self) -> list[KnownRunner]:
        """Lists all, by id."""

    async def drain(self, drain: Drain) -> bool:
        """Notes that a runner is drained, in place of what was noted before.

        It counts as draining from now on, and not only from its next heartbeat.

        Says whether the runner is known; nothing is noted of one that is not.
        """

    async def resume(self, runner: str) -> bool:
        """Forgets that a runner is drained, and says whether it was.

        It does not count as draining any more until a heartbeat says otherwise.
        """

    async def drains(self) -> list[Drain]:
        """Lists the drained runners, by id."""
