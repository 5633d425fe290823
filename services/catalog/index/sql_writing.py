"""Writing a revision into the tables of the index: what is over is closed, what is new opened.

Rows go to the database's driver directly, in bulk: a hundred thousand entities are some million
rows, for each of which SQLAlchemy alone takes longer than the database.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.catalog.domain.diagnostics import Diagnostic
from services.catalog.domain.entities import Placed
from services.catalog.domain.filters import searched_text
from services.catalog.domain.indexing.deltas import Delta, Index
from services.catalog.index.tables import (
    OPEN,
    current,
    diagnostics,
    placements,
    relations,
    tags,
    versions,
)

CHUNK: Final = 1000
"""Values of one statement."""
_BULK_TABLES: Final = (versions, tags, relations, placements, diagnostics)
_DIAGNOSTIC: Final = tuple(field.name for field in fields(Diagnostic))

T = TypeVar("T")


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Parts that fit into one statement."""
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


async def point(connection: AsyncConnection, number: int | None) -> None:
    """Makes a revision the current one."""
    await connection.execute(sa.delete(current))
    await connection.execute(sa.insert(current), [{"id": 1, "number": number}])


async def write(connection: AsyncConnection, number: int, delta: Delta, *, empty: bool) -> int:
    """Writes what a revision has other than the one before.

    Args:
        connection: In a transaction in which something was written already.
        number: Of the revision.
        delta: What is other.
        empty: Whether the tables hold nothing yet, so that indexes are better made afterwards.

    Returns:
        Greatest number of an entity version before.
    """
    indexes = [index for table in _BULK_TABLES for index in table.indexes] if empty else []
    for index in indexes:
        await connection.execute(sa.schema.DropIndex(index))
    last = await connection.scalar(sa.select(sa.func.max(versions.c.id))) or 0
    moved = await _moved(connection, delta.moved)
    await _close(connection, number, [*delta.removed, *delta.moved, *_keys(delta.placed)])
    ids = await _ensure_versions(connection, delta.placed, last=last)
    await insert(
        connection,
        placements,
        (
            *(
                (
                    placed.entity.key,
                    number,
                    OPEN,
                    ids[placed.entity.path, placed.entity.tree],
                    placed.environment,
                    placed.environment_key,
                )
                for placed in delta.placed
            ),
            *((key, number, OPEN, moved[key], *place) for key, place in delta.moved.items()),
        ),
    )
    await _resolve(connection, number, delta.resolved)
    await _note(connection, number, delta.noted)
    for index in indexes:
        await connection.execute(sa.schema.CreateIndex(index))
    return last


def _keys(entities: Iterable[Placed]) -> Iterator[str]:
    return (placed.entity.key for placed in entities)


async def insert(
    connection: AsyncConnection, table: sa.Table, rows: Iterable[Sequence[Any]]
) -> None:
    """Adds rows, each with a value for every column."""
    driver: Any = (await connection.get_raw_connection()).driver_connection
    columns = [column.name for column in table.columns]
    if connection.dialect.name == "sqlite":
        names = ", ".join(f'"{name}"' for name in columns)
        marks = ", ".join("?" * len(columns))
        statement = f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})'  # noqa: S608  # ours
        cursor = await driver.executemany(statement, rows)
        await cursor.close()
    else:
        await driver.copy_records_to_table(table.name, records=rows, columns=columns)


async def _moved(connection: AsyncConnection, keys: Mapping[str, object]) -> dict[str, int]:
    """Entity versions of open placements."""
    found: dict[str, int] = {}
    for part in chunks(list(keys)):
        query = sa.select(placements.c.key, placements.c.version)
        rows = await connection.execute(
            query.where(placements.c.last == OPEN, placements.c.key.in_(part))
        )
        found.update((row.key, row.version) for row in rows)
    return found


async def _close(connection: AsyncConnection, number: int, keys: Sequence[str]) -> None:
    for part in chunks(keys):
        await connection.execute(
            sa.update(placements)
            .where(placements.c.last == OPEN, placements.c.key.in_(part))
            .values(last=number - 1)
        )


async def _ensure_versions(
    connection: AsyncConnection, entities: Sequence[Placed], *, last: int
) -> dict[tuple[str, str], int]:
    """Numbers of entity versions by path and tree; missing ones are added."""
    ids: dict[tuple[str, str], int] = {}
    if last:
        for part in chunks([placed.entity.path for placed in entities]):
            query = sa.select(versions.c.id, versions.c.path, versions.c.tree)
            for row in await connection.execute(query.where(versions.c.path.in_(part))):
                ids[row.path, row.tree] = row.id
    missing = [placed for placed in entities if (placed.entity.path, placed.entity.tree) not in ids]
    fresh = list(enumerate(missing, start=last + 1))
    ids.update(((placed.entity.path, placed.entity.tree), id_) for id_, placed in fresh)
    await insert(connection, versions, (_version_row(id_, placed) for id_, placed in fresh))
    await insert(
        connection, tags, ((id_, tag) for id_, placed in fresh for tag in placed.entity.tags)
    )
    await insert(
        connection,
        relations,
        (
            (id_, position, to.field, to.key)
            for id_, placed in fresh
            for position, to in enumerate(placed.entity.references)
        ),
    )
    return ids


def _version_row(id_: int, placed: Placed) -> tuple[Any, ...]:
    entity = placed.entity
    return (
        id_,
        entity.path,
        entity.tree,
        entity.key,
        entity.type.value,
        entity.title,
        entity.short_description,
        entity.creator,
        entity.creation_date,
        entity.version,
        json.dumps(entity.tags),
        entity.notes,
        entity.estimated_runtime,
        json.dumps(entity.metadata),
        searched_text(placed),
        entity.creator.casefold(),
    )


async def _resolve(connection: AsyncConnection, number: int, over: Sequence[Diagnostic]) -> None:
    """Closes diagnostics."""
    if over:
        alike = (diagnostics.c[name] == sa.bindparam(f"the_{name}") for name in _DIAGNOSTIC)
        await connection.execute(
            sa.update(diagnostics)
            .where(diagnostics.c.last == OPEN, *alike)
            .values(last=number - 1),
            [
                {f"the_{name}": value for name, value in asdict(diagnostic).items()}
                for diagnostic in over
            ],
        )


async def _note(connection: AsyncConnection, number: int, new: Sequence[Diagnostic]) -> None:
    """Opens diagnostics."""
    if not new:
        return
    last = await connection.scalar(sa.select(sa.func.max(diagnostics.c.id))) or 0
    await insert(
        connection,
        diagnostics,
        (
            (id_, number, OPEN, *(getattr(diagnostic, name) for name in _DIAGNOSTIC))
            for id_, diagnostic in enumerate(new, start=last + 1)
        ),
    )


async def difference(connection: AsyncConnection, base: str, index: Index) -> Delta:
    """What a revision has other than the one added last, whose tree is `base`."""
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
    placed, moved = [], {}
    for one in index.entities:
        entity, place = one.entity, (one.environment, one.environment_key)
        was = before.pop(entity.key, None)
        if was is None or was[:2] != (entity.path, entity.tree):
            placed.append(one)
        elif was[2:] != place:
            moved[entity.key] = place
    held = sa.select(diagnostics).where(diagnostics.c.last == OPEN)
    noted = {diagnostic_of(row) for row in (await connection.execute(held)).mappings()}
    return Delta(
        base=base,
        placed=tuple(placed),
        moved=moved,
        removed=tuple(before),
        noted=tuple(sorted({*index.diagnostics} - noted)),
        resolved=tuple(sorted(noted - {*index.diagnostics})),
    )


def diagnostic_of(row: Mapping[Any, Any]) -> Diagnostic:
    """The diagnostic in a row."""
    return Diagnostic(**{name: row[name] for name in _DIAGNOSTIC})
