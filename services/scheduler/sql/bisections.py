"""Bisections in SQL."""

import dataclasses
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, select, text, update

from services.errors import NotFoundError
from services.scheduler.domain.bisection import Axis, Bisection, Point, Probe, State
from services.scheduler.domain.check import Verdict
from services.scheduler.sql.bisection_tables import bisections
from services.scheduler.sql.database import Database

_b = bisections.c
_RUNNING = text("state = 1")


class SqlBisections:
    """The port `Bisections` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, bisection: Bisection, *, request_id: str = "") -> Bisection:
        row = {
            "id": bisection.id,
            "entity": bisection.entity,
            "state": bisection.state.value,
            "request_id": request_id or None,
            "progress": _text(bisection),
        }

        def write(connection: Connection) -> Bisection:
            self._database.take_turn(connection)
            if request_id:
                known = _read(connection, select(bisections).where(_b.request_id == request_id))
                if known:
                    return known[0]
            connection.execute(bisections.insert(), row)
            return bisection

        return await self._database.write(write)

    async def requested(self, request_id: str) -> Bisection | None:
        found = await self._select(select(bisections).where(_b.request_id == request_id))
        return found[0] if found else None

    async def get(self, bisection_id: str) -> Bisection:
        found = await self._select(select(bisections).where(_b.id == bisection_id))
        if not found:
            raise NotFoundError(f"there is no bisection named bisections/{bisection_id}")
        return found[0]

    async def list_page(self, *, limit: int, before: str) -> list[Bisection]:
        query = select(bisections).order_by(_b.id.desc()).limit(limit)
        return await self._select(query.where(_b.id < before) if before else query)

    async def running(self) -> list[Bisection]:
        return await self._select(select(bisections).where(_RUNNING).order_by(_b.id))

    async def update(self, bisection: Bisection) -> None:
        change = (
            update(bisections)
            .where(_b.id == bisection.id, _RUNNING)
            .values(state=bisection.state.value, progress=_text(bisection))
        )
        await self._database.write(lambda connection: connection.execute(change).close())

    async def _select(self, query: Select[Any]) -> list[Bisection]:
        return await self._database.read(lambda connection: _read(connection, query))


def _read(connection: Connection, query: Select[Any]) -> list[Bisection]:
    return [_bisection(json.loads(row.progress)) for row in connection.execute(query)]


def _text(bisection: Bisection) -> str:
    return json.dumps(dataclasses.asdict(bisection), default=datetime.isoformat)


def _bisection(kept: dict[str, Any]) -> Bisection:
    return Bisection(
        id=kept["id"],
        entity=kept["entity"],
        good=Point(**kept["good"]),
        bad=Point(**kept["bad"]),
        create_time=datetime.fromisoformat(kept["create_time"]),
        state=State(kept["state"]),
        axis=Axis(kept["axis"]),
        candidates=_points(kept["candidates"]),
        probes=tuple(map(_probe, kept["probes"])),
        culprits=_points(kept["culprits"]),
        message=kept["message"],
        finish_time=datetime.fromisoformat(kept["finish_time"]) if kept["finish_time"] else None,
    )


def _points(kept: Sequence[dict[str, Any]]) -> tuple[Point, ...]:
    return tuple(Point(**point) for point in kept)


def _probe(kept: dict[str, Any]) -> Probe:
    verdict = kept["verdict"]
    return Probe(
        place=kept["place"],
        point=Point(**kept["point"]),
        verdict=Verdict(verdict) if verdict is not None else None,
        known=kept["known"],
        failed=kept["failed"],
    )
