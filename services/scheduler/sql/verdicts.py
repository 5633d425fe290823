"""How each entity is, in SQL."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select

from services.scheduler.domain.check import Check, EntityVerdict, Verdict, entity_verdict
from services.scheduler.sql import schema
from services.scheduler.sql.database import Database
from services.scheduler.sql.rows import present, to_micros

_v = schema.entity_verdicts.c

_PAGE = select(schema.entity_verdicts).order_by(_v.entity).limit(bindparam("limit"))


class SqlVerdicts:
    """The port `Verdicts` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_page(
        self,
        *,
        limit: int,
        after: str = "",
        verdict: Verdict | None = None,
        entities: Collection[str] | None = None,
    ) -> list[EntityVerdict]:
        query = _PAGE
        asked: dict[str, Any] = {"limit": limit}
        if after:
            query = query.where(_v.entity > bindparam("after"))
            asked["after"] = after
        if verdict is not None:
            query = query.where(_v.verdict == bindparam("verdict"))
            asked["verdict"] = verdict.value
        if entities is not None:
            query = query.where(_v.entity.in_(bindparam("entities", expanding=True)))
            asked["entities"] = sorted(set(entities))

        def read(connection: Connection) -> list[EntityVerdict]:
            return [
                EntityVerdict(
                    entity=row.entity,
                    verdict=Verdict(row.verdict),
                    check=row.check_id,
                    finish_time=present(row.finish_time),
                    revision=row.revision,
                )
                for row in connection.execute(query, asked)
            ]

        return await self._database.read(read)


_KEEPING: dict[bool, Any] = {}


def keep_verdicts(connection: Connection, finished: Sequence[Check], *, database: Database) -> None:
    """Notes what checks say about their entities, unless a newer check says something already."""
    rows = [
        {
            "entity": found.entity,
            "check_id": found.check,
            "verdict": found.verdict.value,
            "finish_time": to_micros(found.finish_time),
            "revision": found.revision,
        }
        for check in finished
        if (found := entity_verdict(check)) is not None
    ]
    if rows:
        connection.execute(_keeping(database), rows)


def _keeping(database: Database) -> Any:
    """The statement is made once, so that it is compiled once."""
    if database.is_sqlite not in _KEEPING:
        new = database.insert(schema.entity_verdicts)
        _KEEPING[database.is_sqlite] = new.on_conflict_do_update(
            index_elements=["entity"],
            set_={
                name: new.excluded[name]
                for name in ("check_id", "verdict", "finish_time", "revision")
            },
            where=new.excluded.check_id > _v.check_id,
        )
    return _KEEPING[database.is_sqlite]
