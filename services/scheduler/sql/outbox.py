"""The outbox in SQL."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, select

from services.scheduler.ports.store import Message
from services.scheduler.sql.database import Database
from services.scheduler.sql.schema import outbox

_OLDEST = (
    select(outbox)
    .where(outbox.c.number > bindparam("after"))
    .order_by(outbox.c.number)
    .limit(bindparam("limit"))
)
_REMOVE = delete(outbox).where(outbox.c.number == bindparam("wanted"))


class SqlOutbox:
    """The port `Outbox` over SQL.

    Several processes may publish the same message: the broker drops what it has already.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pending(self, *, after: int = 0, limit: int) -> list[Message]:
        def read(connection: Connection) -> list[Message]:
            return [
                Message(
                    number=row.number,
                    subject=row.subject,
                    message_id=row.message_id,
                    payload=row.payload,
                )
                for row in connection.execute(_OLDEST, {"after": after, "limit": limit})
            ]

        return await self._database.read(read)

    async def remove(self, numbers: Sequence[int]) -> None:
        if numbers:
            wanted = [{"wanted": number} for number in numbers]
            await self._database.write(
                lambda connection: connection.execute(_REMOVE, wanted).close(), durable=False
            )
