"""Changes of checks, in SQL: both questions are answered by the index of change numbers."""

from sqlalchemy import BigInteger, Connection, bindparam, func, select

from services.scheduler.domain.check import State
from services.scheduler.ports.activity import Change
from services.scheduler.sql import schema
from services.scheduler.sql.database import Database
from services.scheduler.sql.rows import present

_c = schema.checks.c

_NEWEST = select(func.max(_c.change))
_AFTER = (
    select(_c.change, _c.entity, _c.state, _c.create_time, _c.start_time, _c.finish_time)
    .where(_c.change > bindparam("number", type_=BigInteger))
    .order_by(_c.change)
    .limit(bindparam("limit"))
)


class SqlChanges:
    """The port `Changes` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self) -> int:
        return await self._database.read(
            lambda connection: int(connection.execute(_NEWEST).scalar_one() or 0)
        )

    async def after(self, number: int, *, limit: int) -> list[Change]:
        def read(connection: Connection) -> list[Change]:
            return [
                Change(
                    number=row.change,
                    entity=row.entity,
                    finished=row.state == State.FINISHED.value,
                    time=present(row.finish_time or row.start_time or row.create_time),
                )
                for row in connection.execute(_AFTER, {"number": number, "limit": limit})
            ]

        return await self._database.read(read)
