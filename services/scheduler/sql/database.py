"""Connections and transactions, alike for SQLite and PostgreSQL."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam, event, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.errors import UnavailableError
from services.scheduler.sql import schema

_WRITES = "ackrep_writes"
_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}


class Database:
    """One database.

    All changes of state are written one after the other: SQLite takes one writer at a time anyway,
    and in PostgreSQL each takes the row of the change counter first. So changes become visible in
    the order of their numbers, and no two transactions can wait for each other in a circle.
    """

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self._engine: AsyncEngine = create_async_engine(
            parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername)),
            pool_size=8,
            max_overflow=8,
            **({} if parsed.drivername.startswith("sqlite") else {"pool_pre_ping": True}),
        )
        self.is_sqlite = self._engine.dialect.name == "sqlite"
        self._writing = asyncio.Lock()
        if self.is_sqlite:
            event.listen(self._engine.sync_engine, "connect", _configure_sqlite)
            event.listen(self._engine.sync_engine, "begin", _begin_sqlite)
            self._reader = self._engine
        else:
            self._reader = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    async def prepare(self) -> None:
        """Makes the tables where they do not exist yet.

        Raises:
            UnavailableError: The database cannot be reached.
        """
        try:
            async with self.write() as connection:
                await connection.run_sync(schema.metadata.create_all)
        except IntegrityError:  # PostgreSQL, where another scheduler made them at the same time
            pass
        except (OSError, DBAPIError) as error:
            raise UnavailableError(f"cannot use the database: {error}") from error
        async with self.write() as connection:
            await connection.execute(
                self.insert(schema.counter)
                .values(name="change", value=0)
                .on_conflict_do_nothing(index_elements=["name"])
            )

    async def close(self) -> None:
        """Closes all connections."""
        await self._engine.dispose()

    def insert(self, table: Any) -> Any:
        """An insert that knows `on_conflict_do_nothing` in this dialect."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reading; each statement sees all that was committed before it."""
        async with self._reader.connect() as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes; committed when the block ends, rolled back if it raises."""
        async with contextlib.AsyncExitStack() as stack:
            if self.is_sqlite:
                # Waiting here is fair and immediate; SQLite's own waiting is neither.
                await stack.enter_async_context(self._writing)
            connection = await stack.enter_async_context(self._engine.connect())
            await connection.execution_options(**{_WRITES: True})
            await stack.enter_async_context(connection.begin())
            yield connection

    async def take_turn(self, connection: AsyncConnection) -> None:
        """Waits until no other transaction changes state; what SQLite does by itself."""
        if not self.is_sqlite:
            await connection.execute(_TURN)

    async def next_change(self, connection: AsyncConnection, *, count: int = 1) -> int:
        """Counts changes and gives the last number; waits as `take_turn` does."""
        counted = await connection.execute(_COUNT, {"count": count})
        return int(counted.scalar_one())


_TURN = select(schema.counter.c.value).where(schema.counter.c.name == "change").with_for_update()
_COUNT = (
    update(schema.counter)
    .where(schema.counter.c.name == "change")
    .values(value=schema.counter.c.value + bindparam("count", type_=BigInteger))
    .returning(schema.counter.c.value)
)


def _configure_sqlite(connection: Any, _record: Any) -> None:
    # The driver is to begin no transactions by itself: `_begin_sqlite` does, where we write.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",  # a verdict outlives a power cut
        "busy_timeout = 10000",
        "foreign_keys = ON",
        "cache_size = -16000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get(_WRITES):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
