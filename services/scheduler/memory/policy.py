"""What the order of the queue follows from, and what was given up, in memory."""

from collections.abc import Callable, Collection, Iterable

from services.scheduler.domain.check import Check, State, Verdict
from services.scheduler.domain.ordering import HISTORY
from services.scheduler.domain.queue import Joining, Pause, QueueLine, Standing


class MemoryPolicy:
    """The port `Policy` over checks in memory.

    Args:
        checks: Gives all checks.
        dead_letters: Those that were given up.
        published: Holds the ids of those that were handed to the broker.
    """

    def __init__(
        self,
        checks: Callable[[], Iterable[Check]],
        *,
        dead_letters: "MemoryDeadLetters",
        published: Collection[str],
    ) -> None:
        self._checks = checks
        self._dead_letters = dead_letters
        self._published = published
        self._pauses: dict[tuple[str, str], Pause] = {}

    async def joining(
        self, *, pool: str, requester: str, entities: Collection[str], digests: Collection[str]
    ) -> Joining:
        return Joining(
            standing=self._standing(pool=pool, requester=requester),
            run_times=await self.run_times(entities, limit=HISTORY),
            killers=self._dead_letters.killers(digests),
        )

    def _standing(self, *, pool: str, requester: str) -> Standing:
        waiting = [c for c in self._checks() if c.state is State.QUEUED and c.pool == pool]
        own = [check for check in waiting if check.requester == requester]
        singles = [check for check in own if not check.run]
        flows = len({check.run for check in own})
        return Standing(
            virtual_time=min((check.rank for check in waiting), default=0.0),
            behind=max((one.rank + one.expected_seconds * flows for one in singles), default=0.0),
            flows=flows,
            singles=len(singles),
            waiting=len(waiting),
        )

    async def run_times(self, entities: Collection[str], *, limit: int) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for check in sorted(self._checks(), key=lambda check: check.id, reverse=True):
            own = check.result is not None and check.result.verdict in (
                Verdict.SUCCESS,
                Verdict.INACCURATE,
                Verdict.SCRIPT_ERROR,
            )
            if own and check.entity in entities and check.start_time and check.finish_time:
                times = found.setdefault(check.entity, [])
                if len(times) < limit:
                    times.append((check.finish_time - check.start_time).total_seconds())
        return found

    async def lines(self) -> list[QueueLine]:
        groups: dict[tuple[str, str], list[Check]] = {}
        for check in self._checks():
            if not check.finished:
                groups.setdefault((check.pool, check.environment), []).append(check)
        return [
            _line(pool, environment, checks, published=self._published)
            for (pool, environment), checks in sorted(groups.items())
        ]

    async def pause(self, pause: Pause) -> None:
        self._pauses[pause.pool, pause.environment] = pause

    async def resume(self, *, pool: str, environment: str) -> bool:
        return self._pauses.pop((pool, environment), None) is not None

    async def pauses(self) -> list[Pause]:
        return [pause for _, pause in sorted(self._pauses.items())]


def _line(
    pool: str, environment: str, checks: list[Check], *, published: Collection[str]
) -> QueueLine:
    waiting = [check for check in checks if check.state is State.QUEUED]
    return QueueLine(
        pool=pool,
        environment=environment,
        waiting=len(waiting),
        published=sum(check.id in published for check in waiting),
        running=len(checks) - len(waiting),
        oldest=min((check.create_time for check in waiting), default=None),
        expected_seconds=sum(check.expected_seconds for check in waiting),
    )


class MemoryDeadLetters:
    """The port `DeadLetters` over checks in memory."""

    def __init__(self, checks: Callable[[], Iterable[Check]]) -> None:
        self._checks = checks
        self._replayed: dict[str, str] = {}

    async def list_page(self, *, limit: int, before: str) -> list[Check]:
        found = [check for check in self._open() if not before or check.id < before]
        return found[:limit]

    async def count(self) -> int:
        return len(self._open())

    async def replayed(self, check_id: str, *, by: str) -> None:
        self._replayed.setdefault(check_id, by)

    def killers(self, digests: Collection[str]) -> dict[str, Check]:
        found: dict[str, Check] = {}
        for check in self._open():
            lost = check.failed_attempts and not any(p.reported for p in check.failed_attempts)
            if check.inputs_digest in digests and lost:
                found.setdefault(check.inputs_digest, check)
        return found

    def _open(self) -> list[Check]:
        given_up = [
            check
            for check in self._checks()
            if check.result is not None
            and check.result.verdict is Verdict.INFRASTRUCTURE_ERROR
            and check.id not in self._replayed
        ]
        return sorted(given_up, key=lambda check: check.id, reverse=True)
