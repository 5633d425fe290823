"""Runners in SQL."""

import dataclasses
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, tuple_, update

from services.scheduler.domain.check import Runner, State
from services.scheduler.domain.machine import Directive
from services.scheduler.sql import schema
from services.scheduler.sql.database import Database
from services.scheduler.sql.rows import present, to_micros

_c = schema.checks.c
_ACTIVE = _c.state.in_((State.PREPARING.value, State.RUNNING.value))


class SqlRunners:
    """The port `Runners` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def register(self, runner: Runner) -> list[str]:
        values = {
            **dataclasses.asdict(runner),
            "heartbeat_time": to_micros(runner.heartbeat_time),
        }
        changing = {name: value for name, value in values.items() if name != "id"}
        async with self._database.write() as connection:
            await connection.execute(
                self._database.insert(schema.runners)
                .values(values)
                .on_conflict_do_update(index_elements=["id"], set_=changing)
            )
            orphans = await connection.execute(
                select(_c.id)
                .where(_ACTIVE, _c.runner == runner.id, _c.incarnation != runner.incarnation)
                .order_by(_c.id)
            )
            return list(orphans.scalars())

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
        table = schema.runners
        async with self._database.write() as connection:
            if attempts:
                await self._database.take_turn(connection)
            known = await connection.execute(
                update(table)
                .where(table.c.id == runner, table.c.incarnation == incarnation)
                .values(free_slots=free_slots, draining=draining, heartbeat_time=to_micros(now))
            )
            if known.rowcount == 0:
                return None
            if not attempts:
                return []
            # The rule of `machine.renew`, for all at once.
            renewed = await connection.execute(
                update(schema.checks)
                .where(
                    _ACTIVE,
                    _c.runner == runner,
                    _c.incarnation == incarnation,
                    tuple_(_c.id, _c.attempt).in_(attempts),
                )
                .values(lease_expires=to_micros(expires))
                .returning(_c.id, _c.attempt, _c.cancel_requested)
            )
            held = {
                (row.id, row.attempt): Directive.CANCEL
                if row.cancel_requested
                else Directive.CONTINUE
                for row in renewed
            }
            return [held.get(attempt, Directive.STALE) for attempt in attempts]

    async def list_all(self, *, since: datetime) -> list[Runner]:
        table = schema.runners
        query = select(table).where(table.c.heartbeat_time >= to_micros(since)).order_by(table.c.id)
        async with self._database.read() as connection:
            return [
                Runner(**{**row._mapping, "heartbeat_time": present(row.heartbeat_time)})  # noqa: SLF001
                for row in await connection.execute(query)
            ]

    async def held(self) -> list[tuple[str, str]]:
        query = select(_c.runner, _c.id).where(_ACTIVE).order_by(_c.runner, _c.id)
        async with self._database.read() as connection:
            return [(row.runner, row.id) for row in await connection.execute(query)]
