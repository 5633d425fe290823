"""Schedules in SQL."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, String, bindparam, case, delete, func, select, update

from services.scheduler.domain.schedules import Schedule
from services.scheduler.sql import schema
from services.scheduler.sql.database import Database
from services.scheduler.sql.rows import from_micros, present, to_micros
from services.scheduler.sql.schedule_tables import schedules

_s = schedules.c
_c = schema.checks.c
_MICROSECOND = timedelta(microseconds=1)
_TOOK = case(
    (_c.finish_time.is_(None), _c.expected_seconds * 1e6),
    (_c.start_time.is_(None), 0.0),
    else_=_c.finish_time - _c.start_time,
)
_SPENT = select(func.sum(_TOOK)).where(
    _c.requester == bindparam("requester", type_=String),
    _c.create_time >= bindparam("since", type_=BigInteger),
)


class SqlSchedules:
    """The port `Schedules` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, schedule: Schedule) -> None:
        row = _values(schedule)
        await self._database.write(
            lambda connection: connection.execute(schedules.insert(), row).close()
        )

    async def list_all(self) -> list[Schedule]:
        return await self._database.read(
            lambda connection: [
                _schedule(row) for row in connection.execute(select(schedules).order_by(_s.id))
            ]
        )

    async def update(self, schedule: Schedule) -> None:
        change = update(schedules).where(_s.id == schedule.id).values(_values(schedule))
        await self._database.write(lambda connection: connection.execute(change).close())

    async def delete(self, schedule_id: str) -> bool:
        gone = delete(schedules).where(_s.id == schedule_id)
        return await self._database.write(
            lambda connection: bool(connection.execute(gone).rowcount)
        )

    async def spent(self, requester: str, *, since: datetime) -> float:
        asked = {"requester": requester, "since": to_micros(since)}
        return await self._database.read(
            lambda connection: float(connection.execute(_SPENT, asked).scalar() or 0) / 1e6
        )


def _values(schedule: Schedule) -> dict[str, Any]:
    return {
        "id": schedule.id,
        "title": schedule.title,
        "cron": schedule.cron,
        "on_change": schedule.on_change,
        "max_age": _micros(schedule.max_age),
        "filter": schedule.filter,
        "daily_budget": _micros(schedule.daily_budget),
        "force": schedule.force,
        "create_time": to_micros(schedule.create_time),
        "last_time": to_micros(schedule.last_time),
        "last_run": schedule.last_run,
        "last_error": schedule.last_error,
        "revision": schedule.revision,
    }


def _schedule(row: Any) -> Schedule:
    return Schedule(
        id=row.id,
        title=row.title,
        cron=row.cron,
        on_change=row.on_change,
        max_age=_span(row.max_age),
        filter=row.filter,
        daily_budget=_span(row.daily_budget),
        force=row.force,
        create_time=present(row.create_time),
        last_time=from_micros(row.last_time),
        last_run=row.last_run,
        last_error=row.last_error,
        revision=row.revision,
    )


def _micros(span: timedelta | None) -> int | None:
    return None if span is None else span // _MICROSECOND


def _span(micros: int | None) -> timedelta | None:
    return None if micros is None else timedelta(microseconds=micros)
