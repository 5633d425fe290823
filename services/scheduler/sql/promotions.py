"""Promotions of images in SQL."""

import dataclasses
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select

from services.errors import NotFoundError
from services.scheduler.domain.promotion import Promotion
from services.scheduler.sql.database import Database
from services.scheduler.sql.promotion_tables import promotions
from services.scheduler.sql.rows import present, to_micros

_p = promotions.c

_ONE = select(promotions).where(_p.id == bindparam("wanted"))
_NEWEST = select(promotions).order_by(_p.id.desc()).limit(1)
_IN_USE = _NEWEST.where(_p.environment == bindparam("environment"))
_OF_TRIAL = _NEWEST.where(_p.trial == bindparam("trial"))
_NEW = insert(promotions)


class SqlPromotions:
    """The port `Promotions` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, promotion: Promotion, *, after: str) -> bool:
        row = {**dataclasses.asdict(promotion), "create_time": to_micros(promotion.create_time)}

        def write(connection: Connection) -> bool:
            self._database.take_turn(connection)
            newest = _first(connection, _IN_USE, environment=promotion.environment)
            if (newest.id if newest is not None else "") != after:
                return False
            connection.execute(_NEW, row)
            return True

        return await self._database.write(write)

    async def get(self, promotion_id: str) -> Promotion:
        found = await self._read(_ONE, wanted=promotion_id)
        if found is None:
            name = f"promotions/{promotion_id}"
            raise NotFoundError(f"there is no promotion named {name}", name=name)
        return found

    async def in_use(self, environment: str) -> Promotion | None:
        return await self._read(_IN_USE, environment=environment)

    async def of_trial(self, trial_id: str) -> Promotion | None:
        return await self._read(_OF_TRIAL, trial=trial_id)

    async def list_page(self, *, limit: int, before: str, environment: str = "") -> list[Promotion]:
        query = select(promotions).order_by(_p.id.desc()).limit(limit)
        if before:
            query = query.where(_p.id < before)
        if environment:
            query = query.where(_p.environment == environment)
        return await self._database.read(
            lambda connection: [_promotion(row) for row in connection.execute(query)]
        )

    async def _read(self, query: Any, **asked: str) -> Promotion | None:
        return await self._database.read(lambda connection: _first(connection, query, **asked))


def _first(connection: Connection, query: Any, **asked: str) -> Promotion | None:
    row = connection.execute(query, asked).one_or_none()
    return None if row is None else _promotion(row)


def _promotion(row: Row[Any]) -> Promotion:
    fields = dict(row._mapping)  # noqa: SLF001  # SQLAlchemy's public name for it
    return Promotion(**{**fields, "create_time": present(row.create_time)})
