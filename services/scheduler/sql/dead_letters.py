"""Checks that were given up, in SQL."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, bindparam, exists, func, select

from services.scheduler.domain.check import Check
from services.scheduler.sql import schema
from services.scheduler.sql.database import Database
from services.scheduler.sql.rows import CHECK, checks_of
from services.scheduler.sql.schema import GIVEN_UP

_c = schema.checks.c
_a = schema.attempts.c
_r = schema.replays.c

_NAMED = 500
"""Digests in one statement; databases bound their number."""
_OPEN = ~exists().where(_r.check_id == _c.id)
_ALL = CHECK.where(GIVEN_UP, _OPEN).order_by(_c.id.desc()).limit(bindparam("limit"))
_COUNT = select(func.count()).select_from(schema.checks).where(GIVEN_UP, _OPEN)
_LOST = exists().where(_a.check_id == _c.id, _a.reason.is_not(None))
_REPORTED = exists().where(_a.check_id == _c.id, _a.reported.is_(True))
_KILLERS = CHECK.where(GIVEN_UP, _OPEN, _LOST, ~_REPORTED).order_by(_c.id)
"""Of all inputs: dead letters are few, and there is an index of them."""
_NAMED_KILLERS = _KILLERS.where(_c.inputs_digest.in_(bindparam("inputs", expanding=True)))


def killers(connection: Connection, digests: Collection[str]) -> dict[str, Check]:
    """Gives, by inputs digest, the newest dead letter whose every attempt lost its runner."""
    if not digests:
        return {}
    query = _NAMED_KILLERS if len(digests) <= _NAMED else _KILLERS
    found = checks_of(connection, list(connection.execute(query, {"inputs": sorted(digests)})))
    return {check.inputs_digest: check for check in found if check.inputs_digest in digests}


class SqlDeadLetters:
    """The port `DeadLetters` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_page(self, *, limit: int, before: str) -> list[Check]:
        query = _ALL.where(_c.id < before) if before else _ALL
        return await self._read(query, {"limit": limit})

    async def count(self) -> int:
        return await self._database.read(
            lambda connection: int(connection.execute(_COUNT).scalar_one())
        )

    async def replayed(self, check_id: str, *, by: str) -> None:
        new = self._database.insert(schema.replays).on_conflict_do_nothing(
            index_elements=["check_id"]
        )
        row = {"check_id": check_id, "replayed_by": by}
        await self._database.write(lambda connection: connection.execute(new, row).close())

    async def _read(self, query: Any, asked: dict[str, Any]) -> list[Check]:
        def read(connection: Connection) -> list[Check]:
            return checks_of(connection, list(connection.execute(query, asked)))

        return await self._database.read(read)
