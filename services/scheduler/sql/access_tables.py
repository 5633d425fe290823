"""Tables of access: tokens, sessions, and the audit log."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text

from services.scheduler.sql.schema import metadata

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("display_name", String(64), nullable=False, index=True),
    Column("scope", Integer, nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("hint", String(8), nullable=False),
    Column("creator", String(64), nullable=False),
    Column("create_time", BigInteger, nullable=False),
    Column("expire_time", BigInteger),
    Column("revoke_time", BigInteger),
    Column("last_used_time", BigInteger),
)
"""Secrets are here as SHA-256 digests only."""

sessions = Table(
    "sessions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("token", String(32), ForeignKey("tokens.id"), nullable=False, index=True),
    Column("create_time", BigInteger, nullable=False),
    Column("expire_time", BigInteger, nullable=False),
    Column("last_used_time", BigInteger, nullable=False),
)

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("create_time", BigInteger, nullable=False, index=True),
    Column("principal", String(64), nullable=False),
    Column("token", String(32), nullable=False),
    Column("address", String(64), nullable=False),
    Column("scope", Integer, nullable=False),
    Column("action", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("request_id", String(64), nullable=False),
    Index("audit_entries_principal", "principal", "id"),
)
"""Rows are never changed."""
