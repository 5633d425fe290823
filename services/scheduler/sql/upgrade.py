"""Makes the tables, and fills those that an older database lacks."""

from sqlalchemy import Connection, func, insert, inspect, select

from services.scheduler.domain.check import State, Verdict
from services.scheduler.sql import schema

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


def upgrade(connection: Connection) -> None:
    """Makes the tables that do not exist; new ones that follow from others get their rows."""
    old = set(inspect(connection).get_table_names())
    schema.metadata.create_all(connection)
    if schema.entity_verdicts.name not in old:
        connection.execute(_FILL)
