"""History in SQL."""

import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, insert, select

from services.scheduler.domain.check import UNTRUSTED_POOL, Check, Run, Verdict
from services.scheduler.domain.fingerprints import FAILURES
from services.scheduler.domain.history import (
    FAILING,
    TELLING,
    Cause,
    EntityHistory,
    Outcome,
    Sighting,
)
from services.scheduler.domain.matrix import Cell
from services.scheduler.ports.history import ImportedRun, require_same
from services.scheduler.sql import schema
from services.scheduler.sql.database import Database
from services.scheduler.sql.history_tables import imported_runs, outcomes
from services.scheduler.sql.outcomes import catch_up
from services.scheduler.sql.rows import present, to_micros
from services.scheduler.sql.writing import insert_checks

_c = schema.checks.c
_m = schema.run_checks.c
_o = outcomes.c
_i = imported_runs.c

_SIGHTING: Select[Any] = select(
    _c.id,
    _c.entity,
    _c.verdict,
    func.coalesce(_c.finish_time, _c.create_time).label("time"),
    _c.run,
    _c.commit,
    _c.revision,
    _c.environment,
    _o.fingerprint,
    _o.title,
    _o.environment_digest,
    _o.seconds,
    _o.error,
).join_from(schema.checks, outcomes, _o.check_id == _c.id)
_FAILED = _c.verdict.in_(sorted(verdict.value for verdict in FAILURES))
_FAILURES_OF_RUN = (
    _SIGHTING.join(schema.run_checks, _m.check_id == _c.id)
    .where(_m.run_id == bindparam("wanted"), _FAILED)
    .order_by(_c.entity, _c.id)
)
_FAILURES_NOW = (
    _SIGHTING.join(schema.entity_verdicts, schema.entity_verdicts.c.check_id == _c.id)
    .where(_FAILED)
    .order_by(_c.entity, _c.id)
)
_FIRST_SEEN = _SIGHTING.where(
    _c.id.in_(
        select(func.min(_o.check_id))
        .where(_o.fingerprint.in_(bindparam("wanted", expanding=True)))
        .group_by(_o.fingerprint)
    )
)
_OF_CAUSE = _SIGHTING.where(_o.fingerprint == bindparam("wanted"))
_ENTITIES_OF_CAUSE = (
    select(_c.entity, func.count())
    .join_from(outcomes, schema.checks, _c.id == _o.check_id)
    .where(_o.fingerprint == bindparam("wanted"))
    .group_by(_c.entity)
    .order_by(_c.entity)
)
_RUNS_OF_CAUSE = (
    select(_m.run_id, func.count())
    .join_from(outcomes, schema.run_checks, _m.check_id == _o.check_id)
    .where(_o.fingerprint == bindparam("wanted"))
    .group_by(_m.run_id)
    .order_by(_m.run_id.desc())
    .limit(bindparam("limit"))
)
_CAUSES = (
    select(_o.check_id, _o.fingerprint, _o.title)
    .join_from(schema.run_checks, outcomes, _m.check_id == _o.check_id)
    .where(_m.run_id.in_(bindparam("wanted", expanding=True)), _o.fingerprint != "")
)
_OF_ENTITY = _SIGHTING.where(_c.entity == bindparam("wanted"))
_TELLING = _OF_ENTITY.where(
    _c.verdict.in_(sorted(verdict.value for verdict in TELLING)),
    _c.environment.not_like("%@%"),  # a trial of one image says nothing of how the entity is
    _c.pool != UNTRUSTED_POOL,  # nor does a proposal
)
_NEWEST = _TELLING.order_by(_c.id.desc()).limit(1)
_PASSED_LAST = _TELLING.where(_c.verdict == Verdict.SUCCESS.value).order_by(_c.id.desc()).limit(1)
_FAILED_FIRST = (
    _TELLING.where(
        _c.verdict.in_(sorted(verdict.value for verdict in FAILING)),
        _c.id > bindparam("after"),
    )
    .order_by(_c.id)
    .limit(1)
)
_COUNT = select(func.count()).where(_c.entity == bindparam("wanted"), _c.verdict != 0)
_ENVIRONMENTS = (
    select(_m.run_id, _c.environment, _o.environment_digest)
    .join_from(schema.run_checks, schema.checks, _m.check_id == _c.id)
    .join(outcomes, _o.check_id == _c.id)
    .where(_m.run_id.in_(bindparam("wanted", expanding=True)))
    .distinct()
    .order_by(_m.run_id, _c.environment, _o.environment_digest)
)
_KEYS = (
    select(_c.entity)
    .join_from(schema.run_checks, schema.checks, _m.check_id == _c.id)
    .where(_m.run_id.in_(bindparam("wanted", expanding=True)), _c.entity > bindparam("after"))
    .distinct()
    .order_by(_c.entity)
    .limit(bindparam("limit"))
)
_CELLS = (
    select(_m.run_id, _c.entity, _c.id, _c.verdict)
    .join_from(schema.run_checks, schema.checks, _m.check_id == _c.id)
    .where(
        _m.run_id.in_(bindparam("wanted", expanding=True)),
        _c.entity.between(bindparam("first"), bindparam("last")),
    )
)
_SOURCES = select(_i.run_id, _i.file_name, _i.content_digest, _i.core_commit, _i.build_url).where(
    _i.run_id.in_(bindparam("wanted", expanding=True))
)


class SqlHistory:
    """The port `History` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def catch_up(self, *, limit: int) -> int:
        def write(connection: Connection) -> int:
            self._database.take_turn(connection)
            return catch_up(connection, limit=limit, database=self._database)

        return await self._database.write(write)

    async def failures(self, run: str) -> list[Sighting]:
        if run:
            return await self._sightings(_FAILURES_OF_RUN, wanted=run)
        return await self._sightings(_FAILURES_NOW)

    async def first_seen(self, fingerprints: Sequence[str]) -> dict[str, Sighting]:
        found = await self._sightings(_FIRST_SEEN, wanted=list(fingerprints))
        return {sighting.outcome.fingerprint: sighting for sighting in found}

    async def cause(self, fingerprint: str, *, runs: int) -> Cause | None:
        def read(connection: Connection) -> Cause | None:
            asked = {"wanted": fingerprint}
            first = connection.execute(_OF_CAUSE.order_by(_o.check_id).limit(1), asked).first()
            last = connection.execute(_OF_CAUSE.order_by(_o.check_id.desc()).limit(1), asked)
            if first is None:
                return None
            entities = connection.execute(_ENTITIES_OF_CAUSE, asked).all()
            found = connection.execute(_RUNS_OF_CAUSE, {**asked, "limit": runs})
            return Cause(
                first_seen=_sighting(first),
                last_seen=_sighting(last.one()),
                count=sum(count for _, count in entities),
                entities=tuple(key for key, _ in entities),
                runs=tuple((run, count) for run, count in found),
            )

        return await self._database.read(read)

    async def causes(self, runs: Sequence[str]) -> dict[str, tuple[str, str]]:
        return await self._database.read(
            lambda connection: {
                check: (fingerprint, title)
                for check, fingerprint, title in connection.execute(_CAUSES, {"wanted": list(runs)})
            }
        )

    async def entity(self, entity: str) -> EntityHistory:
        def read(connection: Connection) -> EntityHistory:
            def first(query: Select[Any], **asked: str) -> Sighting | None:
                row = connection.execute(query, {"wanted": entity, **asked}).first()
                return None if row is None else _sighting(row)

            newest, passed = first(_NEWEST), first(_PASSED_LAST)
            failing = newest is not None and newest.verdict in FAILING
            return EntityHistory(
                entity=entity,
                newest=newest,
                passed_last=passed,
                failing_since=first(_FAILED_FIRST, after=passed.check if passed else "")
                if failing
                else None,
                check_count=int(connection.execute(_COUNT, {"wanted": entity}).scalar_one()),
            )

        return await self._database.read(read)

    async def sightings(self, entity: str, *, limit: int, before: str) -> list[Sighting]:
        query = _OF_ENTITY.order_by(_c.id.desc()).limit(limit)
        if before:
            query = query.where(_c.id < before)
        return await self._sightings(query, wanted=entity)

    async def environments(self, runs: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
        def read(connection: Connection) -> dict[str, list[tuple[str, str]]]:
            found: dict[str, list[tuple[str, str]]] = {}
            for run, name, digest in connection.execute(_ENVIRONMENTS, {"wanted": list(runs)}):
                found.setdefault(run, []).append((name, digest))
            return found

        return await self._database.read(read)

    async def keys(
        self, runs: Sequence[str], *, entities: Sequence[str], after: str, limit: int
    ) -> list[str]:
        query = _KEYS
        asked: dict[str, Any] = {"wanted": list(runs), "after": after, "limit": limit}
        if entities:
            query = query.where(_c.entity.in_(bindparam("entities", expanding=True)))
            asked["entities"] = list(entities)
        return await self._database.read(
            lambda connection: list(connection.execute(query, asked).scalars())
        )

    async def cells(self, runs: Sequence[str], *, entities: Sequence[str]) -> list[Cell]:
        wanted = frozenset(entities)
        if not wanted:
            return []
        asked = {"wanted": list(runs), "first": min(wanted), "last": max(wanted)}

        def read(connection: Connection) -> list[Cell]:
            return [
                Cell(run=run, entity=key, check=check, verdict=Verdict(number) if number else None)
                for run, key, check, number in connection.execute(_CELLS, asked)
                if key in wanted
            ]

        return await self._database.read(read)

    async def runs_between(self, start: datetime, end: datetime, *, limit: int) -> list[str]:
        runs = schema.runs.c
        query = (
            select(runs.id)
            .where(runs.create_time >= to_micros(start), runs.create_time < to_micros(end))
            .order_by(runs.id.desc())
            .limit(limit)
        )
        return await self._database.read(
            lambda connection: list(connection.execute(query).scalars())
        )

    async def add(
        self, source: ImportedRun, content: bytes, *, run: Run, checks: Sequence[Check]
    ) -> bool:
        packed = zlib.compress(content, 9)

        def write(connection: Connection) -> bool:
            number = self._database.next_change(connection, count=len(checks))
            known = connection.execute(_SOURCES, {"wanted": [run.id]}).first()
            if known is not None:
                require_same(source, known.content_digest)
                return False
            row = {"id": run.id, "title": run.title, "revision": run.revision}
            row["commit"] = run.commit
            created = {"create_time": to_micros(run.create_time)}
            connection.execute(insert(schema.runs), {**row, **created})
            insert_checks(self._database, connection, checks, change=number, announce=lambda *_: ())
            if checks:
                members = [{"run_id": run.id, "check_id": check.id} for check in checks]
                connection.execute(insert(schema.run_checks), members)
            connection.execute(
                insert(imported_runs),
                {
                    "run_id": run.id,
                    "file_name": source.file_name,
                    "content_digest": source.content_digest,
                    "content": packed,
                    "core_commit": source.core_commit,
                    "build_url": source.build_url,
                },
            )
            return True

        return await self._database.write(write)

    async def imported(self, runs: Sequence[str]) -> dict[str, ImportedRun]:
        def read(connection: Connection) -> dict[str, ImportedRun]:
            return {
                row.run_id: ImportedRun(
                    run=row.run_id,
                    file_name=row.file_name,
                    content_digest=row.content_digest,
                    core_commit=row.core_commit,
                    build_url=row.build_url,
                )
                for row in connection.execute(_SOURCES, {"wanted": list(runs)})
            }

        return await self._database.read(read)

    async def content(self, run: str) -> bytes | None:
        query = select(_i.content).where(_i.run_id == run)
        packed = await self._database.read(
            lambda connection: connection.execute(query).scalar_one_or_none()
        )
        return None if packed is None else zlib.decompress(packed)

    async def _sightings(self, query: Select[Any], **asked: Any) -> list[Sighting]:
        return await self._database.read(
            lambda connection: [_sighting(row) for row in connection.execute(query, asked)]
        )


def _sighting(row: Row[Any]) -> Sighting:
    return Sighting(
        check=row.id,
        entity=row.entity,
        verdict=Verdict(row.verdict),
        time=present(row.time),
        run=row.run,
        commit=row.commit,
        revision=row.revision,
        environment=row.environment,
        outcome=Outcome(
            check=row.id,
            fingerprint=row.fingerprint,
            title=row.title,
            environment_digest=row.environment_digest,
            seconds=row.seconds,
            error=row.error,
        ),
    )
