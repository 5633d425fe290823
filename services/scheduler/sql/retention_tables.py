"""What retention removed."""

from sqlalchemy import BigInteger, Column, String, Table

from services.scheduler.sql.schema import metadata

removed_artefacts = Table(
    "removed_artefacts",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("remove_time", BigInteger, nullable=False),
)
"""Artefacts whose content was removed. The store may have got one again since: its files say."""
