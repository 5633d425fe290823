"""Tables of proposals. They are not the index's: nothing can make them again."""

import sqlalchemy as sa

metadata = sa.MetaData()

proposals = sa.Table(
    "proposals",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("key", sa.String(5), nullable=False, unique=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("branch", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("state", sa.Integer, nullable=False, index=True),
    sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
    sa.Column("refresh_time", sa.DateTime(timezone=True), nullable=False),
    sa.Column("end_time", sa.DateTime(timezone=True), nullable=False),
    sa.Column("comparison", sa.JSON, nullable=False),
    sa.Column("problem", sa.Text, nullable=False),
    sa.Index(
        "open_proposals_by_branch",
        "url",
        "branch",
        unique=True,
        sqlite_where=sa.text("state = 1"),
        postgresql_where=sa.text("state = 1"),
    ),
)
"""Proposals in the order in which they were made; one open one of each branch."""
