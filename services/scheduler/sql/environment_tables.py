"""Tables of what checks depend on: images, closures, and the inputs of each check."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, String, Table, Text

from services.scheduler.sql.schema import metadata

environment_images = Table(
    "environment_images",
    metadata,
    Column("digest", String(128), primary_key=True),
    Column("environment", String(256), nullable=False),
    Column("python", String(64), nullable=False),
    Column("packages", Text, nullable=False),  # JSON list
    Column("first_seen", BigInteger, nullable=False),
)

runner_reports = Table(
    "runner_reports",
    metadata,
    Column("runner", String(128), primary_key=True),
    Column("incarnation", String(128), nullable=False),
    Column("environments", Text, nullable=False),  # JSON object: name to digest
)
"""What each runner said last of its environments; of an earlier incarnation it counts no more."""

closures = Table(
    "closures",
    metadata,
    Column("digest", String(128), primary_key=True),
    Column("folders", Text, nullable=False),  # JSON list of [key, path, tree]
)
"""The folders of each closure that was ever checked, once for all checks of it."""

check_inputs = Table(
    "check_inputs",
    metadata,
    Column("check_id", String(32), ForeignKey("checks.id"), primary_key=True),
    Column("closure", String(128), nullable=False),
    Column("image", String(128), nullable=False),
    Column("runtime", String(128), nullable=False),
    Column("forced", Boolean, nullable=False),
    Column("reused_from", String(32), nullable=False),
    # What it did run in, and the digest under which its result can be found; set when it finishes.
    Column("ran_image", String(128), nullable=False),
    Column("ran_runtime", String(128), nullable=False),
    Column("on_revision", Boolean, nullable=False),
    Column("result_digest", String(64)),
    Index("check_inputs_result", "result_digest", "check_id"),
)
"""What each check depends on. A row is missing where nothing could run."""
