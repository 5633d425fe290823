"""Trials of images in SQL."""

from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select

from services.errors import NotFoundError
from services.scheduler.domain.promotion import Candidate, Trial
from services.scheduler.sql.database import Database
from services.scheduler.sql.promotion_tables import trials
from services.scheduler.sql.rows import present, to_micros
from services.scheduler.sql.writing import remember, requested

_KIND = "trial"
_ONE = select(trials).where(trials.c.id == bindparam("wanted"))
_NEW = insert(trials)


class SqlTrials:
    """The port `Trials` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, trial: Trial, *, request_id: str = "") -> tuple[Trial, bool]:
        def write(connection: Connection) -> tuple[Trial, bool]:
            self._database.take_turn(connection)
            if request_id:
                known = requested(connection, kind=_KIND, request_id=request_id)
                if known:
                    return _one(connection, known), False
                remember(connection, kind=_KIND, request_id=request_id, resource=trial.id)
            connection.execute(_NEW, _values(trial))
            return trial, True

        return await self._database.write(write)

    async def requested(self, request_id: str) -> Trial | None:
        def read(connection: Connection) -> Trial | None:
            known = requested(connection, kind=_KIND, request_id=request_id)
            return _one(connection, known) if known else None

        return await self._database.read(read)

    async def get(self, trial_id: str) -> Trial:
        return await self._database.read(lambda connection: _one(connection, trial_id))

    async def list_page(self, *, limit: int, before: str, environment: str = "") -> list[Trial]:
        query = select(trials).order_by(trials.c.id.desc()).limit(limit)
        if before:
            query = query.where(trials.c.id < before)
        if environment:
            query = query.where(trials.c.environment == environment)
        return await self._database.read(
            lambda connection: [_trial(row) for row in connection.execute(query)]
        )


def _one(connection: Connection, trial_id: str) -> Trial:
    row = connection.execute(_ONE, {"wanted": trial_id}).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no trial named trials/{trial_id}", name=f"trials/{trial_id}")
    return _trial(row)


def _values(trial: Trial) -> dict[str, Any]:
    return {
        "id": trial.id,
        "environment": trial.candidate.environment,
        "reference": trial.candidate.reference,
        "base_run": trial.base_run,
        "candidate_run": trial.candidate_run,
        "create_time": to_micros(trial.create_time),
        "entity_count": trial.entity_count,
        "selected_count": trial.selected_count,
    }


def _trial(row: Row[Any]) -> Trial:
    return Trial(
        id=row.id,
        candidate=Candidate(environment=row.environment, reference=row.reference),
        base_run=row.base_run,
        candidate_run=row.candidate_run,
        create_time=present(row.create_time),
        entity_count=row.entity_count,
        selected_count=row.selected_count,
    )
