"""What retention knows, in memory."""

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime

from services.scheduler.domain.check import Check
from services.scheduler.domain.retention import FinishedCheck, Use


class MemoryRetention:
    """The port `Retention` over checks in memory.

    Args:
        checks: Gives all checks.
        not_reusable: Gets the ids of those that lost a file.
    """

    def __init__(self, checks: Callable[[], Iterable[Check]], *, not_reusable: set[str]) -> None:
        self._checks = checks
        self._not_reusable = not_reusable
        self._removed: dict[str, datetime] = {}

    async def finished(self) -> list[FinishedCheck]:
        return [
            FinishedCheck(
                id=check.id,
                entity=check.entity,
                environment=check.environment,
                verdict=check.result.verdict,
            )
            for check in sorted(self._checks(), key=lambda check: check.id)
            if check.result is not None and not check.untrusted
        ]

    async def uses(self, *, kept: Collection[str]) -> dict[str, Use]:
        found: dict[str, Use] = {}
        for check in self._checks():
            last = check.finish_time.timestamp() if check.finish_time else 0.0
            for digest in _digests(check):
                before = found.get(digest, Use(last=last))
                found[digest] = Use(
                    last=max(before.last, last), kept=before.kept or check.id in kept
                )
        return found

    async def mark_removed(
        self, digests: Collection[str], *, chosen: datetime, now: datetime
    ) -> list[str]:
        used = {
            digest
            for check in self._checks()
            if check.finish_time is not None and check.finish_time > chosen
            for digest in _digests(check)
        }
        marked = [digest for digest in digests if digest not in used]
        self._removed.update(dict.fromkeys(marked, now))
        self._not_reusable.update(
            check.id for check in self._checks() if {*marked} & {*_digests(check)}
        )
        return marked

    async def removed(self, digest: str) -> datetime | None:
        return self._removed.get(digest)


def _digests(check: Check) -> Iterator[str]:
    """The files that a check refers to."""
    if check.result is not None:
        yield from (file.sha256 for file in check.result.artefacts)
        if check.result.log:
            yield check.result.log
