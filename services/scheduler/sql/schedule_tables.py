"""The table of schedules."""

from sqlalchemy import BigInteger, Boolean, Column, String, Table, Text

from services.scheduler.sql.schema import metadata

schedules = Table(
    "schedules",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("title", Text, nullable=False),
    Column("cron", String(128), nullable=False),
    Column("on_change", Boolean, nullable=False),
    Column("max_age", BigInteger),  # microseconds
    Column("filter", Text, nullable=False),
    Column("daily_budget", BigInteger),  # microseconds
    Column("force", Boolean, nullable=False),
    Column("create_time", BigInteger, nullable=False),
    Column("last_time", BigInteger),
    Column("last_run", String(32), nullable=False),
    Column("last_error", Text, nullable=False),
    Column("revision", String(64), nullable=False),
)
