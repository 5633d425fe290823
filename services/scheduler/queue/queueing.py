"""Looking into the queue, holding it up, and trying again what was given up."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.errors import InvalidArgumentError, NotFoundError
from services.scheduler.app import Scheduler
from services.scheduler.domain.check import Check, Verdict
from services.scheduler.domain.listing import after_token, page_size, page_token
from services.scheduler.domain.queue import Pause, QueueLine
from services.scheduler.ports.store import Clock, Store
from services.scheduler.queue.bells import Bells
from services.scheduler.queue.pauses import Pauses

_LONGEST_REASON = 500
_QUERY = "dead letters"


@dataclass(frozen=True, kw_only=True)
class QueueView:
    """The queue as it is shown."""

    lines: list[QueueLine]
    pauses: list[Pause]
    limit: int
    dead_letters: int

    @property
    def waiting(self) -> int:
        """Waiting checks of all."""
        return sum(line.waiting for line in self.lines)


class Queueing:
    """Use cases of `QueueService`."""

    def __init__(
        self,
        *,
        store: Store,
        scheduler: Scheduler,
        pauses: Pauses,
        bells: Bells,
        clock: Clock,
        limit: int,
    ) -> None:
        self._store = store
        self._scheduler = scheduler
        self._pauses = pauses
        self._bells = bells
        self._clock = clock
        self._limit = limit

    async def queue(self) -> QueueView:
        """What waits and runs, and what holds it up."""
        return QueueView(
            lines=await self._store.policy.lines(),
            pauses=await self._store.policy.pauses(),
            limit=self._limit,
            dead_letters=await self._store.dead_letters.count(),
        )

    async def waiting(self, *, size: int) -> list[Check]:
        """The waiting checks that start next, by pool and environment, in that order."""
        return await self._store.queue.next(limit=page_size(size))

    async def pause(self, *, pool: str, environment: str, reason: str) -> QueueView:
        """Lets no further check of a pool, or of one environment in it, start."""
        if len(reason) > _LONGEST_REASON:
            raise InvalidArgumentError(
                f"the reason has more than {_LONGEST_REASON} characters", field="reason"
            )
        await self._store.policy.pause(
            Pause(pool=pool, environment=environment, reason=reason, create_time=self._clock())
        )
        self._pauses.changed()
        return await self.queue()

    async def resume(self, *, pool: str, environment: str) -> QueueView:
        """Ends a pause.

        Raises:
            NotFoundError: There is none.
        """
        if not await self._store.policy.resume(pool=pool, environment=environment):
            where = f"environments/{environment} in the pool {pool}" if environment else pool
            raise NotFoundError(f"{where} is not paused")
        self._pauses.changed()
        self._bells.queue.ring()
        return await self.queue()

    async def dead_letters(self, *, size: int, token: str) -> tuple[list[Check], str]:
        """A page of the checks that were given up, newest first, and the next one's token."""
        limit = page_size(size)
        before = after_token(token, query=_QUERY)
        found = await self._store.dead_letters.list_page(limit=limit + 1, before=before)
        page = found[:limit]
        return page, page_token(page[-1].id, query=_QUERY) if len(found) > limit else ""

    async def replay(self, checks: Sequence[str]) -> list[Check]:
        """Checks again what was given up; all of it where no ids are given.

        Raises:
            NotFoundError: One of them is no check, or was not given up.
        """
        letters = [await self._letter(check) for check in checks] if checks else await self._all()
        return [await self._again(letter) for letter in letters]

    async def _letter(self, check_id: str) -> Check:
        check = await self._store.checks.get(check_id)
        if check.result is None or check.result.verdict is not Verdict.INFRASTRUCTURE_ERROR:
            raise NotFoundError(f"checks/{check_id} was not given up")
        return check

    async def _all(self) -> list[Check]:
        found: list[Check] = []
        before = ""
        while page := await self._store.dead_letters.list_page(limit=500, before=before):
            found += page
            before = page[-1].id
        return found

    async def _again(self, letter: Check) -> Check:
        check = await self._scheduler.create_check(
            entity=letter.entity,
            revision=letter.revision,
            environment=letter.environment,
            request_id=f"replay-{letter.id}",
            force=True,
        )
        await self._store.dead_letters.replayed(letter.id, by=check.id)
        return check
