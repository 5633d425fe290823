"""All of the first release.

Written by `make migrations`.
"""

import sqlalchemy as sa
from alembic import op

from services.scheduler.sql.migrations.adoption import make_table

revision = "0001_first"
down_revision = None


def upgrade() -> None:
    """Changes the tables."""
    make_table(
        "audit_entries",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("principal", sa.String(length=64), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.Integer(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_entries_principal", "audit_entries", ["principal", "id"], unique=False)
    op.create_index(
        op.f("ix_audit_entries_create_time"), "audit_entries", ["create_time"], unique=False
    )
    make_table(
        "bisections",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("entity", sa.String(length=16), nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("progress", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("request_id"),
    )
    op.create_index(
        "bisections_running",
        "bisections",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state = 1"),
        postgresql_where=sa.text("state = 1"),
    )
    make_table(
        "checks",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("entity", sa.String(length=16), nullable=False),
        sa.Column("revision", sa.String(length=64), nullable=False),
        sa.Column("commit", sa.String(length=64), nullable=False),
        sa.Column("environment", sa.String(length=128), nullable=False),
        sa.Column("run", sa.String(length=32), nullable=False),
        sa.Column("pool", sa.String(length=64), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Float(), server_default="0", nullable=False),
        sa.Column("requester", sa.String(length=128), server_default="", nullable=False),
        sa.Column("expected_seconds", sa.Float(), server_default="0", nullable=False),
        sa.Column("inputs_digest", sa.String(length=64), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("limits", sa.Text(), nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("ended_attempts", sa.Integer(), nullable=False),
        sa.Column("finished_by", sa.Integer(), nullable=False),
        sa.Column("final_sequence", sa.BigInteger(), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=True),
        sa.Column("finish_time", sa.BigInteger(), nullable=True),
        sa.Column("not_before", sa.BigInteger(), nullable=True),
        sa.Column("runner", sa.String(length=128), nullable=True),
        sa.Column("incarnation", sa.String(length=128), nullable=True),
        sa.Column("claim_id", sa.String(length=128), nullable=True),
        sa.Column("claim_time", sa.BigInteger(), nullable=True),
        sa.Column("lease_expires", sa.BigInteger(), nullable=True),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.Column("published_time", sa.BigInteger(), nullable=True),
        sa.Column("publications", sa.Integer(), nullable=False),
        sa.Column("job_sequence", sa.BigInteger(), nullable=True),
        sa.Column("asked_alone", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("checks_change", "checks", ["change"], unique=False)
    op.create_index("checks_entity", "checks", ["entity", "id"], unique=False)
    op.create_index(
        "checks_given_up",
        "checks",
        ["inputs_digest"],
        unique=False,
        sqlite_where=sa.text("verdict = 6"),
        postgresql_where=sa.text("verdict = 6"),
    )
    op.create_index(
        "checks_joinable_inputs",
        "checks",
        ["inputs_digest"],
        unique=True,
        sqlite_where=sa.text("state < 4 and not cancel_requested"),
        postgresql_where=sa.text("state < 4 and not cancel_requested"),
    )
    op.create_index(
        "checks_leases",
        "checks",
        ["lease_expires"],
        unique=False,
        sqlite_where=sa.text("state in (2, 3)"),
        postgresql_where=sa.text("state in (2, 3)"),
    )
    op.create_index(
        "checks_published",
        "checks",
        ["pool", "environment"],
        unique=False,
        sqlite_where=sa.text("state = 1 and published_time is not null"),
        postgresql_where=sa.text("state = 1 and published_time is not null"),
    )
    op.create_index(
        "checks_rank",
        "checks",
        ["pool", "rank"],
        unique=False,
        sqlite_where=sa.text("state = 1"),
        postgresql_where=sa.text("state = 1"),
    )
    op.create_index("checks_verdict", "checks", ["verdict", "id"], unique=False)
    op.create_index(
        "checks_waiting",
        "checks",
        ["pool", "environment", sa.literal_column("priority desc"), "rank", "id"],
        unique=False,
        sqlite_where=sa.text("state = 1 and published_time is null"),
        postgresql_where=sa.text("state = 1 and published_time is null"),
    )
    make_table(
        "closures",
        sa.Column("digest", sa.String(length=128), nullable=False),
        sa.Column("folders", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    make_table(
        "counter",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    make_table(
        "environment_images",
        sa.Column("digest", sa.String(length=128), nullable=False),
        sa.Column("environment", sa.String(length=256), nullable=False),
        sa.Column("python", sa.String(length=64), nullable=False),
        sa.Column("packages", sa.Text(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    make_table(
        "outbox",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("subject", sa.String(length=256), nullable=False),
        sa.Column("message_id", sa.String(length=256), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sqlite_autoincrement=True,
    )
    make_table(
        "pauses",
        sa.Column("pool", sa.String(length=64), nullable=False),
        sa.Column("environment", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pool", "environment"),
    )
    make_table(
        "promotions",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("environment", sa.String(length=128), nullable=False),
        sa.Column("digest", sa.String(length=128), nullable=False),
        sa.Column("tag", sa.String(length=128), nullable=False),
        sa.Column("previous_digest", sa.String(length=128), nullable=False),
        sa.Column("trial", sa.String(length=32), nullable=False),
        sa.Column("forced", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("beneath", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_promotions_trial"), "promotions", ["trial"], unique=False)
    op.create_index("promotions_environment", "promotions", ["environment", "id"], unique=False)
    make_table(
        "removed_artefacts",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("remove_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sha256"),
    )
    make_table(
        "requests",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("resource", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("kind", "request_id"),
    )
    make_table(
        "runner_reports",
        sa.Column("runner", sa.String(length=128), nullable=False),
        sa.Column("incarnation", sa.String(length=128), nullable=False),
        sa.Column("environments", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("runner"),
    )
    make_table(
        "runners",
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("incarnation", sa.String(length=128), nullable=False),
        sa.Column("pool", sa.String(length=64), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("free_slots", sa.Integer(), nullable=False),
        sa.Column("backend", sa.String(length=32), nullable=False),
        sa.Column("runtime_version", sa.String(length=128), nullable=False),
        sa.Column("host", sa.String(length=256), nullable=False),
        sa.Column("draining", sa.Boolean(), nullable=False),
        sa.Column("heartbeat_time", sa.BigInteger(), nullable=False),
        sa.Column("engine_version", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    make_table(
        "runs",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("revision", sa.String(length=64), nullable=False),
        sa.Column("commit", sa.String(length=64), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    make_table(
        "schedules",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("cron", sa.String(length=128), nullable=False),
        sa.Column("on_change", sa.Boolean(), nullable=False),
        sa.Column("max_age", sa.BigInteger(), nullable=True),
        sa.Column("filter", sa.Text(), nullable=False),
        sa.Column("daily_budget", sa.BigInteger(), nullable=True),
        sa.Column("force", sa.Boolean(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("last_time", sa.BigInteger(), nullable=True),
        sa.Column("last_run", sa.String(length=32), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("revision", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    make_table(
        "tokens",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("display_name", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("hint", sa.String(length=8), nullable=False),
        sa.Column("creator", sa.String(length=64), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("expire_time", sa.BigInteger(), nullable=True),
        sa.Column("revoke_time", sa.BigInteger(), nullable=True),
        sa.Column("last_used_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index(op.f("ix_tokens_display_name"), "tokens", ["display_name"], unique=False)
    make_table(
        "trials",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("environment", sa.String(length=128), nullable=False),
        sa.Column("reference", sa.String(length=128), nullable=False),
        sa.Column("base_run", sa.String(length=32), nullable=False),
        sa.Column("candidate_run", sa.String(length=32), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("entity_count", sa.Integer(), nullable=False),
        sa.Column("selected_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("trials_environment", "trials", ["environment", "id"], unique=False)
    make_table(
        "webhooks",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("secret", sa.String(length=128), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    make_table(
        "attempts",
        sa.Column("check_id", sa.String(length=32), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("runner", sa.String(length=128), nullable=False),
        sa.Column("incarnation", sa.String(length=128), nullable=False),
        sa.Column("claim_time", sa.BigInteger(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=True),
        sa.Column("end_time", sa.BigInteger(), nullable=True),
        sa.Column("verdict", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("reported", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["check_id"],
            ["checks.id"],
        ),
        sa.PrimaryKeyConstraint("check_id", "attempt"),
    )
    make_table(
        "check_artefacts",
        sa.Column("check_id", sa.String(length=32), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(
            ["check_id"],
            ["checks.id"],
        ),
        sa.PrimaryKeyConstraint("check_id", "place"),
    )
    op.create_index(op.f("ix_check_artefacts_sha256"), "check_artefacts", ["sha256"], unique=False)
    make_table(
        "check_inputs",
        sa.Column("check_id", sa.String(length=32), nullable=False),
        sa.Column("closure", sa.String(length=128), nullable=False),
        sa.Column("image", sa.String(length=128), nullable=False),
        sa.Column("runtime", sa.String(length=128), nullable=False),
        sa.Column("forced", sa.Boolean(), nullable=False),
        sa.Column("reused_from", sa.String(length=32), nullable=False),
        sa.Column("ran_image", sa.String(length=128), nullable=False),
        sa.Column("ran_runtime", sa.String(length=128), nullable=False),
        sa.Column("on_revision", sa.Boolean(), nullable=False),
        sa.Column("result_digest", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["check_id"],
            ["checks.id"],
        ),
        sa.PrimaryKeyConstraint("check_id"),
    )
    op.create_index(
        "check_inputs_result", "check_inputs", ["result_digest", "check_id"], unique=False
    )
    make_table(
        "drained_runners",
        sa.Column("runner", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["runner"],
            ["runners.id"],
        ),
        sa.PrimaryKeyConstraint("runner"),
    )
    make_table(
        "entity_verdicts",
        sa.Column("entity", sa.String(length=16), nullable=False),
        sa.Column("check_id", sa.String(length=32), nullable=False),
        sa.Column("verdict", sa.Integer(), nullable=False),
        sa.Column("finish_time", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["check_id"],
            ["checks.id"],
        ),
        sa.PrimaryKeyConstraint("entity"),
    )
    op.create_index(
        "entity_verdicts_verdict", "entity_verdicts", ["verdict", "entity"], unique=False
    )
    make_table(
        "imported_runs",
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.Column("file_name", sa.String(length=64), nullable=False),
        sa.Column("content_digest", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("core_commit", sa.String(length=64), nullable=False),
        sa.Column("build_url", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.id"],
        ),
        sa.PrimaryKeyConstraint("run_id"),
    )
    make_table(
        "outcomes",
        sa.Column("check_id", sa.String(length=32), nullable=False),
        sa.Column("method", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(length=32), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("environment_digest", sa.String(length=128), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("error", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["check_id"],
            ["checks.id"],
        ),
        sa.PrimaryKeyConstraint("check_id"),
    )
    op.create_index("outcomes_fingerprint", "outcomes", ["fingerprint", "check_id"], unique=False)
    make_table(
        "replays",
        sa.Column("check_id", sa.String(length=32), nullable=False),
        sa.Column("replayed_by", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["check_id"],
            ["checks.id"],
        ),
        sa.ForeignKeyConstraint(
            ["replayed_by"],
            ["checks.id"],
        ),
        sa.PrimaryKeyConstraint("check_id"),
    )
    make_table(
        "results",
        sa.Column("check_id", sa.String(length=32), nullable=False),
        sa.Column("verdict", sa.Integer(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["check_id"],
            ["checks.id"],
        ),
        sa.PrimaryKeyConstraint("check_id"),
    )
    make_table(
        "run_checks",
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.Column("check_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["check_id"],
            ["checks.id"],
        ),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.id"],
        ),
        sa.PrimaryKeyConstraint("run_id", "check_id"),
    )
    op.create_index(op.f("ix_run_checks_check_id"), "run_checks", ["check_id"], unique=False)
    make_table(
        "sessions",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("expire_time", sa.BigInteger(), nullable=False),
        sa.Column("last_used_time", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["token"],
            ["tokens.id"],
        ),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index(op.f("ix_sessions_token"), "sessions", ["token"], unique=False)
    make_table(
        "verdict_changes",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("check_id", sa.String(length=32), nullable=False),
        sa.Column("before_check", sa.String(length=32), nullable=False),
        sa.Column("entity", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["check_id"],
            ["checks.id"],
        ),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("check_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "verdict_changes_entity", "verdict_changes", ["entity", "time", "check_id"], unique=False
    )
    op.create_index(
        "verdict_changes_kind", "verdict_changes", ["kind", "time", "check_id"], unique=False
    )
    op.create_index("verdict_changes_time", "verdict_changes", ["time", "check_id"], unique=False)
    op.create_index(
        "verdict_changes_told",
        "verdict_changes",
        ["number"],
        unique=False,
        sqlite_where=sa.text("told"),
        postgresql_where=sa.text("told"),
    )
    make_table(
        "webhook_deliveries",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("webhook", sa.String(length=32), nullable=False),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("next_time", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("tried", sa.Integer(), nullable=False),
        sa.Column("end_time", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["webhook"],
            ["webhooks.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "webhook_deliveries_due",
        "webhook_deliveries",
        ["next_time"],
        unique=False,
        sqlite_where=sa.text("state = 1"),
        postgresql_where=sa.text("state = 1"),
    )
    op.create_index(
        "webhook_deliveries_state",
        "webhook_deliveries",
        ["webhook", "state", "end_time"],
        unique=False,
    )
    op.create_index(
        "webhook_deliveries_webhook", "webhook_deliveries", ["webhook", "id"], unique=False
    )
    make_table(
        "webhook_attempts",
        sa.Column("delivery", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("response", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery"],
            ["webhook_deliveries.id"],
        ),
        sa.PrimaryKeyConstraint("delivery", "number"),
    )
