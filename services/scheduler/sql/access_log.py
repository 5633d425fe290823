"""The audit log in SQL."""

import dataclasses
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from services.scheduler.domain.access import AuditEntry, AuditFilter
from services.scheduler.sql.access_tables import audit_entries
from services.scheduler.sql.database import Database
from services.scheduler.sql.rows import present, to_micros

_a = audit_entries.c
_FAILED = 400
"""The first HTTP status that says that something failed or was refused."""


class SqlAuditLog:
    """The port `AuditLog` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, entry: AuditEntry) -> None:
        row = {**dataclasses.asdict(entry), "create_time": to_micros(entry.create_time)}
        await self._database.write(
            lambda connection: connection.execute(insert(audit_entries), row).close(),
            durable=False,
        )

    async def list_page(
        self, condition: AuditFilter, *, limit: int, before: str
    ) -> list[AuditEntry]:
        query = select(audit_entries).order_by(_a.id.desc()).limit(limit)
        if before:
            query = query.where(_a.id < before)
        if condition.principal:
            query = query.where(_a.principal == condition.principal)
        for column, text in ((_a.action, condition.action), (_a.resource, condition.resource)):
            if text:
                query = query.where(func.lower(column).contains(text.lower(), autoescape=True))
        if condition.failed_only:
            query = query.where(_a.status >= _FAILED)
        if condition.since is not None:
            query = query.where(_a.create_time >= to_micros(condition.since))
        return await self._database.read(
            lambda connection: [_entry(row) for row in connection.execute(query)]
        )

    async def remove(self, *, before: datetime) -> int:
        gone = delete(audit_entries).where(_a.create_time < to_micros(before))

        def write(connection: Connection) -> int:
            return int(connection.execute(gone).rowcount)

        return await self._database.write(write, durable=False)


def _entry(row: Row[Any]) -> AuditEntry:
    fields = dict(row._mapping)  # noqa: SLF001  # SQLAlchemy's public name for it
    return AuditEntry(**{**fields, "create_time": present(row.create_time)})
