"""Tables of the scheduler. Times are microseconds since 1970 in UTC, alike in all databases."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()

_SERIAL = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts only INTEGER keys by itself
_JOINABLE = text("state < 4 and not cancel_requested")
_QUEUED = text("state = 1")
_GIVEN_UP = text("verdict = 6")
_WAITING = text("state = 1 and published_time is null")
_PUBLISHED = text("state = 1 and published_time is not null")
_ACTIVE = text("state in (2, 3)")

checks = Table(
    "checks",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("entity", String(16), nullable=False),
    Column("revision", String(64), nullable=False),
    Column("commit", String(64), nullable=False),
    Column("environment", String(128), nullable=False),
    Column("run", String(32), nullable=False),
    Column("pool", String(64), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("rank", Float, nullable=False, server_default="0"),
    Column("requester", String(128), nullable=False, server_default=""),
    Column("expected_seconds", Float, nullable=False, server_default="0"),
    Column("inputs_digest", String(64), nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("limits", Text, nullable=False),
    Column("state", Integer, nullable=False),
    Column("verdict", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("ended_attempts", Integer, nullable=False),
    Column("finished_by", Integer, nullable=False),
    Column("final_sequence", BigInteger, nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Column("create_time", BigInteger, nullable=False),
    Column("start_time", BigInteger),
    Column("finish_time", BigInteger),
    Column("not_before", BigInteger),
    Column("runner", String(128)),
    Column("incarnation", String(128)),
    Column("claim_id", String(128)),
    Column("claim_time", BigInteger),
    Column("lease_expires", BigInteger),
    Column("change", BigInteger, nullable=False),
    # Where its job message lies; these are the queue's own and no part of the domain's check.
    Column("published_time", BigInteger),
    Column("publications", Integer, nullable=False),
    Column("job_sequence", BigInteger),
    # Whether somebody asked for it by itself, beside the runs that it is in.
    Column("asked_alone", Boolean, nullable=False, server_default=text("false")),
    Index(
        "checks_joinable_inputs",
        "inputs_digest",
        unique=True,
        sqlite_where=_JOINABLE,
        postgresql_where=_JOINABLE,
    ),
    Index(
        "checks_waiting",
        "pool",
        "environment",
        text("priority desc"),
        "rank",
        "id",
        sqlite_where=_WAITING,
        postgresql_where=_WAITING,
    ),
    Index(
        "checks_published",
        "pool",
        "environment",
        sqlite_where=_PUBLISHED,
        postgresql_where=_PUBLISHED,
    ),
    Index(
        "checks_rank",
        "pool",
        "rank",
        sqlite_where=_QUEUED,
        postgresql_where=_QUEUED,
    ),
    Index(
        "checks_given_up",
        "inputs_digest",
        sqlite_where=_GIVEN_UP,
        postgresql_where=_GIVEN_UP,
    ),
    Index("checks_change", "change"),
    Index("checks_leases", "lease_expires", sqlite_where=_ACTIVE, postgresql_where=_ACTIVE),
    Index("checks_entity", "entity", "id"),
    Index("checks_verdict", "verdict", "id"),
)

# Literal numbers, as the partial indexes have them: with parameters they would not be used.
UNFINISHED = text("checks.state < 4")
JOINABLE = text("checks.state < 4 and not checks.cancel_requested")
ONE_JOINABLE = _JOINABLE
"""Where inputs are unique: equal requests share a check, but not one that is being stopped."""
QUEUED = text("checks.state = 1")
GIVEN_UP = text("checks.verdict = 6")
ACTIVE = text("checks.state in (2, 3)")

attempts = Table(
    "attempts",
    metadata,
    Column("check_id", String(32), ForeignKey("checks.id"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("runner", String(128), nullable=False),
    Column("incarnation", String(128), nullable=False),
    Column("claim_time", BigInteger, nullable=False),
    Column("start_time", BigInteger),
    Column("end_time", BigInteger),
    Column("verdict", Integer, nullable=False, default=0),
    Column("reason", Text),
    Column("reported", Boolean, nullable=False, default=False),
)

results = Table(
    "results",
    metadata,
    Column("check_id", String(32), ForeignKey("checks.id"), primary_key=True),
    Column("verdict", Integer, nullable=False),
    Column("message", Text, nullable=False),
    Column("log", String(64), nullable=False),
    Column("payload", LargeBinary, nullable=False),
)

check_artefacts = Table(
    "check_artefacts",
    metadata,
    Column("check_id", String(32), ForeignKey("checks.id"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("sha256", String(64), nullable=False, index=True),
    Column("path", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("content_type", String(128), nullable=False),
)

entity_verdicts = Table(
    "entity_verdicts",
    metadata,
    Column("entity", String(16), primary_key=True),
    Column("check_id", String(32), ForeignKey("checks.id"), nullable=False),
    Column("verdict", Integer, nullable=False),
    Column("finish_time", BigInteger, nullable=False),
    Column("revision", String(64), nullable=False),
    Index("entity_verdicts_verdict", "verdict", "entity"),
)
"""The newest finished check of each entity, kept by the transaction that finishes a check.

Searching all checks for it was measured to take ten times as long at 100,000 checks.
"""

runs = Table(
    "runs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("title", Text, nullable=False),
    Column("revision", String(64), nullable=False),
    Column("commit", String(64), nullable=False),
    Column("create_time", BigInteger, nullable=False),
)

run_checks = Table(
    "run_checks",
    metadata,
    Column("run_id", String(32), ForeignKey("runs.id"), primary_key=True),
    Column("check_id", String(32), ForeignKey("checks.id"), primary_key=True, index=True),
)

outbox = Table(
    "outbox",
    metadata,
    Column("number", _SERIAL, primary_key=True, autoincrement=True),
    Column("subject", String(256), nullable=False),
    Column("message_id", String(256), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

runners = Table(
    "runners",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("incarnation", String(128), nullable=False),
    Column("pool", String(64), nullable=False),
    Column("slots", Integer, nullable=False),
    Column("free_slots", Integer, nullable=False),
    Column("backend", String(32), nullable=False),
    Column("runtime_version", String(128), nullable=False),
    Column("host", String(256), nullable=False),
    Column("draining", Boolean, nullable=False),
    Column("heartbeat_time", BigInteger, nullable=False),
    Column("engine_version", String(64), nullable=False),
)

requests = Table(
    "requests",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("request_id", String(64), primary_key=True),
    Column("resource", String(32), nullable=False),
)

pauses = Table(
    "pauses",
    metadata,
    Column("pool", String(64), primary_key=True),
    Column("environment", String(128), primary_key=True),  # empty: all of the pool
    Column("reason", Text, nullable=False),
    Column("create_time", BigInteger, nullable=False),
)

replays = Table(
    "replays",
    metadata,
    Column("check_id", String(32), ForeignKey("checks.id"), primary_key=True),
    Column("replayed_by", String(32), ForeignKey("checks.id"), nullable=False),
)
"""Dead letters that were checked again, and by which check."""

counter = Table(
    "counter",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
