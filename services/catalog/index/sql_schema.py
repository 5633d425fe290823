"""Making the tables of the index, and making them anew after they changed."""

import logging
from typing import Any

import sqlalchemy as sa

from services.catalog.index.tables import SCHEMA_VERSION, metadata, schema

log = logging.getLogger(__name__)


def make_tables(connection: sa.Connection) -> None:
    """Makes missing tables; those of another version are dropped before."""
    inspector = sa.inspect(connection)
    ours = set(metadata.tables) & set(inspector.get_table_names())
    found = None
    if schema.name in ours:
        found = connection.scalar(sa.select(schema.c.version))
    if ours and found != SCHEMA_VERSION:
        log.info(
            f"the index is of version {found or 1}, not {SCHEMA_VERSION}: "
            "it is dropped, and made anew from the source"
        )
        metadata.drop_all(connection)
    metadata.create_all(connection)
    if found != SCHEMA_VERSION:
        connection.execute(sa.insert(schema), [{"version": SCHEMA_VERSION}])


def configure_sqlite(connection: Any, record: Any) -> None:
    """Sets up a new connection to SQLite: readers and the writer are not in each other's way."""
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "busy_timeout=10000",
        "cache_size=-32768",  # KiB; indexes of a first index are sorted in it
        "temp_store=MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
