"""What the order of the queue follows from, and its pauses, in SQL."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Float, String, bindparam, case, cast, delete, func, select

from services.scheduler.domain.check import State, Verdict
from services.scheduler.domain.ordering import HISTORY
from services.scheduler.domain.queue import Joining, Pause, QueueLine, Standing
from services.scheduler.sql import schema
from services.scheduler.sql.database import Database
from services.scheduler.sql.dead_letters import killers
from services.scheduler.sql.rows import from_micros, present, to_micros
from services.scheduler.sql.schema import QUEUED, UNFINISHED

_c = schema.checks.c
_p = schema.pauses.c
_MICROSECONDS = 1e6
_OWN_ENDS = (Verdict.SUCCESS, Verdict.INACCURATE, Verdict.SCRIPT_ERROR)

_LOWEST = select(func.min(_c.rank), func.count()).where(QUEUED, _c.pool == bindparam("pool"))
_OWN = (
    select(
        func.count(_c.run.distinct()),
        func.sum(case((_c.run == "", 1), else_=0)),
    )
    .where(QUEUED, _c.pool == bindparam("pool"))
    .where(_c.requester == bindparam("requester", type_=String))
)
_BEHIND = (
    select(func.max(_c.rank + _c.expected_seconds * bindparam("flows", type_=Float)))
    .where(QUEUED, _c.pool == bindparam("pool"), _c.run == "")
    .where(_c.requester == bindparam("requester", type_=String))
)
_SECONDS = cast(_c.finish_time - _c.start_time, Float) / _MICROSECONDS
_v = schema.entity_verdicts.c
_past = schema.checks.alias("past")
_OLDEST = (
    select(_past.c.id)
    .where(
        _past.c.entity == _v.entity,
        _past.c.verdict.in_([verdict.value for verdict in _OWN_ENDS]),
        _past.c.start_time.is_not(None),
    )
    .order_by(_past.c.id.desc())
    .limit(1)
    .offset(bindparam("newer"))
    .correlate(schema.entity_verdicts)
    .scalar_subquery()
)
_TIMES = (
    select(_c.entity, _SECONDS)
    .select_from(schema.entity_verdicts)
    .join(
        schema.checks,
        # So that of a long history only its end is read; numbering by a window reads all of it.
        (_c.entity == _v.entity) & (_c.id >= func.coalesce(_OLDEST, "")),
    )
    .where(
        _v.entity.in_(bindparam("wanted", expanding=True)),
        _c.verdict.in_([verdict.value for verdict in _OWN_ENDS]),
        _c.start_time.is_not(None),
    )
    .order_by(_c.entity, _c.id.desc())
)
_WAITS = _c.state == State.QUEUED.value
_LINES = (
    select(
        _c.pool,
        _c.environment,
        func.sum(case((_WAITS, 1), else_=0)).label("waiting"),
        func.sum(case((_WAITS & _c.published_time.is_not(None), 1), else_=0)).label("published"),
        func.sum(case((_WAITS, 0), else_=1)).label("running"),
        func.min(case((_WAITS, _c.create_time), else_=None)).label("oldest"),
        func.sum(case((_WAITS, _c.expected_seconds), else_=0.0)).label("expected"),
    )
    .where(UNFINISHED)
    .group_by(_c.pool, _c.environment)
    .order_by(_c.pool, _c.environment)
)
_PAUSES = select(schema.pauses).order_by(_p.pool, _p.environment)


class SqlPolicy:
    """The port `Policy` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def joining(
        self, *, pool: str, requester: str, entities: Collection[str], digests: Collection[str]
    ) -> Joining:
        return await self._database.read(
            lambda connection: Joining(
                standing=_standing(connection, pool=pool, requester=requester),
                run_times=_run_times(connection, entities, limit=HISTORY),
                killers=killers(connection, digests),
            )
        )

    async def run_times(self, entities: Collection[str], *, limit: int) -> dict[str, list[float]]:
        return await self._database.read(
            lambda connection: _run_times(connection, entities, limit=limit)
        )

    async def lines(self) -> list[QueueLine]:
        return await self._database.read(
            lambda connection: [_line(row) for row in connection.execute(_LINES)]
        )

    async def pause(self, pause: Pause) -> None:
        def write(connection: Connection) -> None:
            _remove(connection, pool=pause.pool, environment=pause.environment)
            connection.execute(
                schema.pauses.insert(),
                {
                    "pool": pause.pool,
                    "environment": pause.environment,
                    "reason": pause.reason,
                    "create_time": to_micros(pause.create_time),
                },
            )

        await self._database.write(write)

    async def resume(self, *, pool: str, environment: str) -> bool:
        return await self._database.write(
            lambda connection: _remove(connection, pool=pool, environment=environment)
        )

    async def pauses(self) -> list[Pause]:
        return await self._database.read(
            lambda connection: [
                Pause(
                    pool=row.pool,
                    environment=row.environment,
                    reason=row.reason,
                    create_time=present(row.create_time),
                )
                for row in connection.execute(_PAUSES)
            ]
        )


def _standing(connection: Connection, *, pool: str, requester: str) -> Standing:
    lowest, waiting = connection.execute(_LOWEST, {"pool": pool}).one()
    if not waiting:
        return Standing()
    asked = {"pool": pool, "requester": requester}
    flows, singles = connection.execute(_OWN, asked).one()
    behind = (
        connection.execute(_BEHIND, {**asked, "flows": flows}).scalar_one() if singles else None
    )
    return Standing(
        virtual_time=float(lowest),
        behind=float(behind or 0.0),
        flows=int(flows),
        singles=int(singles or 0),
        waiting=int(waiting),
    )


def _run_times(
    connection: Connection, entities: Collection[str], *, limit: int
) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    if entities:
        asked = {"wanted": sorted(entities), "newer": limit - 1}
        for entity, seconds in connection.execute(_TIMES, asked):
            found.setdefault(entity, []).append(float(seconds))
    return found


def _remove(connection: Connection, *, pool: str, environment: str) -> bool:
    gone = delete(schema.pauses).where(_p.pool == pool, _p.environment == environment)
    return bool(connection.execute(gone).rowcount)


def _line(row: Any) -> QueueLine:
    return QueueLine(
        pool=row.pool,
        environment=row.environment,
        waiting=int(row.waiting),
        published=int(row.published),
        running=int(row.running),
        oldest=from_micros(row.oldest),
        expected_seconds=float(row.expected),
    )
