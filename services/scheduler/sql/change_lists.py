"""Lists of verdict changes in SQL."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, tuple_

from services.scheduler.domain.verdict_changes import ChangeFilter, VerdictChange
from services.scheduler.sql.database import Database
from services.scheduler.sql.notification_tables import verdict_changes
from services.scheduler.sql.rows import to_micros
from services.scheduler.sql.verdict_changes import CHANGES, change_of

_v = verdict_changes.c


class SqlVerdictChanges:
    """The port `VerdictChanges` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_page(
        self, condition: ChangeFilter, *, limit: int, before: tuple[datetime, str] | None
    ) -> list[VerdictChange]:
        query = CHANGES.order_by(_v.time.desc(), _v.check_id.desc()).limit(limit)
        if condition.kinds:
            # Several are found along their times: by the index of kinds all would be sorted.
            kind = _v.kind if len(condition.kinds) == 1 else _v.kind + 0
            query = query.where(kind.in_(sorted(one.value for one in condition.kinds)))
        if condition.entity:
            query = query.where(_v.entity == condition.entity)
        if condition.since is not None:
            query = query.where(_v.time >= to_micros(condition.since))
        if before is not None:
            query = query.where(tuple_(_v.time, _v.check_id) < (to_micros(before[0]), before[1]))
        return await self._read(query)

    async def after(self, number: int, *, limit: int) -> list[VerdictChange]:
        query = CHANGES.where(_v.number > number, _v.told).order_by(_v.number).limit(limit)
        return await self._read(query)

    async def last(self) -> int:
        query = select(func.max(_v.number))
        return await self._database.read(
            lambda connection: int(connection.execute(query).scalar_one() or 0)
        )

    async def _read(self, query: Select[Any]) -> list[VerdictChange]:
        return await self._database.read(
            lambda connection: [change_of(row) for row in connection.execute(query)]
        )
