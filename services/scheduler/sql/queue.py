"""The queue and the leases in SQL."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    String,
    and_,
    bindparam,
    func,
    or_,
    select,
    tuple_,
    update,
)

from services.scheduler.domain.check import Check
from services.scheduler.domain.window import QueueGroup, room
from services.scheduler.ports.store import Publication
from services.scheduler.sql import schema
from services.scheduler.sql.database import Database
from services.scheduler.sql.rows import CHECK, checks_of, to_micros
from services.scheduler.sql.schema import ACTIVE, QUEUED

_c = schema.checks.c
_JOB = (_c.id, _c.pool, _c.environment, _c.attempt, _c.publications, _c.job_sequence)
_NOW: ColumnElement[int] = bindparam("now", type_=BigInteger)
_WAITS = and_(_c.published_time.is_(None), or_(_c.not_before.is_(None), _c.not_before <= _NOW))
_STILL = and_(
    QUEUED,
    _c.id == bindparam("of_check"),
    _c.attempt == bindparam("of_attempt"),
    _c.publications == bindparam("of_number"),
)
"""Holds while a check is queued as it was when its publication was read."""

_OUT = (
    select(_c.pool, _c.environment, func.count())
    .where(QUEUED, _c.published_time.is_not(None))
    .group_by(_c.pool, _c.environment)
)
_NEXT_GROUP = (
    select(_c.pool, _c.environment)
    .where(
        QUEUED,
        _c.published_time.is_(None),
        tuple_(_c.pool, _c.environment)
        > tuple_(bindparam("pool", type_=String), bindparam("environment", type_=String)),
    )
    .order_by(_c.pool, _c.environment)
    .limit(1)
)
"""The first group after another: a look into the index, however long the queue is."""
_NEXT = (
    select(*_JOB)
    .where(QUEUED, _c.pool == bindparam("pool"), _c.environment == bindparam("environment"), _WAITS)
    .order_by(_c.priority.desc(), _c.rank, _c.id)
    .limit(bindparam("limit"))
)
_IN_ORDER = (
    CHECK.where(QUEUED)
    .order_by(_c.pool, _c.environment, _c.priority.desc(), _c.rank, _c.id)
    .limit(bindparam("limit"))
)
_PUBLISHED = select(*_JOB).where(QUEUED, _c.published_time < _NOW).limit(1000)
_MARK = (
    update(schema.checks)
    .where(_STILL, _c.published_time.is_(None))
    .values(
        published_time=bindparam("at_time", type_=BigInteger),
        job_sequence=bindparam("at_sequence", type_=BigInteger),
    )
)
_UNMARK = (
    update(schema.checks)
    .where(_STILL, _c.published_time.is_not(None))
    .values(published_time=None, job_sequence=None, publications=_c.publications + 1)
)
_EXPIRED = select(_c.id).where(ACTIVE, _c.lease_expires <= _NOW).order_by(_c.id)
_EXTEND = update(schema.checks).where(ACTIVE, _c.lease_expires < _NOW).values(lease_expires=_NOW)


class SqlQueue:
    """The port `Queue` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def waiting(
        self, *, now: datetime, window: Callable[[str, str], int]
    ) -> list[Publication]:
        def read(connection: Connection) -> list[Publication]:
            micros = to_micros(now)
            out = {(row[0], row[1]): int(row[2]) for row in connection.execute(_OUT)}
            found: list[Publication] = []
            pool, environment = "", ""
            while True:
                last = {"pool": pool, "environment": environment}
                following = connection.execute(_NEXT_GROUP, last).one_or_none()
                if following is None:
                    break
                pool, environment = following
                group = QueueGroup(
                    pool=pool, environment=environment, published=out.get((pool, environment), 0)
                )
                limit = room(group, size=window(pool, environment))
                if limit:
                    asked = {
                        "now": micros,
                        "pool": pool,
                        "environment": environment,
                        "limit": limit,
                    }
                    found += map(_publication, connection.execute(_NEXT, asked))
            return found

        return await self._database.read(read)

    async def next(self, *, limit: int) -> list[Check]:
        def read(connection: Connection) -> list[Check]:
            return checks_of(connection, list(connection.execute(_IN_ORDER, {"limit": limit})))

        return await self._database.read(read)

    async def mark_published(self, done: Sequence[Publication], *, now: datetime) -> None:
        at_time = to_micros(now)
        await self._mark(
            _MARK,
            [{**_bound(job), "at_time": at_time, "at_sequence": job.sequence} for job in done],
        )

    async def published(self, *, before: datetime) -> list[Publication]:
        asked = {"now": to_micros(before)}
        return await self._database.read(
            lambda connection: list(map(_publication, connection.execute(_PUBLISHED, asked)))
        )

    async def unpublish(self, lost: Sequence[Publication]) -> None:
        await self._mark(_UNMARK, [_bound(job) for job in lost])

    async def _mark(self, statement: Any, rows: list[dict[str, Any]]) -> None:
        def write(connection: Connection) -> None:
            self._database.take_turn(connection)
            connection.execute(statement, rows)

        if rows:
            await self._database.write(write, durable=False)

    async def expired(self, *, now: datetime) -> list[str]:
        asked = {"now": to_micros(now)}
        return await self._database.read(
            lambda connection: list(connection.execute(_EXPIRED, asked).scalars())
        )

    async def extend_leases(self, *, until: datetime) -> int:
        def write(connection: Connection) -> int:
            self._database.take_turn(connection)
            return int(connection.execute(_EXTEND, {"now": to_micros(until)}).rowcount)

        return await self._database.write(write)


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
