"""The table of bisections."""

from sqlalchemy import Column, Index, Integer, String, Table, Text, text

from services.scheduler.sql.schema import metadata

_RUNNING = text("state = 1")

bisections = Table(
    "bisections",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("entity", String(16), nullable=False),
    Column("state", Integer, nullable=False),
    Column("request_id", String(64), unique=True),
    Column("progress", Text, nullable=False),
    Index("bisections_running", "id", sqlite_where=_RUNNING, postgresql_where=_RUNNING),
)
"""`progress` is all of a bisection as JSON: it is read and written as a whole."""
