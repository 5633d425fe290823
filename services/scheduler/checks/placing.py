"""Places new checks in the queue: priority, rank, and whether there is room at all."""

import dataclasses
from collections.abc import Mapping, Sequence

from services.errors import ResourceExhaustedError
from services.scheduler.domain import machine
from services.scheduler.domain.check import UNTRUSTED_POOL, Check
from services.scheduler.domain.ordering import Priority, expected, ranks
from services.scheduler.domain.queue import MOST_INTERACTIVE, Joining
from services.scheduler.ports.store import Store

_LEAST_DELAY, _LONGEST_DELAY = 5.0, 300.0
"""Seconds after which a refused request may try again."""


class Placing:
    """Knows how the queue stands.

    Args:
        store: Where the checks are.
        pool: Of runners that new checks go to.
        limit: Beyond so many waiting checks, new ones are refused.
    """

    def __init__(self, *, store: Store, pool: str, limit: int) -> None:
        self._store = store
        self._pool = pool
        self._limit = limit

    async def single(self, check: Check, *, requester: str, priority: Priority | None) -> Check:
        """Places a check that stands for itself, or ends it where its inputs kill runners.

        Raises:
            ResourceExhaustedError: Too many checks wait.
        """
        joining = await self._joining([check], pool=check.pool, requester=requester)
        standing = joining.standing
        if priority is None:
            crowd = standing.singles >= MOST_INTERACTIVE or check.untrusted
            priority = Priority.BULK if crowd else Priority.INTERACTIVE
        [cost] = expected(joining.run_times, [check.entity])
        self._require_room(standing.waiting + 1, expected_seconds=cost)
        [rank] = ranks(
            [cost],
            virtual_time=standing.virtual_time,
            behind=standing.behind,
            flows=standing.flows or 1,
        )
        placed = dataclasses.replace(
            check, priority=priority, rank=rank, requester=requester, expected_seconds=cost
        )
        return _quarantined(placed, joining.killers)

    async def of_run(
        self, checks: Sequence[Check], *, requester: str, priority: Priority | None
    ) -> list[Check]:
        """Places the checks of a run, the longest first; those of a proposal behind all others.

        Those whose inputs kill runners are ended.

        Raises:
            ResourceExhaustedError: Too many checks wait.
        """
        pool = checks[0].pool if checks else self._pool
        joining = await self._joining(checks, pool=pool, requester=requester)
        standing = joining.standing
        usual = Priority.BACKGROUND if pool == UNTRUSTED_POOL else Priority.BULK
        coming = sum(not check.finished for check in checks)
        costs = expected(joining.run_times, [check.entity for check in checks])
        self._require_room(standing.waiting + coming, expected_seconds=sum(costs))
        found = ranks(
            costs, virtual_time=standing.virtual_time, behind=0.0, flows=standing.flows + 1
        )
        return [
            _quarantined(
                dataclasses.replace(
                    check,
                    priority=usual if priority is None else priority,
                    rank=rank,
                    requester=requester,
                    expected_seconds=cost,
                ),
                joining.killers,
            )
            for check, rank, cost in zip(checks, found, costs, strict=True)
        ]

    async def _joining(self, checks: Sequence[Check], *, pool: str, requester: str) -> Joining:
        return await self._store.policy.joining(
            pool=pool,
            requester=requester,
            entities={check.entity for check in checks},
            digests={check.inputs_digest for check in checks if _doubtful(check)},
        )

    def _require_room(self, waiting: int, *, expected_seconds: float) -> None:
        if waiting <= self._limit:
            return
        delay = min(max(expected_seconds, _LEAST_DELAY), _LONGEST_DELAY)
        raise ResourceExhaustedError(
            f"{waiting} checks would wait, at most {self._limit} may; try again in {delay:.0f} s",
            retry_seconds=f"{delay:.0f}",
            limit=str(self._limit),
        )


def _doubtful(check: Check) -> bool:
    return not check.finished and not (check.basis is not None and check.basis.forced)


def _quarantined(check: Check, killers: Mapping[str, Check]) -> Check:
    """Ends a check whose inputs have cost every runner its life that tried them.

    It would only kill further ones. A replay, or force, tries them again.
    """
    killer = killers.get(check.inputs_digest) if _doubtful(check) else None
    if killer is None:
        return check
    return machine.given_up(
        check,
        message=f"quarantined: checks/{killer.id} of the same inputs lost its runner "
        f"{len(killer.failed_attempts)} times; replay it when the cause is gone",
        now=check.create_time,
    )
