"""Brings a database to the schema of this version: new ones, old ones, those of other versions."""

from sqlalchemy import Connection, func, insert, inspect, select, text

from services.errors import PreconditionError
from services.scheduler.domain.check import State, Verdict
from services.scheduler.sql import schema
from services.scheduler.sql.migrations import FIRST, FOLDER, revisions
from services.scheduler.sql.notification_tables import verdict_changes
from services.scheduler.sql.tables import complete_metadata
from services.scheduler.sql.verdict_changes import fill_changes

_c = schema.checks.c

_NEWEST = (
    select(func.max(_c.id))
    .where(_c.state == State.FINISHED.value, _c.verdict != Verdict.CANCELLED.value)
    .group_by(_c.entity)
)
_FILL = insert(schema.entity_verdicts).from_select(
    ["entity", "check_id", "verdict", "finish_time", "revision"],
    select(
        _c.entity,
        _c.id,
        _c.verdict,
        func.coalesce(_c.finish_time, _c.create_time),
        _c.revision,
    ).where(_c.id.in_(_NEWEST)),
)
_STAMP = text("select version_num from alembic_version")
_PARTS = {
    "sqlite": text(
        "select t.name, c.name from sqlite_master t join pragma_table_info(t.name) c "
        "where t.type = 'table' "
        "union all select tbl_name, name from sqlite_master where type = 'index'"
    ),
    "postgresql": text(
        "select table_name, column_name from information_schema.columns "
        "where table_schema = current_schema() "
        "union all select tablename, indexname from pg_indexes "
        "where schemaname = current_schema()"
    ),
}
"""Columns and indexes, each with its table."""


def is_current(connection: Connection) -> bool:
    """Whether a database has the schema of this version.

    Raises:
        PreconditionError: It has that of a newer version.
    """
    return _stamp(connection) == revisions()[-1] and not _lacking(connection)


def upgrade(connection: Connection) -> None:
    """Brings a database to the schema of this version; rows that follow from others are filled in.

    The caller sees to it that nobody else does so at the same time.

    Raises:
        PreconditionError: It has the schema of a newer version; nothing was changed.
    """
    if is_current(connection):  # somebody else was quicker
        return
    old = set(inspect(connection).get_table_names())
    if _stamp(connection) == revisions()[-1] == FIRST:
        # Before the first release that revision still grows. It adds what a database lacks.
        connection.execute(text("delete from alembic_version"))
    migrate(connection)
    if lacking := _lacking(connection):
        raise RuntimeError(
            f"no revision makes {', '.join(lacking[:3])}{' …' * (len(lacking) > 3)}: run "
            "`make migrations` after a change of tables, and commit what it writes"
        )
    if schema.entity_verdicts.name not in old:
        connection.execute(_FILL)
    if verdict_changes.name not in old:
        fill_changes(connection)


def migrate(connection: Connection) -> None:
    """Applies the revisions that a database lacks, in the transaction of the caller."""
    # Imported where it is needed: it takes a third of a second.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _stamp(connection: Connection) -> str:
    """The revision of a database; empty where it has none."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    found: str = connection.execute(_STAMP).scalar_one_or_none() or ""
    if found and found not in revisions():
        raise PreconditionError(
            f"the database is of a newer version of ACKREP: its schema is {found}, and this "
            f"version knows those up to {revisions()[-1]}; start the newer version again, or "
            "restore a backup that an older one made",
            found=found,
            known=revisions()[-1],
        )
    return found


def _lacking(connection: Connection) -> list[str]:
    """Names the columns and indexes that a database does not have, as `table.column`."""
    there = {tuple(row) for row in connection.execute(_PARTS[connection.dialect.name])}
    return [
        f"{table.name}.{part.name}"
        for table in complete_metadata().sorted_tables
        for part in (*table.columns, *table.indexes)
        if (table.name, part.name) not in there
    ]
