"""Runs in SQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.errors import NotFoundError
from services.scheduler.domain.check import Check, Run, RunSummary, State, Verdict
from services.scheduler.ports import Announce
from services.scheduler.sql import schema
from services.scheduler.sql.checks import insert_checks, remember, requested
from services.scheduler.sql.database import Database
from services.scheduler.sql.rows import CHECK, checks_of, from_micros, present, to_micros

_c = schema.checks.c
_members = schema.run_checks.c


class SqlRuns:
    """The port `Runs` over SQL."""

    def __init__(self, database: Database, *, announce: Announce) -> None:
        self._database = database
        self._announce = announce

    async def create(
        self, run: Run, checks: Sequence[Check], *, request_id: str = ""
    ) -> tuple[RunSummary, bool]:
        async with self._database.write() as connection:
            number = await self._database.next_change(connection, count=len(checks))
            if request_id:
                known = await requested(connection, kind="run", request_id=request_id)
                if known:
                    return (await _summaries(connection, [await _row(connection, known)]))[0], False
            await connection.execute(
                insert(schema.runs),
                {
                    "id": run.id,
                    "title": run.title,
                    "revision": run.revision,
                    "commit": run.commit,
                    "create_time": to_micros(run.create_time),
                },
            )
            new = await insert_checks(
                self._database, connection, checks, change=number, announce=self._announce
            )
            shared = {check.inputs_digest for check in checks if check.id not in new}
            members = new | await _active(connection, shared)
            await connection.execute(
                insert(schema.run_checks),
                [{"run_id": run.id, "check_id": member} for member in sorted(members)],
            )
            if request_id:
                await remember(connection, kind="run", request_id=request_id, resource=run.id)
            return (await _summaries(connection, [await _row(connection, run.id)]))[0], True

    async def get(self, id: str) -> RunSummary:  # noqa: A002
        async with self._database.read() as connection:
            return (await _summaries(connection, [await _row(connection, id)]))[0]

    async def list_page(self, *, limit: int, before: str) -> list[RunSummary]:
        query = select(schema.runs).order_by(schema.runs.c.id.desc()).limit(limit)
        if before:
            query = query.where(schema.runs.c.id < before)
        async with self._database.read() as connection:
            return await _summaries(connection, list(await connection.execute(query)))

    async def changes(self, id: str, *, after: int, limit: int) -> list[Check]:  # noqa: A002
        query = (
            CHECK.join(schema.run_checks, _members.check_id == _c.id)
            .where(_members.run_id == id, _c.change > after)
            .order_by(_c.change, _c.id)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return await checks_of(connection, list(await connection.execute(query)))


async def _row(connection: AsyncConnection, id: str) -> Row[Any]:  # noqa: A002
    row = (
        await connection.execute(select(schema.runs).where(schema.runs.c.id == id))
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no run named runs/{id}", name=f"runs/{id}")
    return row


async def _active(connection: AsyncConnection, digests: set[str]) -> set[str]:
    found: set[str] = set()
    wanted = sorted(digests)
    for first in range(0, len(wanted), 500):
        query = select(_c.id).where(
            _c.inputs_digest.in_(wanted[first : first + 500]), _c.state < State.FINISHED.value
        )
        found.update((await connection.execute(query)).scalars())
    return found


async def _summaries(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> list[RunSummary]:
    query = (
        select(_members.run_id, _c.verdict, func.count(), func.max(_c.finish_time))
        .join(schema.checks, _members.check_id == _c.id)
        .where(_members.run_id.in_([row.id for row in rows]))
        .group_by(_members.run_id, _c.verdict)
        .order_by(_members.run_id, _c.verdict)
    )
    counts: dict[str, list[tuple[int, int, int | None]]] = {}
    if rows:
        for run_id, verdict, count, last in await connection.execute(query):
            counts.setdefault(run_id, []).append((verdict, count, last))
    return [_summary(row, counts.get(row.id, [])) for row in rows]


def _summary(row: Row[Any], counts: list[tuple[int, int, int | None]]) -> RunSummary:
    unfinished = any(verdict == 0 for verdict, _, _ in counts)
    last = max((time for _, _, time in counts if time is not None), default=None)
    return RunSummary(
        run=Run(
            id=row.id,
            title=row.title,
            revision=row.revision,
            commit=row.commit,
            create_time=present(row.create_time),
        ),
        check_count=sum(count for _, count, _ in counts),
        verdicts=tuple((Verdict(verdict), count) for verdict, count, _ in counts if verdict),
        finish_time=None if unfinished else from_micros(last),
    )
