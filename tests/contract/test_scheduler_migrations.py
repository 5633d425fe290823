"""What revisions of the scheduler's schema promise, over SQLite and over PostgreSQL."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from services.errors import PreconditionError
from services.scheduler.domain.check import Verdict
from services.scheduler.messages import announce
from services.scheduler.sql import Database, sql_store
from services.scheduler.sql.migrations import FOLDER, revisions
from services.scheduler.sql.tables import complete_metadata, indexes_over_expressions
from services.scheduler.sql.upgrade import migrate
from tests.scheduler_stores import a_check

SCHEMAS = Path(__file__).parents[1] / "schemas"
ENGINES = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'scheduler.sqlite'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """A connection to an empty database, not prepared."""
    opened = Database(url)
    yield opened
    await opened.close()


SQLITE = (
    (
        "select t.name, c.name, c.type, c.`notnull`, c.dflt_value, c.pk "
        "from sqlite_master t join pragma_table_info(t.name) c where t.type = 'table'"
    ),
    (
        'select t.name, f."from", f."table", f."to" '
        "from sqlite_master t join pragma_foreign_key_list(t.name) f where t.type = 'table'"
    ),
    "select name, sql from sqlite_master where type = 'index'",
    "select name, sql like '%AUTOINCREMENT%' from sqlite_master where type = 'table'",
)
POSTGRES = (
    (
        "select table_name, column_name, data_type, character_maximum_length, is_nullable, "
        "column_default from information_schema.columns where table_schema = 'public'"
    ),
    (
        "select conrelid::regclass::text, pg_get_constraintdef(oid) from pg_constraint "
        "where connamespace = 'public'::regnamespace"
    ),
    "select indexname, indexdef from pg_indexes where schemaname = 'public'",
)


def shape(connection: Connection) -> list[set[tuple[Any, ...]]]:
    """All that there is in a database but rows: columns, constraints, indexes word by word."""
    queries = SQLITE if connection.dialect.name == "sqlite" else POSTGRES
    return [
        {
            tuple(row)
            for row in connection.execute(text(query))
            if "alembic_version" not in str(row[0]) and "sqlite_" not in str(row[0])
        }
        for query in queries
    ]


async def test_the_revisions_make_the_tables_of_the_code(database: Database) -> None:
    """Columns, types, defaults, keys and indexes of the code and of the revisions are the same."""

    def create(connection: Connection) -> None:
        complete_metadata().create_all(connection)

    def drop(connection: Connection) -> None:
        complete_metadata().drop_all(connection)

    await database.write(create)
    wanted = await database.read(shape)
    await database.write(drop)
    await database.prepare()

    assert all(wanted)
    assert wanted == await database.read(shape), "run `make migrations` and commit what it writes"


@pytest.mark.filterwarnings("ignore:autogenerate skipping:UserWarning")  # expressions, in SQLite
async def test_alembic_finds_no_difference(database: Database) -> None:
    """What Alembic would write for the next revision is nothing."""

    def compare(connection: Connection) -> Any:
        # Of SQLite it does not learn of all; the test above compares everything there too.
        sqlite = connection.dialect.name == "sqlite"
        hidden = {index.name for index in indexes_over_expressions()} if sqlite else set()
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": not sqlite,
                "include_object": lambda _thing, name, *_: name not in hidden,
            },
        )
        return compare_metadata(context, complete_metadata())

    await database.prepare()

    assert [] == await database.read(compare)


def test_names_are_the_order() -> None:
    """Revisions sorted by name are the chain that Alembic goes along."""
    script = ScriptDirectory(str(FOLDER))

    assert [one.revision for one in script.walk_revisions()][::-1] == revisions()


async def old_database(database: Database) -> None:
    """Makes a database as it was before there were revisions."""
    dialect = "sqlite" if database.is_sqlite else "postgres"
    statements = (SCHEMAS / f"before_migrations.{dialect}.sql").read_text().split(";\n")

    def create(connection: Connection) -> None:
        for statement in statements:
            if statement.strip():
                connection.exec_driver_sql(statement)

    await database.write(create)


async def test_a_database_without_revisions_is_upgraded(database: Database) -> None:
    """One that code of before made gets all it lacks, its stamp, and keeps its rows."""
    await old_database(database)
    rows = {}
    for table in ("checks", "results", "attempts", "check_artefacts", "run_checks"):
        rows[table] = await database.read(_count(table))

    await database.prepare()

    assert {"checks": 3, "results": 2, "attempts": 1, "check_artefacts": 1, "run_checks": 2} == rows
    for table, count in rows.items():
        assert count == await database.read(_count(table))
    store = sql_store(database, announce=announce)
    first, second = (f"{number:032d}" for number in (2, 3))
    assert "plot.png" == (await store.checks.artefact("5" * 64)).path  # type: ignore[union-attr]
    assert (12.5, "AAAAA") == (
        (found := await store.checks.get(first)).limits.wall_seconds,
        found.entity,
    )
    assert [("AAAAA", Verdict.SCRIPT_ERROR, second)] == [
        (one.entity, one.verdict, one.check) for one in await store.verdicts.list_page(limit=10)
    ]
    created, new = await store.checks.create(a_check("CCCCC"))
    assert new
    assert created == await store.checks.get(created.id)


async def test_an_upgraded_database_has_the_shape_of_a_new_one(
    database: Database, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Columns and indexes of an old database that was upgraded are those of a new one."""
    await old_database(database)
    await database.prepare()
    found = await database.read(_columns)
    indexes = (await database.read(shape))[2]
    await database.write(lambda connection: complete_metadata().drop_all(connection))
    await database.write(lambda connection: connection.execute(_FORGET).close())
    await database.prepare()

    assert await database.read(_columns) == found
    assert (await database.read(shape))[2] == indexes


async def test_an_upgrade_is_done_once(url: str) -> None:
    """Schedulers that start at the same time over a new database all find it ready."""
    databases = [Database(url) for _ in range(4)]
    try:
        await asyncio.gather(*(database.prepare() for database in databases))
        stamps = [await database.read(_stamps) for database in databases]
    finally:
        for database in databases:
            await database.close()

    assert [revisions()[-1:]] * 4 == stamps


async def test_a_newer_database_is_refused(database: Database) -> None:
    """A database of a version to come is left as it is; the message says what to do."""
    await database.prepare()
    await database.write(lambda connection: connection.execute(_FROM_TOMORROW).close())

    with pytest.raises(PreconditionError, match=r"9999_tomorrow.*start the newer version again"):
        await database.prepare()

    assert ["9999_tomorrow"] == await database.read(_stamps)


async def test_the_first_revision_grows_until_it_is_released(database: Database) -> None:
    """Tables that were added since yesterday come into a database that has the stamp already."""
    await database.prepare()
    await database.write(
        lambda connection: connection.exec_driver_sql("drop table removed_artefacts").close()
    )

    await database.prepare()

    assert 0 == await database.read(_count("removed_artefacts"))


async def test_a_failed_upgrade_changes_nothing(database: Database) -> None:
    """Either all of an upgrade is there, or nothing of it."""

    def fail(connection: Connection) -> None:
        migrate(connection)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.write(fail)

    assert [] == await database.read(_columns)


async def test_a_current_database_waits_for_no_alembic(database: Database, url: str) -> None:
    """A scheduler whose database is current does not import what it does not need."""
    await database.prepare()
    code = (
        "import asyncio, sys\n"
        "from services.scheduler.sql import Database\n"
        "async def main():\n"
        f"    database = Database({url!r})\n"
        "    await database.prepare()\n"
        "    await database.close()\n"
        "asyncio.run(main())\n"
        "print('alembic' in sys.modules)\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)

    assert b"False\n" == output


_FORGET = text("delete from alembic_version")
_FROM_TOMORROW = text("update alembic_version set version_num = '9999_tomorrow'")


def _stamps(connection: Connection) -> list[str]:
    return list(connection.execute(text("select version_num from alembic_version")).scalars())


def _count(table: str) -> Any:
    return lambda connection: connection.execute(
        text(f"select count(*) from {table}")  # noqa: S608  # a name of this test
    ).scalar_one()


def _columns(connection: Connection) -> list[tuple[str, ...]]:
    """Tables and their columns with types."""
    return sorted(tuple(row[:3]) for row in shape(connection)[0])
