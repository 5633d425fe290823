"""Runners in SQL."""

import dataclasses
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Connection, bindparam, select, update

from services.scheduler.domain import machine
from services.scheduler.domain.check import Runner
from services.scheduler.domain.machine import Directive
from services.scheduler.sql import schema
from services.scheduler.sql.database import Database
from services.scheduler.sql.rows import present, to_micros
from services.scheduler.sql.schema import ACTIVE
from services.scheduler.sql.writing import one

_c = schema.checks.c
_r = schema.runners.c

_ORPHANS = (
    select(_c.id)
    .where(
        ACTIVE, _c.runner == bindparam("of_runner"), _c.incarnation != bindparam("of_incarnation")
    )
    .order_by(_c.id)
)
_HEARD = (
    update(schema.runners)
    .where(_r.id == bindparam("of_runner"), _r.incarnation == bindparam("of_incarnation"))
    .values(
        free_slots=bindparam("free"),
        draining=bindparam("drains"),
        heartbeat_time=bindparam("at_time", type_=BigInteger),
    )
)
_RENEW = (
    update(schema.checks)
    .where(
        ACTIVE,
        _c.id == bindparam("of_check"),
        _c.attempt == bindparam("of_attempt"),
        _c.runner == bindparam("of_runner"),
        _c.incarnation == bindparam("of_incarnation"),
    )
    .values(lease_expires=bindparam("at_time", type_=BigInteger))
    .returning(_c.cancel_requested)
)
"""The rule of `machine.renew`, but for the few that are held too long."""
_LONG_HELD = select(_c.id).where(
    ACTIVE, _c.runner == bindparam("of_runner"), _c.claim_time < bindparam("long_ago")
)
_CAP = (
    update(schema.checks)
    .where(ACTIVE, _c.id == bindparam("of_check"))
    .values(lease_expires=bindparam("at_time", type_=BigInteger))
)
_SINCE = select(schema.runners).where(_r.heartbeat_time >= bindparam("since")).order_by(_r.id)
_HELD = select(_c.runner, _c.id).where(ACTIVE).order_by(_c.runner, _c.id)


class SqlRunners:
    """The port `Runners` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        new = database.insert(schema.runners)
        self._register = new.on_conflict_do_update(
            index_elements=["id"],
            set_={column.name: new.excluded[column.name] for column in _r if column.name != "id"},
        )

    async def register(self, runner: Runner) -> list[str]:
        values = {**dataclasses.asdict(runner), "heartbeat_time": to_micros(runner.heartbeat_time)}
        asked = {"of_runner": runner.id, "of_incarnation": runner.incarnation}

        def write(connection: Connection) -> list[str]:
            connection.execute(self._register, values)
            return list(connection.execute(_ORPHANS, asked).scalars())

        return await self._database.write(write)

    async def heartbeat(
        self,
        *,
        runner: str,
        incarnation: str,
        attempts: Sequence[tuple[str, int]],
        free_slots: int,
        draining: bool,
        now: datetime,
        expires: datetime,
    ) -> list[Directive] | None:
        who = {"of_runner": runner, "of_incarnation": incarnation}
        heard = {**who, "free": free_slots, "drains": draining, "at_time": to_micros(now)}
        micros = to_micros(expires)

        long_ago = {"of_runner": runner, "long_ago": to_micros(now - machine.RUNNING_BEYOND_LIMIT)}

        def write(connection: Connection) -> list[Directive] | None:
            if attempts:
                self._database.take_turn(connection)
            if connection.execute(_HEARD, heard).rowcount == 0:
                return None
            directives: list[Directive] = []
            for check, attempt in attempts:
                cancelled = connection.execute(
                    _RENEW, {**who, "of_check": check, "of_attempt": attempt, "at_time": micros}
                ).scalar_one_or_none()
                if cancelled is None:
                    directives.append(Directive.STALE)
                else:
                    directives.append(Directive.CANCEL if cancelled else Directive.CONTINUE)
            if attempts:
                for check in list(connection.execute(_LONG_HELD, long_ago).scalars()):
                    self._cap(connection, check)
            return directives

        return await self._database.write(write, durable=False)

    def _cap(self, connection: Connection, check_id: str) -> None:
        """Takes back what was renewed beyond the last expiry."""
        check = one(connection, check_id)
        if check.lease is None:
            return
        last = machine.last_expiry(check, check.lease)
        if check.lease.expires > last:
            connection.execute(_CAP, {"of_check": check_id, "at_time": to_micros(last)})

    async def list_all(self, *, since: datetime) -> list[Runner]:
        asked = {"since": to_micros(since)}

        def read(connection: Connection) -> list[Runner]:
            return [
                Runner(**{**row, "heartbeat_time": present(row["heartbeat_time"])})
                for row in connection.execute(_SINCE, asked).mappings()
            ]

        return await self._database.read(read)

    async def held(self) -> list[tuple[str, str]]:
        return await self._database.read(
            lambda connection: [(row.runner, row.id) for row in connection.execute(_HELD)]
        )
