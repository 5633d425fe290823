"""Reading the tables of the index: parts of queries, and what their rows mean."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.catalog.domain.entities import (
    CHECKABLE,
    Entity,
    EntityType,
    Placed,
    Reference,
    Revision,
)
from services.catalog.domain.filters import Filter
from services.catalog.domain.indexing.graph import ENVIRONMENT_FIELD
from services.catalog.index.sql_writing import chunks
from services.catalog.index.tables import placements, relations, revisions, tags, versions


def number_of(tree: str) -> sa.ScalarSelect[int]:
    """The number of a revision, as part of a query."""
    return sa.select(revisions.c.number).where(revisions.c.tree == tree).scalar_subquery()


def holds(table: sa.Table, tree: str) -> sa.ColumnElement[bool]:
    """Whether a placement or diagnostic holds in a revision."""
    number = number_of(tree)
    return sa.and_(table.c.first <= number, table.c.last >= number)


def placed_query(tree: str) -> sa.Select[Any]:
    """Entities of a revision; `load` runs it."""
    return (
        sa.select(versions, placements.c.environment, placements.c.environment_key)
        .join(placements, placements.c.version == versions.c.id)
        .where(holds(placements, tree))
    )


# Queries that every look-up runs are built once: building takes longer than the database needs.
_AT_TREE = sa.select(revisions.c.number).where(revisions.c.tree == sa.bindparam("tree"))
_HOLDS = sa.and_(
    placements.c.first <= _AT_TREE.scalar_subquery(),
    placements.c.last >= _AT_TREE.scalar_subquery(),
)
_AMONG_KEYS = placements.c.key.in_(sa.bindparam("keys", expanding=True))

ENTITIES: Final = (
    sa.select(versions, placements.c.environment, placements.c.environment_key)
    .join(placements, placements.c.version == versions.c.id)
    .where(_HOLDS, _AMONG_KEYS)
)
"""Entities by `keys` at `tree`; `load` runs it."""
NODES: Final = (
    sa.select(
        *(versions.c.id, versions.c.key, versions.c.type, versions.c.title),
        *(versions.c.path, versions.c.tree, placements.c.environment_key),
    )
    .join(placements, placements.c.version == versions.c.id)
    .where(_HOLDS, _AMONG_KEYS)
)
"""What closures need of entities, by `keys` at `tree`."""
_REFERENCES: Final = (
    sa.select(relations)
    .where(relations.c.version.in_(sa.bindparam("ids", expanding=True)))
    .order_by(relations.c.version, relations.c.position)
)
_REFERRING = sa.union(
    sa.select(relations.c.field, placements.c.key, placements.c.version)
    .join(placements, placements.c.version == relations.c.version)
    .where(relations.c.key == sa.bindparam("key"), _HOLDS),
    sa.select(
        sa.literal(ENVIRONMENT_FIELD).label("field"), placements.c.key, placements.c.version
    ).where(placements.c.environment_key == sa.bindparam("key"), _HOLDS),
).subquery()
REFERRERS: Final = (
    sa.select(_REFERRING.c.field, _REFERRING.c.key, versions.c.title, versions.c.type)
    .join(versions, versions.c.id == _REFERRING.c.version)
    .order_by(_REFERRING.c.key, _REFERRING.c.field)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
"""Who refers to `key` at `tree`, at most `limit`."""
REFERRER_COUNT: Final = sa.select(sa.func.count()).select_from(_REFERRING)
"""How many refer to `key` at `tree`."""


async def load(
    connection: AsyncConnection, query: sa.Select[Any], values: Mapping[str, Any] | None = None
) -> list[Placed]:
    """Runs a query for entities, and adds their references."""
    rows = (await connection.execute(query, values)).mappings().all()
    references = await references_of(connection, [row["id"] for row in rows])
    return [_entity(row, references[row["id"]]) for row in rows]


async def references_of(
    connection: AsyncConnection, ids: Sequence[int]
) -> dict[int, list[Reference]]:
    """References of entity versions, in their order."""
    found: dict[int, list[Reference]] = {id_: [] for id_ in ids}
    for part in chunks(ids):
        for row in await connection.execute(_REFERENCES, {"ids": part}):
            found[row.version].append(Reference(field=row.field, key=row.key))
    return found


def _entity(row: Mapping[Any, Any], references: Sequence[Reference]) -> Placed:
    return Placed(
        entity=Entity(
            key=row["key"],
            type=EntityType(row["type"]),
            title=row["title"],
            short_description=row["short_description"],
            path=row["path"],
            tree=row["tree"],
            creator=row["creator"],
            creation_date=row["creation_date"],
            version=row["version"],
            tags=tuple(row["tags"]),
            notes=row["notes"],
            estimated_runtime=row["estimated_runtime"],
            references=tuple(references),
            metadata=row["metadata"],
        ),
        environment=row["environment"],
        environment_key=row["environment_key"],
    )


def revision_of(row: Mapping[Any, Any]) -> Revision:
    """The revision in a row."""
    values = {str(name): value for name, value in row.items() if name != "number"}
    time: datetime.datetime = values["create_time"]
    if time.tzinfo is None:  # SQLite keeps none; we write UTC
        values["create_time"] = time.replace(tzinfo=datetime.UTC)
    return Revision(**values)


def conditions(filter_: Filter) -> Iterator[sa.ColumnElement[bool]]:
    """What a filter says of `versions` and `placements`."""
    for type_ in filter_.types:
        yield versions.c.type == type_.value
    for tag in filter_.tags:
        yield versions.c.id.in_(sa.select(tags.c.version).where(tags.c.tag == tag))
    for environment in filter_.environments:
        yield placements.c.environment == environment
    if filter_.checkable is not None:
        among = versions.c.type.in_([type_.value for type_ in CHECKABLE])
        yield among if filter_.checkable else sa.not_(among)
    for path in filter_.paths:
        # Not LIKE, which ignores case in SQLite.
        below = sa.func.substr(versions.c.path, 1, len(path) + 1) == f"{path}/"
        yield sa.or_(versions.c.path == path, below)
    for part in filter_.creators:
        yield versions.c.creator_folded.contains(part, autoescape=True)
    for part in filter_.texts:
        yield versions.c.searched.contains(part, autoescape=True)
