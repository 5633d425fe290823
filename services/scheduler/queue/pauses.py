"""Pauses of the queue, remembered for a moment: each claim asks for them."""

from datetime import datetime, timedelta

from services.errors import NotClaimableError
from services.scheduler.domain.queue import Pause, paused
from services.scheduler.ports.store import Clock, Store

_KEPT = timedelta(seconds=1)
"""How late a pause that another scheduler process set is noticed."""


class Pauses:
    """What is held up now."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: tuple[datetime, list[Pause]] | None = None

    async def all(self) -> list[Pause]:
        """All pauses."""
        now = self._clock()
        if self._known is None or now - self._known[0] > _KEPT:
            self._known = now, await self._store.policy.pauses()
        return self._known[1]

    def changed(self) -> None:
        """Forgets what is remembered."""
        self._known = None

    async def require_open(self, check_id: str) -> None:
        """Lets a check be claimed, unless it is held up.

        Raises:
            NotClaimableError: It is; its job message is to be dropped, and is published again when
                the pause ends.
        """
        pauses = await self.all()
        if not pauses:
            return
        check = await self._store.checks.get(check_id)
        pause = paused(pauses, pool=check.pool, environment=check.environment)
        if pause is not None:
            raise NotClaimableError(f"the queue is paused: {pause.reason or 'no reason given'}")
