"""Tables of the index. What holds in several revisions is stored once, with the range it holds in.

Revisions are numbered as they are indexed. A placement (an entity in a revision) and a diagnostic
hold from revision `first` to revision `last`, so that a new revision costs as much as it changes,
every old one can still be asked, and a reader of one number never sees half of another.
"""

from typing import Final

import sqlalchemy as sa

OPEN: Final = 2**62
"""`last` of what holds until further notice."""
SCHEMA_VERSION: Final = 3
"""To be raised with every change of the tables, and of what reading makes of the same metadata.

The index is derived data: one of another version is dropped, and made anew from the source.
"""

metadata = sa.MetaData()

schema = sa.Table(
    "schema_version",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
)
"""One row: which `SCHEMA_VERSION` the tables are of."""

_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""SQLite needs no index of its own for a key of this type."""

_ordered = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Text that sorts by code point in every database."""

revisions = sa.Table(
    "revisions",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("tree", sa.String(64), nullable=False, unique=True),
    sa.Column("commit", sa.String(64), nullable=False),
    sa.Column("base_commit", sa.String(64), nullable=False),
    sa.Column("dirty", sa.Boolean, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("ref", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
    sa.Column("entity_count", sa.Integer, nullable=False),
    sa.Column("error_count", sa.Integer, nullable=False),
    sa.Column("warning_count", sa.Integer, nullable=False),
)
"""Indexed states of the data repository."""

current = sa.Table(
    "current_revision",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", sa.BigInteger, sa.ForeignKey("revisions.number"), nullable=False),
)
"""One row: the state that the source is in."""

commits = sa.Table(
    "revision_commits",
    metadata,
    sa.Column("commit", sa.String(64), primary_key=True),
    sa.Column("number", sa.BigInteger, sa.ForeignKey("revisions.number"), nullable=False),
)
"""Commits that revisions were seen with: several may have the same tree."""

versions = sa.Table(
    "entity_versions",
    metadata,
    sa.Column("id", _id, primary_key=True, autoincrement=False),
    sa.Column("path", _ordered, nullable=False),
    sa.Column("tree", sa.String(64), nullable=False),
    sa.Column("key", sa.String(5), nullable=False),
    sa.Column("type", sa.String(40), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("short_description", sa.Text, nullable=False),
    sa.Column("creator", sa.Text, nullable=False),
    sa.Column("creation_date", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("notes", sa.Text, nullable=False),
    sa.Column("estimated_runtime", sa.Text, nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
    # Folded copies, for filters.
    sa.Column("searched", sa.Text, nullable=False),
    sa.Column("creator_folded", sa.Text, nullable=False),
    sa.Index("versions_by_place", "path", "tree", unique=True),
)
"""Entities as their folders' content says; shared by all revisions that hold that content."""

tags = sa.Table(
    "entity_tags",
    metadata,
    sa.Column("version", sa.BigInteger, sa.ForeignKey("entity_versions.id"), primary_key=True),
    sa.Column("tag", sa.Text, primary_key=True),
    sa.Index("tags_by_tag", "tag"),
    sqlite_with_rowid=False,
)
"""Tags of entity versions, to filter by."""

relations = sa.Table(
    "relations",
    metadata,
    sa.Column("version", sa.BigInteger, sa.ForeignKey("entity_versions.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("field", sa.String(40), nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Index("relations_by_key", "key"),
    sqlite_with_rowid=False,
)
"""Which keys an entity version names, in the order of its metadata."""

placements = sa.Table(
    "placements",
    metadata,
    sa.Column("key", sa.String(5).with_variant(sa.String(5, collation="C"), "postgresql")),
    sa.Column("first", sa.BigInteger, nullable=False),
    sa.Column("last", sa.BigInteger, nullable=False),
    sa.Column("version", sa.BigInteger, sa.ForeignKey("entity_versions.id"), nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("environment_key", sa.String(5), nullable=False),
    sa.PrimaryKeyConstraint("key", "first"),
    sa.Index("placements_by_version", "version"),
    sa.Index("placements_by_environment", "environment_key"),
    sa.Index("placements_begun", "first"),
    sa.Index("placements_over", "last"),
    sqlite_with_rowid=False,
)
"""Which entity version has a key in revisions `first` to `last`."""

diagnostics = sa.Table(
    "diagnostics",
    metadata,
    sa.Column("id", _id, primary_key=True, autoincrement=False),
    sa.Column("first", sa.BigInteger, nullable=False),
    sa.Column("last", sa.BigInteger, nullable=False),
    sa.Column("path", _ordered, nullable=False),
    sa.Column("line", sa.Integer, nullable=False),
    sa.Column("column", sa.Integer, nullable=False),
    sa.Column("code", _ordered, nullable=False),
    sa.Column("field", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("remedy", sa.Text, nullable=False),
    sa.Column("key", sa.String(5), nullable=False),
    sa.Index("diagnostics_by_path", "path"),
    sa.Index("diagnostics_over", "last"),
)
"""What is wrong in revisions `first` to `last`."""
