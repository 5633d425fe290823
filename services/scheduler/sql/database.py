"""Connections and transactions, alike for SQLite and PostgreSQL."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from sqlalchemy import (
    URL,
    BigInteger,
    Connection,
    Engine,
    NullPool,
    bindparam,
    create_engine,
    event,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from services.errors import UnavailableError
from services.scheduler.sql import schema
from services.scheduler.sql.upgrade import is_current, upgrade

T = TypeVar("T")

Work = Callable[[Connection], T]
"""What is done with a connection; plain functions, the same for both databases."""

_READERS = 2
_UPGRADING = 0x41434B524550
"""The advisory lock of PostgreSQL under which the schema is upgraded."""


class _Engine(Protocol):
    is_sqlite: bool

    async def read(self, work: Work[T]) -> T: ...

    async def write(self, work: Work[T], *, durable: bool) -> T: ...

    async def upgrade(self, work: Work[None]) -> None: ...

    async def close(self) -> None: ...


class Database:
    """One database.

    All changes of state are written one after the other: SQLite takes one writer at a time anyway,
    and in PostgreSQL each takes the row of the change counter first. So changes become visible in
    the order of their numbers, and no two transactions can wait for each other in a circle.
    """

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self._engine: _Engine = (
            _SqliteThreads(parsed) if self.is_sqlite else _PostgresConnections(parsed)
        )

    async def prepare(self) -> None:
        """Brings the database to the schema of this version, a new one and an old one alike.

        Schedulers that start at once do so one after the other.

        Raises:
            UnavailableError: The database cannot be reached.
            PreconditionError: It is of a newer version.
        """
        try:
            if not await self.read(is_current):
                await self._engine.upgrade(upgrade)
        except (OSError, DBAPIError) as error:
            raise UnavailableError(f"cannot use the database: {error}") from error
        counter = self.insert(schema.counter).on_conflict_do_nothing(index_elements=["name"])
        await self.write(
            lambda connection: connection.execute(counter, {"name": "change", "value": 0}).close()
        )

    async def close(self) -> None:
        """Closes all connections."""
        await self._engine.close()

    async def read(self, work: Work[T]) -> T:
        """Does something that only reads; each statement sees all that was committed before it."""
        return await self._engine.read(work)

    async def write(self, work: Work[T], *, durable: bool = True) -> T:
        """Does something in one transaction; committed when it returns, undone if it raises.

        Args:
            work: What to do.
            durable: Whether it has to outlive a power cut of the machine too, not only the end of
                this process. SQLite waits for the disk only then; PostgreSQL always does.
        """
        return await self._engine.write(work, durable=durable)

    def insert(self, table: Any) -> Any:
        """An insert that knows `on_conflict_do_nothing` in this dialect."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def take_turn(self, connection: Connection) -> None:
        """Waits until no other transaction changes state; what SQLite does by itself."""
        if not self.is_sqlite:
            connection.execute(_TURN)

    def next_change(self, connection: Connection, *, count: int = 1) -> int:
        """Counts changes and gives the last number; waits as `take_turn` does."""
        return int(connection.execute(_COUNT, {"count": count}).scalar_one())


_TURN = select(schema.counter.c.value).where(schema.counter.c.name == "change").with_for_update()
_COUNT = (
    update(schema.counter)
    .where(schema.counter.c.name == "change")
    .values(value=schema.counter.c.value + bindparam("count", type_=BigInteger))
    .returning(schema.counter.c.value)
)


class _SqliteThreads:
    """SQLite: one thread that writes and a few that read, each with its own connection.

    A transaction is one trip to a thread, however many statements it has. An asynchronous driver
    makes one for each statement, which was measured to cost four times as much processor time.
    """

    def __init__(self, url: URL) -> None:
        self.is_sqlite = True
        self._engine: Engine = create_engine(
            url.set(drivername="sqlite+pysqlite"),
            poolclass=NullPool,
            connect_args={"check_same_thread": False},  # closed from the thread that closes all
        )
        event.listen(self._engine, "connect", _configure_sqlite)
        self._local = threading.local()
        self._durable: bool | None = None
        self._connections: list[Connection] = []
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="sqlite-write")
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="sqlite-read")

    async def read(self, work: Work[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def write(self, work: Work[T], *, durable: bool) -> T:
        return await asyncio.get_running_loop().run_in_executor(
            self._writer, self._write, work, durable
        )

    async def upgrade(self, work: Work[None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._writer, self._upgrade, work)

    async def close(self) -> None:
        for executor in (self._writer, self._readers):
            await asyncio.to_thread(executor.shutdown)
        for connection in self._connections:
            connection.close()
        self._engine.dispose()

    def _read(self, work: Work[T]) -> T:
        connection = self._connection()
        try:
            return work(connection)
        finally:
            connection.rollback()

    def _write(self, work: Work[T], durable: bool) -> T:
        connection = self._connection()
        if self._durable is not durable:
            self._durable = durable
            connection.exec_driver_sql(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.rollback()
        with connection.begin():
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return work(connection)

    def _upgrade(self, work: Work[None]) -> None:
        connection = self._connection()
        # Tables that are changed are copied and dropped, which must take no rows of others along.
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.rollback()
        try:
            with connection.begin():
                connection.exec_driver_sql("BEGIN EXCLUSIVE")
                work(connection)
                if lost := connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                    raise RuntimeError(f"the upgrade lost what a row of {lost[0]} refers to")
        finally:
            connection.exec_driver_sql("PRAGMA foreign_keys = ON")
            connection.rollback()

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._engine.connect()
            self._connections.append(connection)
        return connection


class _PostgresConnections:
    """PostgreSQL: a pool of connections."""

    def __init__(self, url: URL) -> None:
        # Imported where it is used: it takes a quarter of a second, which SQLite need not wait for.
        from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

        self.is_sqlite = False
        self._engine = create_async_engine(
            url.set(drivername="postgresql+asyncpg"),
            pool_size=8,
            max_overflow=8,
            pool_pre_ping=True,
        )
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    async def read(self, work: Work[T]) -> T:
        async with self._reading.connect() as connection:
            return await connection.run_sync(work)

    async def write(self, work: Work[T], *, durable: bool) -> T:
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)

    async def upgrade(self, work: Work[None]) -> None:
        async with self._engine.begin() as connection:
            await connection.exec_driver_sql(f"select pg_advisory_xact_lock({_UPGRADING})")
            await connection.run_sync(work)

    async def close(self) -> None:
        await self._engine.dispose()


def _configure_sqlite(connection: Any, _record: Any) -> None:
    # The driver is to begin no transactions by itself: `_write` does.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "busy_timeout = 10000",  # first: two that open a new file at once wait for each other
        "journal_mode = WAL",
        "foreign_keys = ON",
        "cache_size = -16000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
