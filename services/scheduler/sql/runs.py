"""Runs in SQL."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Connection, Row, bindparam, exists, func, insert, select

from services.errors import NotFoundError
from services.scheduler.domain.check import Check, Run, RunSummary, Verdict
from services.scheduler.ports.store import Announce
from services.scheduler.sql import schema
from services.scheduler.sql.database import Database
from services.scheduler.sql.notices import finished_runs, tell_runs
from services.scheduler.sql.rows import CHECK, checks_of, from_micros, present, to_micros
from services.scheduler.sql.writing import active_with, insert_checks, remember, requested

_c = schema.checks.c
_r = schema.runs.c
_m = schema.run_checks.c

_ONE = select(schema.runs).where(_r.id == bindparam("wanted"))
_COUNTS = (
    select(_m.run_id, _c.verdict, func.count(), func.max(_c.finish_time), func.max(_c.change))
    .join(schema.checks, _m.check_id == _c.id)
    .where(_m.run_id.in_(bindparam("wanted", expanding=True)))
    .group_by(_m.run_id, _c.verdict)
    .order_by(_m.run_id, _c.verdict)
)
_CHANGES = (
    CHECK.join(schema.run_checks, _m.check_id == _c.id)
    .where(_m.run_id == bindparam("of_run"), _c.change > bindparam("after", type_=BigInteger))
    .order_by(_c.change)
    .limit(bindparam("limit"))
)


_other = schema.run_checks.alias("other")
_OWN = (
    select(_c.id)
    .join(schema.run_checks, _m.check_id == _c.id)
    .where(
        schema.UNFINISHED,
        _m.run_id == bindparam("of_run"),
        _c.asked_alone.is_(False),
        ~exists().where(_other.c.check_id == _c.id, _other.c.run_id != _m.run_id),
    )
    .order_by(_c.id)
)


class SqlRuns:
    """The port `Runs` over SQL."""

    def __init__(self, database: Database, *, announce: Announce) -> None:
        self._database = database
        self._announce = announce

    async def create(
        self, run: Run, checks: Sequence[Check], *, request_id: str = ""
    ) -> tuple[RunSummary, bool]:
        def write(connection: Connection) -> tuple[RunSummary, bool]:
            number = self._database.next_change(connection, count=len(checks))
            if request_id:
                known = requested(connection, kind="run", request_id=request_id)
                if known:
                    return _summary_of(connection, known), False
            connection.execute(
                insert(schema.runs),
                {
                    "id": run.id,
                    "title": run.title,
                    "revision": run.revision,
                    "commit": run.commit,
                    "create_time": to_micros(run.create_time),
                },
            )
            new = insert_checks(
                self._database, connection, checks, change=number, announce=self._announce
            )
            members = {check.id for check in new}
            members |= {
                active_with(connection, check.inputs_digest)
                for check in checks
                if check.id not in members
            }
            connection.execute(
                insert(schema.run_checks),
                [{"run_id": run.id, "check_id": member} for member in sorted(members)],
            )
            if request_id:
                remember(connection, kind="run", request_id=request_id, resource=run.id)
            summary = _summary_of(connection, run.id)
            tell_runs(connection, [summary])  # where results were at hand, it is finished already
            return summary, True

        return await self._database.write(write)

    async def requested(self, request_id: str) -> RunSummary | None:
        def read(connection: Connection) -> RunSummary | None:
            known = requested(connection, kind="run", request_id=request_id)
            return _summary_of(connection, known) if known else None

        return await self._database.read(read)

    async def get(self, run_id: str) -> RunSummary:
        return await self._database.read(lambda connection: _summary_of(connection, run_id))

    async def list_page(self, *, limit: int, before: str, revision: str = "") -> list[RunSummary]:
        query = select(schema.runs).order_by(_r.id.desc()).limit(limit)
        if before:
            query = query.where(_r.id < before)
        if revision:
            query = query.where(_r.revision == revision)
        return await self._database.read(
            lambda connection: _summaries(connection, list(connection.execute(query)))
        )

    async def own(self, run_id: str) -> list[str]:
        return await self._database.read(
            lambda connection: list(connection.execute(_OWN, {"of_run": run_id}).scalars())
        )

    async def changes(self, run_id: str, *, after: int, limit: int) -> list[Check]:
        asked = {"of_run": run_id, "after": after, "limit": limit}
        return await self._database.read(
            lambda connection: checks_of(connection, list(connection.execute(_CHANGES, asked)))
        )


def tell_finished_runs(connection: Connection, check: Check) -> None:
    """Lets webhooks be told of the runs that a check which just finished was the last of."""
    tell_runs(
        connection, [_summary_of(connection, run) for run in finished_runs(connection, check)]
    )


def _summary_of(connection: Connection, run_id: str) -> RunSummary:
    row = connection.execute(_ONE, {"wanted": run_id}).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no run named runs/{run_id}", name=f"runs/{run_id}")
    return _summaries(connection, [row])[0]


def _summaries(connection: Connection, rows: Sequence[Row[Any]]) -> list[RunSummary]:
    counts: dict[str, list[_Count]] = {}
    if rows:
        wanted = [row.id for row in rows]
        for run_id, *count in connection.execute(_COUNTS, {"wanted": wanted}):
            counts.setdefault(run_id, []).append(_Count(*count))
    return [_summary(row, counts.get(row.id, [])) for row in rows]


class _Count(NamedTuple):
    """The checks of a run with one verdict."""

    verdict: int
    checks: int
    last: int | None
    change: int


def _summary(row: Row[Any], counts: list[_Count]) -> RunSummary:
    unfinished = any(count.verdict == 0 for count in counts)
    last = max((count.last for count in counts if count.last is not None), default=None)
    return RunSummary(
        run=Run(
            id=row.id,
            title=row.title,
            revision=row.revision,
            commit=row.commit,
            create_time=present(row.create_time),
        ),
        check_count=sum(count.checks for count in counts),
        verdicts=tuple((Verdict(count.verdict), count.checks) for count in counts if count.verdict),
        change=max((count.change for count in counts), default=0),
        finish_time=None if unfinished else from_micros(last),
    )
