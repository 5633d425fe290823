"""Which runners there are, and which are drained, in SQL."""

import json
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from services.scheduler.domain.check import Runner
from services.scheduler.domain.runners import Drain, KnownRunner
from services.scheduler.sql import schema
from services.scheduler.sql.database import Database
from services.scheduler.sql.drain_tables import drained_runners
from services.scheduler.sql.environment_tables import runner_reports
from services.scheduler.sql.rows import present, to_micros
from services.scheduler.sql.schema import ACTIVE

_c = schema.checks.c
_r = schema.runners.c
_s = runner_reports.c
_d = drained_runners.c

_RUNNERS = (
    select(
        schema.runners,
        _s.environments,
        _d.reason.label("drain_reason"),
        _d.create_time.label("drain_time"),
    )
    .select_from(
        schema.runners.outerjoin(
            runner_reports, (_s.runner == _r.id) & (_s.incarnation == _r.incarnation)
        ).outerjoin(drained_runners, _d.runner == _r.id)
    )
    .order_by(_r.id)
)
_HELD = select(_c.runner, _c.id).where(ACTIVE).order_by(_c.runner, _c.id)
_MARKED = (
    update(schema.runners).where(_r.id == bindparam("wanted")).values(draining=bindparam("drains"))
)
_GONE = delete(drained_runners).where(_d.runner == bindparam("wanted"))
_DRAINS = select(drained_runners).order_by(_d.runner)


class SqlRegistry:
    """The port `Registry` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def runners(self) -> list[KnownRunner]:
        def read(connection: Connection) -> list[KnownRunner]:
            held: dict[str, list[str]] = {}
            for runner, check in connection.execute(_HELD):
                held.setdefault(runner, []).append(check)
            return [
                _known(row, checks=tuple(held.get(row["id"], ())))
                for row in connection.execute(_RUNNERS).mappings()
            ]

        return await self._database.read(read)

    async def drain(self, drain: Drain) -> bool:
        row = {
            "runner": drain.runner,
            "reason": drain.reason,
            "create_time": to_micros(drain.create_time),
        }

        def write(connection: Connection) -> bool:
            marked = connection.execute(_MARKED, {"wanted": drain.runner, "drains": True})
            if not marked.rowcount:
                return False
            connection.execute(_GONE, {"wanted": drain.runner})
            connection.execute(drained_runners.insert(), row)
            return True

        return await self._database.write(write)

    async def resume(self, runner: str) -> bool:
        def write(connection: Connection) -> bool:
            if not connection.execute(_GONE, {"wanted": runner}).rowcount:
                return False
            connection.execute(_MARKED, {"wanted": runner, "drains": False})
            return True

        return await self._database.write(write)

    async def drains(self) -> list[Drain]:
        return await self._database.read(
            lambda connection: [
                Drain(runner=row.runner, reason=row.reason, create_time=present(row.create_time))
                for row in connection.execute(_DRAINS)
            ]
        )


def _known(row: Any, *, checks: tuple[str, ...]) -> KnownRunner:
    drain = None
    if row["drain_time"] is not None:
        drain = Drain(
            runner=row["id"], reason=row["drain_reason"], create_time=present(row["drain_time"])
        )
    fields = {name: row[name] for name in schema.runners.c.keys()}  # noqa: SIM118  # no mapping
    return KnownRunner(
        runner=Runner(**{**fields, "heartbeat_time": present(row["heartbeat_time"])}),
        checks=checks,
        environments=json.loads(row["environments"]) if row["environments"] else {},
        drain=drain,
    )
