"""The queue and the leases in SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, func, or_, select, update

from services.scheduler.domain.check import State
from services.scheduler.domain.window import QueueGroup
from services.scheduler.ports import Publication
from services.scheduler.sql import schema
from services.scheduler.sql.database import Database
from services.scheduler.sql.rows import to_micros

_c = schema.checks.c
# Literal numbers, as the partial indexes have them: with parameters they would not be used.
_QUEUED: ColumnElement[bool] = _c.state == State.QUEUED.value
_ACTIVE: ColumnElement[bool] = _c.state.in_((State.PREPARING.value, State.RUNNING.value))
_JOB = (_c.id, _c.pool, _c.environment, _c.attempt, _c.publications, _c.job_sequence)


class SqlQueue:
    """The port `Queue` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def groups(self, *, now: datetime) -> list[QueueGroup]:
        waits = and_(_c.published_time.is_(None), _due(now))
        query = (
            select(
                _c.pool,
                _c.environment,
                func.count(_c.published_time),
            )
            .where(_QUEUED)
            .group_by(_c.pool, _c.environment)
            .having(func.sum(_one_if(waits)) > 0)
        )
        async with self._database.read() as connection:
            return [
                QueueGroup(pool=pool, environment=environment, published=published)
                for pool, environment, published in await connection.execute(query)
            ]

    async def waiting(
        self, *, pool: str, environment: str, now: datetime, limit: int
    ) -> list[Publication]:
        query = (
            select(*_JOB)
            .where(
                _QUEUED,
                _c.pool == pool,
                _c.environment == environment,
                _c.published_time.is_(None),
                _due(now),
            )
            .order_by(_c.priority.desc(), _c.id)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [_publication(row) for row in await connection.execute(query)]

    async def mark_published(self, done: Sequence[Publication], *, now: datetime) -> None:
        if done:
            async with self._database.write() as connection:
                await self._database.take_turn(connection)
                await connection.execute(
                    update(schema.checks)
                    .where(_still(), _c.published_time.is_(None))
                    .values(published_time=to_micros(now), job_sequence=bindparam("at_sequence")),
                    [{**_bound(job), "at_sequence": job.sequence} for job in done],
                )

    async def published(self, *, before: datetime) -> list[Publication]:
        query = select(*_JOB).where(_QUEUED, _c.published_time < to_micros(before)).limit(1000)
        async with self._database.read() as connection:
            return [_publication(row) for row in await connection.execute(query)]

    async def unpublish(self, lost: Sequence[Publication]) -> None:
        if lost:
            async with self._database.write() as connection:
                await self._database.take_turn(connection)
                await connection.execute(
                    update(schema.checks)
                    .where(_still(), _c.published_time.is_not(None))
                    .values(
                        published_time=None, job_sequence=None, publications=_c.publications + 1
                    ),
                    [_bound(job) for job in lost],
                )

    async def expired(self, *, now: datetime) -> list[str]:
        query = select(_c.id).where(_ACTIVE, _c.lease_expires <= to_micros(now)).order_by(_c.id)
        async with self._database.read() as connection:
            return list((await connection.execute(query)).scalars())

    async def extend_leases(self, *, until: datetime) -> int:
        micros = to_micros(until)
        async with self._database.write() as connection:
            await self._database.take_turn(connection)
            extended = await connection.execute(
                update(schema.checks)
                .where(_ACTIVE, _c.lease_expires < micros)
                .values(lease_expires=micros)
            )
            return int(extended.rowcount)


def _due(now: datetime) -> ColumnElement[bool]:
    return or_(_c.not_before.is_(None), _c.not_before <= to_micros(now))


def _one_if(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)


def _still() -> ColumnElement[bool]:
    """Holds while a check is queued as it was when its publication was read."""
    return and_(
        _QUEUED,
        _c.id == bindparam("of_check"),
        _c.attempt == bindparam("of_attempt"),
        _c.publications == bindparam("of_number"),
    )


def _bound(job: Publication) -> dict[str, Any]:
    return {"of_check": job.check, "of_attempt": job.attempt, "of_number": job.number}


def _publication(row: Any) -> Publication:
    return Publication(
        check=row.id,
        pool=row.pool,
        environment=row.environment,
        attempt=row.attempt,
        number=row.publications,
        sequence=row.job_sequence or 0,
    )
