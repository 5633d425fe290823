"""Tables of trials and promotions."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text

from services.scheduler.sql.schema import metadata

trials = Table(
    "trials",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("environment", String(128), nullable=False),
    Column("reference", String(128), nullable=False),
    Column("base_run", String(32), nullable=False),
    Column("candidate_run", String(32), nullable=False),
    Column("create_time", BigInteger, nullable=False),
    Column("entity_count", Integer, nullable=False),
    Column("selected_count", Integer, nullable=False),
    Index("trials_environment", "environment", "id"),
)

promotions = Table(
    "promotions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("environment", String(128), nullable=False),
    Column("digest", String(128), nullable=False),
    Column("tag", String(128), nullable=False),
    Column("previous_digest", String(128), nullable=False),
    Column("trial", String(32), nullable=False, index=True),
    Column("forced", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("create_time", BigInteger, nullable=False),
    Column("beneath", String(32), nullable=False),
    Index("promotions_environment", "environment", "id"),
)
"""The newest row of an environment says which image is in use. Rows are never changed."""
