"""Tables of the history: what results say, and the runs of another system."""

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from services.scheduler.sql.schema import metadata

outcomes = Table(
    "outcomes",
    metadata,
    Column("check_id", String(32), ForeignKey("checks.id"), primary_key=True),
    Column("method", Integer, nullable=False),
    Column("fingerprint", String(32), nullable=False),
    Column("title", Text, nullable=False),
    Column("environment_digest", String(128), nullable=False),
    Column("seconds", Float),
    Column("error", Float),
    Index("outcomes_fingerprint", "fingerprint", "check_id"),
)
"""What the result of each finished check says, taken out of it so that SQL can ask for it.

Written by the transaction that finishes a check. It follows from the result alone: rows that are
missing, or were made by an older method, are made anew when the scheduler starts.
"""

imported_runs = Table(
    "imported_runs",
    metadata,
    Column("run_id", String(32), ForeignKey("runs.id"), primary_key=True),
    Column("file_name", String(64), nullable=False),
    Column("content_digest", String(64), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("core_commit", String(64), nullable=False),
    Column("build_url", Text, nullable=False),
)
"""Files of the 2022 results format, whole (compressed), beside the runs that were made of them."""
