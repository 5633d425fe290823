"""The table of drained runners."""

from sqlalchemy import BigInteger, Column, ForeignKey, String, Table, Text

from services.scheduler.sql.schema import metadata

drained_runners = Table(
    "drained_runners",
    metadata,
    Column("runner", String(128), ForeignKey("runners.id"), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("create_time", BigInteger, nullable=False),
)
"""By itself, as a runner that registers replaces its row of `runners`."""
