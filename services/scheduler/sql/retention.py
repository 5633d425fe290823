"""What retention knows, in SQL."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select, update

from services.scheduler.domain.check import UNTRUSTED_POOL, State, Verdict
from services.scheduler.domain.retention import FinishedCheck, Use
from services.scheduler.sql import schema
from services.scheduler.sql.database import Database
from services.scheduler.sql.environment_tables import check_inputs
from services.scheduler.sql.retention_tables import removed_artefacts
from services.scheduler.sql.rows import from_micros, present, to_micros

_c = schema.checks.c
_f = schema.check_artefacts.c
_r = removed_artefacts.c

_FINISHED = (
    select(_c.id, _c.entity, _c.environment, _c.verdict)
    .where(_c.state == State.FINISHED.value, _c.pool != UNTRUSTED_POOL)
    .order_by(_c.id)
)
_FINISH_TIME = func.coalesce(_c.finish_time, _c.create_time)
_LAST = (
    select(_f.sha256, func.max(_FINISH_TIME).label("last"))
    .join(schema.checks, _c.id == _f.check_id)
    .group_by(_f.sha256)
)
_KEPT = select(_f.sha256).where(_f.check_id.in_(bindparam("kept", expanding=True))).distinct()
_USED = (
    select(_f.sha256)
    .join(schema.checks, _c.id == _f.check_id)
    .where(_f.sha256.in_(bindparam("digests", expanding=True)), bindparam("chosen") < _FINISH_TIME)
)
_NOT_REUSABLE = (
    update(check_inputs)
    .where(
        check_inputs.c.check_id.in_(
            select(_f.check_id).where(_f.sha256.in_(bindparam("digests", expanding=True)))
        )
    )
    .values(result_digest=None)
)
_REMOVED = select(_r.remove_time).where(_r.sha256 == bindparam("digest"))
_AT_A_TIME = 500
"""Values in one query."""


class SqlRetention:
    """The port `Retention` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        new = database.insert(removed_artefacts)
        self._mark = new.on_conflict_do_update(
            index_elements=["sha256"], set_={"remove_time": new.excluded.remove_time}
        )

    async def finished(self) -> list[FinishedCheck]:
        return await self._database.read(
            lambda connection: [
                FinishedCheck(
                    id=row.id,
                    entity=row.entity,
                    environment=row.environment,
                    verdict=Verdict(row.verdict),
                )
                for row in connection.execute(_FINISHED)
            ]
        )

    async def uses(self, *, kept: Collection[str]) -> dict[str, Use]:
        ids = sorted(kept)

        def read(connection: Connection) -> dict[str, Use]:
            keeps: set[str] = set()
            for first in range(0, len(ids), _AT_A_TIME):
                asked = {"kept": ids[first : first + _AT_A_TIME]}
                keeps.update(connection.execute(_KEPT, asked).scalars())
            return {
                row.sha256: Use(last=present(row.last).timestamp(), kept=row.sha256 in keeps)
                for row in connection.execute(_LAST)
            }

        return await self._database.read(read)

    async def mark_removed(
        self, digests: Collection[str], *, chosen: datetime, now: datetime
    ) -> list[str]:
        asked = {"digests": [*digests], "chosen": to_micros(chosen)}

        def write(connection: Connection) -> list[str]:
            self._database.take_turn(connection)
            used = set(connection.execute(_USED, asked).scalars())
            marked = [digest for digest in digests if digest not in used]
            if marked:
                rows = [{"sha256": digest, "remove_time": to_micros(now)} for digest in marked]
                connection.execute(self._mark, rows)
                connection.execute(_NOT_REUSABLE, {"digests": marked})
            return marked

        return await self._database.write(write)

    async def removed(self, digest: str) -> datetime | None:
        return await self._database.read(
            lambda connection: from_micros(
                connection.execute(_REMOVED, {"digest": digest}).scalar_one_or_none()
            )
        )
