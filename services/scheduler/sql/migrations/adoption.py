"""Lets the first revision meet tables that are there already.

Databases from before the first release have no revision: their tables were made as the code of
their day had them. The first revision gives them what they lack and keeps their rows.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op


def make_table(name: str, *elements: Any, **options: Any) -> None:
    """Makes a table; where it is there, adds the columns that it lacks and drops its indexes.

    The revision makes the indexes afterwards in both cases, so that none is one of the past.
    """
    connection = op.get_bind()
    found = sa.inspect(connection)
    if not found.has_table(name):
        op.create_table(name, *elements, **options)
        return
    for index in _indexes(connection, name):
        op.drop_index(index, table_name=name)
    there = {column["name"] for column in found.get_columns(name)}
    for element in elements:
        if isinstance(element, sa.Column) and element.name not in there:
            _add(connection, name, element)


def _add(connection: sa.Connection, table: str, column: "sa.Column[Any]") -> None:
    """Adds a column; rows that are there get its default, or else zero or nothing."""
    made_up = not column.nullable and column.server_default is None
    if made_up:
        column.server_default = sa.DefaultClause(_nothing(column))
    op.add_column(table, column)
    if made_up and connection.dialect.name == "postgresql":
        op.alter_column(table, str(column.name), server_default=None)


def _nothing(column: "sa.Column[Any]") -> Any:
    if isinstance(column.type, sa.Boolean):
        return sa.false()
    return sa.text("0" if isinstance(column.type, (sa.Integer, sa.Float)) else "''")


def _indexes(connection: sa.Connection, table: str) -> list[str]:
    """Names the indexes of a table that no constraint made; inspection would skip some."""
    if connection.dialect.name == "sqlite":
        query = "select name from sqlite_master where type = 'index' and sql is not null "
        query += "and tbl_name = :table"
    else:
        query = "select indexname from pg_indexes where schemaname = current_schema() "
        query += "and tablename = :table and indexname not in (select conname from pg_constraint)"
    return list(connection.execute(sa.text(query), {"table": table}).scalars())
