"""Checks and their results in SQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select, update

from services.scheduler.domain.check import UNTRUSTED_POOL, Artefact, Check
from services.scheduler.domain.listing import CheckFilter
from services.scheduler.domain.reuse import wanted_digests
from services.scheduler.ports.store import Announce, Change, Transition
from services.scheduler.sql import schema
from services.scheduler.sql.database import Database
from services.scheduler.sql.reuse import save_ran, with_results
from services.scheduler.sql.rows import CHECK, changing_values_of, checks_of
from services.scheduler.sql.runs import tell_finished_runs
from services.scheduler.sql.writing import (
    SAVE,
    active_with,
    insert_checks,
    one,
    post,
    remember,
    requested,
    save_attempts,
    save_results,
)

_c = schema.checks.c
_f = schema.check_artefacts.c

_PREVIOUS = (
    CHECK.where(
        _c.entity == bindparam("of_entity"),
        _c.id < bindparam("before"),
        _c.environment.not_like("%@%"),
        _c.pool.not_in(bindparam("left_out", expanding=True)),
    )
    .order_by(_c.id.desc())
    .limit(1)
)
_ASKED_ALONE = update(schema.checks).where(_c.id == bindparam("of_check")).values(asked_alone=True)


class SqlChecks:
    """The port `Checks` over SQL."""

    def __init__(self, database: Database, *, announce: Announce) -> None:
        self._database = database
        self._announce = announce

    async def create(self, check: Check, *, request_id: str = "") -> tuple[Check, bool]:
        def write(connection: Connection) -> tuple[Check, bool]:
            number = self._database.next_change(connection)
            if request_id:
                known = requested(connection, kind="check", request_id=request_id)
                if known:
                    return one(connection, known), False
            new = insert_checks(
                self._database,
                connection,
                [check],
                change=number,
                announce=self._announce,
                alone=True,
            )
            if new:
                found = new[0]
            else:
                found = one(connection, active_with(connection, check.inputs_digest))
                connection.execute(_ASKED_ALONE, {"of_check": found.id})
            if request_id:
                remember(connection, kind="check", request_id=request_id, resource=found.id)
            return found, bool(new)

        # What did not run is durable in the check that did: who loses this one asks again.
        return await self._database.write(write, durable=not check.finished)

    async def requested(self, request_id: str) -> Check | None:
        def read(connection: Connection) -> Check | None:
            known = requested(connection, kind="check", request_id=request_id)
            return one(connection, known) if known else None

        return await self._database.read(read)

    async def with_results(self, checks: Sequence[Check]) -> list[Check]:
        if not any(map(wanted_digests, checks)):
            return list(checks)
        return await self._database.read(lambda connection: with_results(connection, checks))

    async def get(self, check_id: str) -> Check:
        return await self._database.read(lambda connection: one(connection, check_id))

    async def update(
        self, check_id: str, transition: Transition, *, durable: bool = True
    ) -> Change:
        def write(connection: Connection) -> Change:
            self._database.take_turn(connection)
            before = one(connection, check_id)
            after = transition(before)
            if after is before:
                return Change(before=before, after=before)
            moved = after.state is not before.state or after.attempt != before.attempt
            saved = connection.execute(
                SAVE,
                {
                    **changing_values_of(after),
                    "change": self._database.next_change(connection),
                    "of_check": check_id,
                    "of_attempt": before.attempt,
                    "of_state": before.state.value,
                    "job_is_over": moved,
                },
            )
            if saved.rowcount != 1:
                message = f"checks/{check_id} changed inside a transaction that was alone"
                raise RuntimeError(message)
            save_attempts(connection, before, after)
            if after.result is not None and before.result is None:
                save_results(self._database, connection, [after])
                save_ran(connection, after)
                tell_finished_runs(connection, after)
            post(connection, self._announce(before, after))
            return Change(before=before, after=after)

        return await self._database.write(write, durable=durable)

    async def previous(self, check: Check) -> Check | None:
        left_out = [] if check.untrusted else [UNTRUSTED_POOL]
        asked = {"of_entity": check.entity, "before": check.id, "left_out": left_out}

        def read(connection: Connection) -> Check | None:
            found = checks_of(connection, list(connection.execute(_PREVIOUS, asked)))
            return found[0] if found else None

        return await self._database.read(read)

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
        return await self._database.read(
            lambda connection: checks_of(connection, list(connection.execute(query)))
        )

    async def artefact(self, sha256: str) -> Artefact | None:
        query = (
            select(_f.sha256, _f.path, _f.size, _f.content_type)
            .where(_f.sha256 == sha256)
            .order_by(_f.check_id.desc(), _f.place)
            .limit(1)
        )

        def read(connection: Connection) -> Artefact | None:
            row = connection.execute(query).mappings().first()
            return None if row is None else Artefact(**row)

        return await self._database.read(read)
