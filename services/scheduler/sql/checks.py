"""Checks and their results in SQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, bindparam, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.errors import NotFoundError
from services.scheduler.domain.check import Artefact, Check, State
from services.scheduler.domain.listing import CheckFilter
from services.scheduler.ports import Announce, Change, Message, Transition
from services.scheduler.sql import schema
from services.scheduler.sql.database import Database
from services.scheduler.sql.rows import (
    CHECK,
    changing_values_of,
    checks_of,
    to_micros,
    values_of,
)

_c = schema.checks.c
_ONE = CHECK.where(_c.id == bindparam("wanted"))
_ONE_LOCKED = _ONE.with_for_update(of=schema.checks)
_REQUEST = select(schema.requests.c.resource).where(
    schema.requests.c.kind == bindparam("kind"),
    schema.requests.c.request_id == bindparam("request"),
)


class SqlChecks:
    """The port `Checks` over SQL."""

    def __init__(self, database: Database, *, announce: Announce) -> None:
        self._database = database
        self._announce = announce

    async def create(self, check: Check, *, request_id: str = "") -> tuple[Check, bool]:
        async with self._database.write() as connection:
            number = await self._database.next_change(connection)
            if request_id:
                known = await requested(connection, kind="check", request_id=request_id)
                if known:
                    return await one(connection, known), False
            new = await insert_checks(
                self._database, connection, [check], change=number, announce=self._announce
            )
            created = check.id in new
            id = check.id if created else await active_with(connection, check.inputs_digest)  # noqa: A001
            if request_id:
                await remember(connection, kind="check", request_id=request_id, resource=id)
            return await one(connection, id), created

    async def get(self, id: str) -> Check:  # noqa: A002
        async with self._database.read() as connection:
            return await one(connection, id)

    async def update(self, id: str, transition: Transition) -> Change:  # noqa: A002
        async with self._database.write() as connection:
            if not self._database.is_sqlite:  # the first statement of all writers: see Database
                number = await self._database.next_change(connection)
            before = await one(connection, id, lock=not self._database.is_sqlite)
            after = transition(before)
            if after is before:
                # Nothing to write; the number that was counted names no change, which is no harm.
                return Change(before=before, after=before)
            if self._database.is_sqlite:
                number = await self._database.next_change(connection)
            values = {**changing_values_of(after), "change": number}
            if after.state is not State.QUEUED or before.state is not State.QUEUED:
                values |= {"published_time": None, "job_sequence": None}
            saved = await connection.execute(
                update(schema.checks)
                .where(_c.id == id, _c.attempt == before.attempt, _c.state == before.state.value)
                .values(values)
            )
            if saved.rowcount != 1:
                message = f"checks/{id} changed inside a transaction that had locked it"
                raise RuntimeError(message)
            await _save_attempts(connection, before, after)
            if after.result is not None and before.result is None:
                await _save_results(connection, [after])
            await post(connection, self._announce(before, after))
            return Change(before=before, after=after)

    async def list_page(self, condition: CheckFilter, *, limit: int, before: str) -> list[Check]:
        query: Select[Any] = CHECK.order_by(_c.id.desc()).limit(limit)
        if before:
            query = query.where(_c.id < before)
        if condition.entity is not None:
            query = query.where(_c.entity == condition.entity)
        if condition.revision is not None:
            query = query.where(_c.revision == condition.revision)
        if condition.state is not None:
            query = query.where(_c.state == condition.state.value)
        if condition.verdict is not None:
            query = query.where(_c.verdict == condition.verdict.value)
        if condition.run is not None:
            members = schema.run_checks
            query = query.where(
                _c.id.in_(select(members.c.check_id).where(members.c.run_id == condition.run))
            )
        async with self._database.read() as connection:
            return await checks_of(connection, list(await connection.execute(query)))

    async def artefact(self, sha256: str) -> Artefact | None:
        files = schema.check_artefacts
        query = (
            select(files)
            .where(files.c.sha256 == sha256)
            .order_by(files.c.check_id.desc(), files.c.place)
            .limit(1)
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            return None
        return Artefact(
            sha256=row.sha256, path=row.path, size=row.size, content_type=row.content_type
        )


async def one(connection: AsyncConnection, id: str, *, lock: bool = False) -> Check:  # noqa: A002
    """Reads one check."""
    rows = list(await connection.execute(_ONE_LOCKED if lock else _ONE, {"wanted": id}))
    if not rows:
        raise NotFoundError(f"there is no check named checks/{id}", name=f"checks/{id}")
    return (await checks_of(connection, rows))[0]


async def requested(connection: AsyncConnection, *, kind: str, request_id: str) -> str | None:
    """Gives the id of what an equal request made before."""
    found = await connection.execute(_REQUEST, {"kind": kind, "request": request_id})
    resource: str | None = found.scalar_one_or_none()
    return resource


async def remember(
    connection: AsyncConnection, *, kind: str, request_id: str, resource: str
) -> None:
    """Notes what a request made."""
    await connection.execute(
        insert(schema.requests), {"kind": kind, "request_id": request_id, "resource": resource}
    )


async def active_with(connection: AsyncConnection, inputs_digest: str) -> str:
    """Gives the id of the unfinished check with these inputs."""
    query = select(_c.id).where(_c.inputs_digest == inputs_digest, _c.state < State.FINISHED.value)
    return str((await connection.execute(query)).scalar_one())


async def insert_checks(
    database: Database,
    connection: AsyncConnection,
    wanted: Sequence[Check],
    *,
    change: int,
    announce: Announce,
) -> set[str]:
    """Adds those checks that have no equal active one, and gives their ids.

    They get the change numbers that end with `change`: each its own, so that a watcher of a run
    can stop and go on between any two.
    """
    first = change - len(wanted) + 1
    rows = [
        {**values_of(check), "change": first + place, "publications": 0}
        for place, check in enumerate(wanted)
    ]
    statement = (
        database.insert(schema.checks)
        .on_conflict_do_nothing(index_elements=["inputs_digest"], index_where=text("state < 4"))
        .returning(_c.id)
    )
    new: set[str] = set()
    for row in rows:
        new.update((await connection.execute(statement, row)).scalars())
    created = [check for check in wanted if check.id in new]
    await _save_results(connection, [check for check in created if check.result is not None])
    await post(connection, [message for check in created for message in announce(None, check)])
    return new


async def post(connection: AsyncConnection, messages: Sequence[Message]) -> None:
    """Puts messages into the outbox."""
    if messages:
        await connection.execute(
            insert(schema.outbox),
            [
                {
                    "subject": message.subject,
                    "message_id": message.message_id,
                    "payload": message.payload,
                }
                for message in messages
            ],
        )


async def _save_attempts(connection: AsyncConnection, before: Check, after: Check) -> None:
    table = schema.attempts
    if after.attempt != before.attempt and after.lease is not None:
        await connection.execute(
            insert(table),
            {
                "check_id": after.id,
                "attempt": after.attempt,
                "runner": after.lease.runner,
                "incarnation": after.lease.incarnation,
                "claim_time": to_micros(after.lease.claim_time),
            },
        )
        return
    ended: dict[str, Any] = {}
    for past in after.failed_attempts[len(before.failed_attempts) :]:
        ended |= {
            "reason": past.reason,
            "end_time": to_micros(past.end_time),
            "reported": past.reported,
        }
    if after.result is not None and before.result is None and after.finished_by:
        ended |= {
            "verdict": after.result.verdict.value,
            "end_time": to_micros(after.finish_time),
        }
    if ended:
        await connection.execute(
            update(table)
            .where(table.c.check_id == after.id, table.c.attempt == before.attempt)
            .values(start_time=to_micros(before.start_time), **ended)
        )


async def _save_results(connection: AsyncConnection, finished: Sequence[Check]) -> None:
    results = [(check, check.result) for check in finished if check.result is not None]
    if not results:
        return
    await connection.execute(
        insert(schema.results),
        [
            {
                "check_id": check.id,
                "verdict": result.verdict.value,
                "message": result.message,
                "log": result.log,
                "payload": result.payload,
            }
            for check, result in results
        ],
    )
    files = [
        {
            "check_id": check.id,
            "place": place,
            "sha256": file.sha256,
            "path": file.path,
            "size": file.size,
            "content_type": file.content_type,
        }
        for check, result in results
        for place, file in enumerate(result.artefacts)
    ]
    if files:
        await connection.execute(insert(schema.check_artefacts), files)
