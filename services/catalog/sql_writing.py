"""Writing a revision into the tables of the index: what is over is closed, what is new opened."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.catalog.domain.diagnostics import Diagnostic
from services.catalog.domain.entities import Placed
from services.catalog.domain.filters import searched_text
from services.catalog.search_writing import add_versions
from services.catalog.tables import (
    OPEN,
    current,
    diagnostics,
    placements,
    relations,
    tags,
    versions,
)

CHUNK: Final = 1000
"""Rows of one statement."""

T = TypeVar("T")


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Parts that fit into one statement."""
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


async def _insert(
    connection: AsyncConnection, table: sa.Table, rows: Iterable[Mapping[str, Any]]
) -> None:
    for part in chunks(list(rows)):
        await connection.execute(sa.insert(table), part)


async def point(connection: AsyncConnection, number: int | None) -> None:
    """Makes a revision the current one."""
    await connection.execute(sa.delete(current))
    await connection.execute(sa.insert(current), [{"id": 1, "number": number}])


async def place(connection: AsyncConnection, number: int, entities: Sequence[Placed]) -> None:
    """Closes placements that are over, and opens the new ones."""
    query = (
        sa.select(
            placements.c.key,
            versions.c.path,
            versions.c.tree,
            placements.c.environment,
            placements.c.environment_key,
        )
        .join(versions, versions.c.id == placements.c.version)
        .where(placements.c.last == OPEN)
    )
    before = {row[0]: tuple(row[1:]) for row in await connection.execute(query)}
    after = {
        placed.entity.key: (
            placed.entity.path,
            placed.entity.tree,
            placed.environment,
            placed.environment_key,
        )
        for placed in entities
    }
    over = [key for key, place in before.items() if after.get(key) != place]
    for part in chunks(over):
        await connection.execute(
            sa.update(placements)
            .where(placements.c.last == OPEN, placements.c.key.in_(part))
            .values(last=number - 1)
        )
    new = [
        placed for placed in entities if before.get(placed.entity.key) != after[placed.entity.key]
    ]
    ids = await _ensure_versions(connection, new)
    await _insert(
        connection,
        placements,
        (
            {
                "key": placed.entity.key,
                "first": number,
                "last": OPEN,
                "version": ids[placed.entity.path, placed.entity.tree],
                "environment": placed.environment,
                "environment_key": placed.environment_key,
            }
            for placed in new
        ),
    )


async def _ensure_versions(
    connection: AsyncConnection, entities: Sequence[Placed]
) -> dict[tuple[str, str], int]:
    """Ids of entity versions by path and tree; missing ones are added."""
    ids: dict[tuple[str, str], int] = {}
    for part in chunks([placed.entity.path for placed in entities]):
        query = sa.select(versions.c.id, versions.c.path, versions.c.tree)
        for row in await connection.execute(query.where(versions.c.path.in_(part))):
            ids[row.path, row.tree] = row.id
    last = await connection.scalar(sa.select(sa.func.max(versions.c.id)))
    missing = [placed for placed in entities if (placed.entity.path, placed.entity.tree) not in ids]
    fresh = list(enumerate(missing, start=(last or 0) + 1))
    for id_, placed in fresh:
        ids[placed.entity.path, placed.entity.tree] = id_
    await _insert(connection, versions, (_version_row(id_, placed) for id_, placed in fresh))
    await _insert(
        connection,
        tags,
        ({"version": id_, "tag": tag} for id_, placed in fresh for tag in placed.entity.tags),
    )
    await _insert(
        connection,
        relations,
        (
            {"version": id_, "position": position, "field": to.field, "key": to.key}
            for id_, placed in fresh
            for position, to in enumerate(placed.entity.references)
        ),
    )
    await add_versions(connection, after=last or 0)
    return ids


def _version_row(id_: int, placed: Placed) -> dict[str, Any]:
    entity = placed.entity
    return {
        "id": id_,
        "path": entity.path,
        "tree": entity.tree,
        "key": entity.key,
        "type": entity.type.value,
        "title": entity.title,
        "short_description": entity.short_description,
        "creator": entity.creator,
        "creation_date": entity.creation_date,
        "version": entity.version,
        "tags": list(entity.tags),
        "notes": entity.notes,
        "estimated_runtime": entity.estimated_runtime,
        "metadata": dict(entity.metadata),
        "searched": searched_text(placed),
        "creator_folded": entity.creator.casefold(),
    }


async def note(connection: AsyncConnection, number: int, found: Sequence[Diagnostic]) -> None:
    """Closes diagnostics that are over, and opens the new ones."""
    query = sa.select(diagnostics).where(diagnostics.c.last == OPEN)
    before = {diagnostic_of(row): row["id"] for row in (await connection.execute(query)).mappings()}
    wanted = set(found)
    over = [id_ for diagnostic, id_ in before.items() if diagnostic not in wanted]
    for part in chunks(over):
        await connection.execute(
            sa.update(diagnostics).where(diagnostics.c.id.in_(part)).values(last=number - 1)
        )
    last = await connection.scalar(sa.select(sa.func.max(diagnostics.c.id)))
    new = sorted(wanted - before.keys())
    await _insert(
        connection,
        diagnostics,
        (
            {"id": id_, "first": number, "last": OPEN, **asdict(diagnostic)}
            for id_, diagnostic in enumerate(new, start=(last or 0) + 1)
        ),
    )


def diagnostic_of(row: Mapping[Any, Any]) -> Diagnostic:
    """The diagnostic in a row."""
    left_out = ("id", "first", "last")
    return Diagnostic(**{str(name): value for name, value in row.items() if name not in left_out})
