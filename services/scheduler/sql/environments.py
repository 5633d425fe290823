"""What runners told of environments, and the closures of checks, in SQL."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, literal, select

from services.scheduler.domain.check import Check, Folder
from services.scheduler.domain.environments import EnvironmentImage, RunnerReport
from services.scheduler.sql import schema
from services.scheduler.sql.database import Database
from services.scheduler.sql.environment_tables import (
    closures,
    environment_images,
    runner_reports,
)
from services.scheduler.sql.rows import present, to_micros

_r = schema.runners.c
_s = runner_reports.c

_IMAGE = select(environment_images).where(environment_images.c.digest == bindparam("wanted"))
_FIND = (
    select(environment_images)
    .where(environment_images.c.digest.in_(bindparam("wanted", expanding=True)))
    .limit(1)
)
_OF_ENVIRONMENT = (
    select(environment_images)
    .where(environment_images.c.environment == bindparam("wanted"))
    .order_by(environment_images.c.first_seen, environment_images.c.digest)
)
_FOLDERS = select(closures.c.folders).where(closures.c.digest == bindparam("wanted"))
_REPORTS = (
    select(_r.id, _r.runtime_version, _r.heartbeat_time, _s.environments)
    .select_from(
        schema.runners.outerjoin(
            runner_reports, (_s.runner == _r.id) & (_s.incarnation == _r.incarnation)
        )
    )
    .where(
        (literal(",") + _r.pool + ",").contains(bindparam("of_pool"), autoescape=False),
        _r.heartbeat_time >= bindparam("since"),
        _r.draining.is_(False),
    )
    .order_by(_r.id)
)


class SqlEnvironments:
    """The port `Environments` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._record = database.insert(environment_images).on_conflict_do_nothing(
            index_elements=["digest"]
        )
        new = database.insert(runner_reports)
        self._report = new.on_conflict_do_update(
            index_elements=["runner"],
            set_={name: new.excluded[name] for name in ("incarnation", "environments")},
        )

    async def record(self, image: EnvironmentImage) -> None:
        row = {
            "digest": image.digest,
            "environment": image.environment,
            "python": image.python,
            "packages": json.dumps(image.packages),
            "first_seen": to_micros(image.first_seen),
        }
        await self._database.write(lambda connection: connection.execute(self._record, row).close())

    async def image(self, digest: str) -> EnvironmentImage | None:
        return next(iter(await self._images(_IMAGE, digest)), None)

    async def find(self, digits: str) -> EnvironmentImage | None:
        return next(iter(await self._images(_FIND, [f"sha256:{digits}", digits])), None)

    async def images(self, environment: str) -> list[EnvironmentImage]:
        return await self._images(_OF_ENVIRONMENT, environment)

    async def report(
        self, *, runner: str, incarnation: str, environments: Mapping[str, str]
    ) -> None:
        row = {
            "runner": runner,
            "incarnation": incarnation,
            "environments": json.dumps(dict(environments), sort_keys=True),
        }
        await self._database.write(
            lambda connection: connection.execute(self._report, row).close(), durable=False
        )

    async def reports(self, *, pool: str, since: datetime) -> list[RunnerReport]:
        asked = {"of_pool": f",{pool},", "since": to_micros(since)}

        def read(connection: Connection) -> list[RunnerReport]:
            return [
                RunnerReport(
                    runner=row.id,
                    runtime=row.runtime_version,
                    heard=present(row.heartbeat_time),
                    environments=None if row.environments is None else json.loads(row.environments),
                )
                for row in connection.execute(_REPORTS, asked)
            ]

        return await self._database.read(read)

    async def folders(self, closure: str) -> tuple[Folder, ...]:
        def read(connection: Connection) -> tuple[Folder, ...]:
            found = connection.execute(_FOLDERS, {"wanted": closure}).scalar_one_or_none()
            rows = json.loads(found) if found else []
            return tuple(Folder(key=key, path=path, tree=tree) for key, path, tree in rows)

        return await self._database.read(read)

    async def _images(self, query: Any, wanted: str | list[str]) -> list[EnvironmentImage]:
        def read(connection: Connection) -> list[EnvironmentImage]:
            return [
                EnvironmentImage(
                    digest=row.digest,
                    environment=row.environment,
                    python=row.python,
                    packages=tuple(json.loads(row.packages)),
                    first_seen=present(row.first_seen),
                )
                for row in connection.execute(query, {"wanted": wanted})
            ]

        return await self._database.read(read)


def save_closures(database: Database, connection: Connection, checks: Sequence[Check]) -> None:
    """Keeps the folders of the checks' closures, each closure once."""
    rows = {
        check.basis.closure: json.dumps(
            [[folder.key, folder.path, folder.tree] for folder in check.basis.folders]
        )
        for check in checks
        if check.basis is not None and check.basis.folders
    }
    if rows:
        connection.execute(
            _saving(database),
            [{"digest": digest, "folders": folders} for digest, folders in sorted(rows.items())],
        )


_SAVING: dict[bool, Any] = {}


def _saving(database: Database) -> Any:
    """The statement is made once, so that it is compiled once."""
    if database.is_sqlite not in _SAVING:
        _SAVING[database.is_sqlite] = database.insert(closures).on_conflict_do_nothing(
            index_elements=["digest"]
        )
    return _SAVING[database.is_sqlite]
