"""Tables of notifications: verdict changes, webhooks, and what is on its way to these."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    text,
)

from services.scheduler.sql.schema import metadata

_SERIAL = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts only INTEGER keys by itself
_PENDING = text("state = 1")
_TOLD = text("told")

verdict_changes = Table(
    "verdict_changes",
    metadata,
    Column("number", _SERIAL, primary_key=True, autoincrement=True),
    Column("check_id", String(32), ForeignKey("checks.id"), nullable=False, unique=True),
    Column("before_check", String(32), nullable=False),
    Column("entity", String(16), nullable=False),
    Column("kind", Integer, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("told", Boolean, nullable=False),
    Index("verdict_changes_time", "time", "check_id"),
    Index("verdict_changes_entity", "entity", "time", "check_id"),
    Index("verdict_changes_kind", "kind", "time", "check_id"),
    Index("verdict_changes_told", "number", sqlite_where=_TOLD, postgresql_where=_TOLD),
    sqlite_autoincrement=True,
)
"""Where the verdict of an entity is another than that of the check before.

It follows from the checks alone. The transaction that finishes a check keeps it, at the check and
at the one after it, so that it is right whatever order checks finish in.
"""

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("url", Text, nullable=False),
    Column("events", Text, nullable=False),  # names, with spaces between
    Column("secret", String(128), nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("create_time", BigInteger, nullable=False),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("webhook", String(32), ForeignKey("webhooks.id"), nullable=False),
    Column("event", String(32), nullable=False),
    Column("body", Text, nullable=False),
    Column("create_time", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("next_time", BigInteger, nullable=False),
    Column("state", Integer, nullable=False),
    Column("tried", Integer, nullable=False),
    Column("end_time", BigInteger),
    Index("webhook_deliveries_webhook", "webhook", "id"),
    Index("webhook_deliveries_state", "webhook", "state", "end_time"),
    Index(
        "webhook_deliveries_due",
        "next_time",
        sqlite_where=_PENDING,
        postgresql_where=_PENDING,
    ),
)
"""The outbox of webhooks: rows are added by the transactions that bring what they tell."""

PENDING = text("webhook_deliveries.state = 1")
"""A literal number, as the partial index has it: with a parameter it would not be used."""

webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column("delivery", String(32), ForeignKey("webhook_deliveries.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("start_time", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("status", Integer, nullable=False),
    Column("response", Text, nullable=False),
    Column("error", Text, nullable=False),
)
