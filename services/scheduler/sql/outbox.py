"""The outbox in SQL."""

from collections.abc import Sequence

from sqlalchemy import delete, select

from services.scheduler.ports import Message
from services.scheduler.sql.database import Database
from services.scheduler.sql.schema import outbox


class SqlOutbox:
    """The port `Outbox` over SQL.

    Several processes may publish the same message: the broker drops what it has already.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pending(self, *, limit: int) -> list[Message]:
        query = select(outbox).order_by(outbox.c.number).limit(limit)
        async with self._database.read() as connection:
            return [
                Message(
                    number=row.number,
                    subject=row.subject,
                    message_id=row.message_id,
                    payload=row.payload,
                )
                for row in await connection.execute(query)
            ]

    async def remove(self, numbers: Sequence[int]) -> None:
        if numbers:
            async with self._database.write() as connection:
                await connection.execute(delete(outbox).where(outbox.c.number.in_(numbers)))
