"""The registry of runners: who is there, and who is to take no new checks."""

from datetime import datetime, timedelta

from services.errors import InvalidArgumentError, NotFoundError, RunnerDrainedError
from services.scheduler.domain.listing import after_token, page_size, page_token
from services.scheduler.domain.runners import Drain, KnownRunner
from services.scheduler.ports.store import Clock, Store
from services.scheduler.queue.bells import Bells

_LONGEST_REASON = 500
_QUERY = "runners"
_KEPT = timedelta(seconds=1)
"""How late it is noticed that another scheduler process drained a runner."""


class Runners:
    """Lists runners, drains them, and lets them go on.

    Args:
        store: Where they are noted.
        bells: Rung when one goes on.
        clock: The time.
        memory: Beyond so long without a heartbeat, a runner is lost.
    """

    def __init__(self, *, store: Store, bells: Bells, clock: Clock, memory: timedelta) -> None:
        self._registry = store.registry
        self._bells = bells
        self._clock = clock
        self._memory = memory
        self._known: tuple[datetime, dict[str, Drain]] | None = None
        self._changes = 0
        """How often this process drained or resumed one."""

    async def listed(self, *, size: int, token: str) -> tuple[list[KnownRunner], str]:
        """A page of those that were heard of lately or are drained, and the next one's token."""
        limit = page_size(size)
        after = after_token(token, query=_QUERY)
        found = [
            known
            for known in await self._registry.runners()
            if known.runner.id > after and (known.drain is not None or not self.lost(known))
        ]
        page = found[:limit]
        more = len(found) > limit
        return page, page_token(page[-1].runner.id, query=_QUERY) if more else ""

    def lost(self, known: KnownRunner) -> bool:
        """Whether nothing was heard of it lately."""
        return known.runner.heartbeat_time < self._clock() - self._memory

    async def drain(self, runner: str, *, reason: str) -> KnownRunner:
        """Lets a runner take no new checks; it finishes what it holds.

        Raises:
            NotFoundError: It was never heard of.
        """
        if len(reason) > _LONGEST_REASON:
            raise InvalidArgumentError(
                f"the reason has more than {_LONGEST_REASON} characters", field="reason"
            )
        drain = Drain(runner=runner, reason=reason, create_time=self._clock())
        if not await self._registry.drain(drain):
            raise NotFoundError(f"no runner runners/{runner} was ever heard of")
        self._changed()
        return await self._one(runner)

    async def resume(self, runner: str) -> KnownRunner:
        """Lets a drained runner take checks again.

        Raises:
            NotFoundError: It is not drained.
        """
        if not await self._registry.resume(runner):
            raise NotFoundError(f"runners/{runner} is not drained")
        self._changed()
        self._bells.queue.ring()
        return await self._one(runner)

    async def drained(self, runner: str) -> Drain | None:
        """Says that a runner is drained, if it is."""
        now = self._clock()
        if self._known is not None and now - self._known[0] <= _KEPT:
            return self._known[1].get(runner)
        changes = self._changes
        found = {drain.runner: drain for drain in await self._registry.drains()}
        if changes == self._changes:  # else it may be what was before a drain of this moment
            self._known = now, found
        return found.get(runner)

    async def require_open(self, runner: str) -> None:
        """Lets a runner claim checks, unless it is drained.

        Raises:
            RunnerDrainedError: It is.
        """
        drain = await self.drained(runner)
        if drain is not None:
            why = drain.reason or "no reason given"
            raise RunnerDrainedError(f"runners/{runner} is drained: {why}")

    def _changed(self) -> None:
        self._changes += 1
        self._known = None

    async def _one(self, runner: str) -> KnownRunner:
        return next(known for known in await self._registry.runners() if known.runner.id == runner)
