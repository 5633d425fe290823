"""Copies of the database at one moment, as an SQLite file whatever the engine is."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    func,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.engine import URL, make_url

from services.errors import ResourceExhaustedError
from services.scheduler.backup.manifest import TableContent, content_of
from services.scheduler.sql.tables import complete_metadata

_ROWS = 1000
"""Rows that are copied at a time."""
_STAMP = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


class SqliteSnapshot:
    """The port `Snapshot` over an SQLite file; writers go on meanwhile."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def write(self, target: Path) -> None:
        await asyncio.to_thread(self._write, target)

    def _write(self, target: Path) -> None:
        with contextlib.closing(sqlite3.connect(self._path, timeout=10)) as connection:
            try:
                connection.execute("VACUUM INTO ?", (str(target),))
            except sqlite3.OperationalError as error:
                if "full" not in str(error):
                    raise
                raise ResourceExhaustedError(
                    f"there is no room for a copy of the database beside the artefacts: {error}"
                ) from error


class PostgresSnapshot:
    """The port `Snapshot` over PostgreSQL: one transaction that sees one moment."""

    def __init__(self, url: URL) -> None:
        self._url = url.set(drivername="postgresql+asyncpg")

    async def write(self, target: Path) -> None:
        # In a thread with a loop of its own: rows are turned over by the processor.
        await asyncio.to_thread(lambda: asyncio.run(self._write(target)))

    async def _write(self, target: Path) -> None:
        # Imported where it is used, as in `services.scheduler.sql.database`.
        from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

        engine = create_async_engine(
            self._url,
            isolation_level="REPEATABLE READ",
            execution_options={"postgresql_readonly": True},
        )
        copy = create_engine(f"sqlite:///{target}")
        try:
            async with engine.connect() as connection:
                with copy.begin() as into:
                    complete_metadata().create_all(into)
                    _STAMP.create(into)
                    await connection.run_sync(copy_rows, into, tables=[*_tables(), _STAMP])
        finally:
            copy.dispose()
            await engine.dispose()


def snapshot_of(url: str) -> SqliteSnapshot | PostgresSnapshot:
    """Makes the adapter for a database."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return SqliteSnapshot(parsed.database or "")
    return PostgresSnapshot(parsed)


def _tables() -> list[Table]:
    """Tables of the scheduler; those that others refer to come first."""
    return complete_metadata().sorted_tables


def copy_rows(source: Connection, target: Connection, *, tables: list[Table]) -> None:
    """Copies all rows of tables that are empty in the target."""
    for table in tables:
        found = source.execute(select(table), execution_options={"yield_per": _ROWS})
        for rows in found.mappings().partitions():
            target.execute(insert(table), [dict(row) for row in rows])


def copy_database(source: Connection, target: Connection) -> None:
    """Copies a whole database of this schema into an empty one of this schema."""
    for table in reversed(_tables()):
        target.execute(delete(table))  # the counter, which a new database has
    copy_rows(source, target, tables=_tables())
    if target.dialect.name != "postgresql":
        return
    for table in _tables():  # PostgreSQL counts on from where its sequences are
        column = table.autoincrement_column
        if column is None:
            continue
        named = func.pg_get_serial_sequence(table.name, column.name)
        last = select(func.max(column)).scalar_subquery()
        target.execute(select(func.setval(named, func.coalesce(last, 1), last.is_not(None))))


def contents(connection: Connection) -> dict[str, TableContent]:
    """Digests all tables as the code sees them, alike for all databases."""
    return {
        table.name: content_of(connection.execution_options(yield_per=_ROWS).execute(select(table)))
        for table in _tables()
    }


def tables_with_rows(connection: Connection) -> list[str]:
    """Names the tables of a database that hold anything but its stamp and its counter."""
    preparer = connection.dialect.identifier_preparer
    return [
        name
        for name in inspect(connection).get_table_names()
        if name not in {"alembic_version", "counter"}
        and connection.execute(text(f"select 1 from {preparer.quote(name)} limit 1")).first()  # noqa: S608  # its own
    ]
