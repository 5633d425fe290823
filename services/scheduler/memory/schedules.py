"""Schedules in memory."""

from collections.abc import Callable, Iterable
from datetime import datetime

from services.scheduler.domain.check import Check
from services.scheduler.domain.schedules import Schedule


class MemorySchedules:
    """The port `Schedules` in memory.

    Args:
        checks: Gives all checks.
    """

    def __init__(self, checks: Callable[[], Iterable[Check]]) -> None:
        self._checks = checks
        self._schedules: dict[str, Schedule] = {}

    async def create(self, schedule: Schedule) -> None:
        self._schedules[schedule.id] = schedule

    async def list_all(self) -> list[Schedule]:
        return [schedule for _, schedule in sorted(self._schedules.items())]

    async def update(self, schedule: Schedule) -> None:
        if schedule.id in self._schedules:
            self._schedules[schedule.id] = schedule

    async def delete(self, schedule_id: str) -> bool:
        return self._schedules.pop(schedule_id, None) is not None

    async def spent(self, requester: str, *, since: datetime) -> float:
        own = [c for c in self._checks() if c.requester == requester and c.create_time >= since]
        return sum(_took(check) for check in own)


def _took(check: Check) -> float:
    if check.finish_time is None:
        return check.expected_seconds
    if check.start_time is None:
        return 0.0
    return (check.finish_time - check.start_time).total_seconds()
