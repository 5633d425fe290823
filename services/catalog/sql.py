"""The index in SQL (port `Store`): SQLite with WAL, or PostgreSQL."""

import contextlib
import datetime
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.catalog.domain.entities import (
    CHECKABLE,
    Entity,
    EntityType,
    Placed,
    Reference,
    Relation,
    Revision,
)
from services.catalog.domain.filters import Filter
from services.catalog.domain.indexing import Index
from services.catalog.ports import DiagnosticPage, Page
from services.catalog.sql_writing import chunks, diagnostic_of, note, place, point
from services.catalog.tables import (
    current,
    diagnostics,
    metadata,
    placements,
    relations,
    revisions,
    tags,
    versions,
)
from services.errors import UnavailableError


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator["SqlStore"]:
    """Connects to a database, makes missing tables, and disconnects after the block.

    Raises:
        UnavailableError: The database does not answer.
    """
    engine = create_async_engine(url)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine.sync_engine, "connect", _configure_sqlite)
    try:
        try:
            async with engine.begin() as connection:
                await connection.run_sync(metadata.create_all)
        except (OSError, OperationalError) as error:
            shown = engine.url.render_as_string(hide_password=True)
            raise UnavailableError(f"the database {shown} does not answer: {error}") from error
        yield SqlStore(engine)
    finally:
        await engine.dispose()


def _configure_sqlite(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


class SqlStore:
    """One database. There is one writer at a time; readers are never in its way."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @property
    def engine(self) -> AsyncEngine:
        """The database, for the search index, which lives in the same one."""
        return self._engine

    # Revisions

    async def current(self) -> Revision | None:
        query = sa.select(revisions).join(current, current.c.number == revisions.c.number)
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).mappings().first()
        return _revision(row) if row else None

    async def revision(self, tree: str) -> Revision | None:
        query = sa.select(revisions).where(revisions.c.tree == tree)
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).mappings().first()
        return _revision(row) if row else None

    async def revisions(self, *, limit: int, offset: int) -> list[Revision]:
        query = sa.select(revisions).order_by(revisions.c.number.desc()).limit(limit).offset(offset)
        async with self._engine.connect() as connection:
            return [_revision(row) for row in (await connection.execute(query)).mappings()]

    async def set_current(self, revision: Revision) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(
                sa.update(revisions)
                .where(revisions.c.tree == revision.tree)
                .values(
                    commit=revision.commit,
                    base_commit=revision.base_commit,
                    dirty=revision.dirty,
                    source=revision.source,
                    ref=revision.ref,
                    title=revision.title,
                )
            )
            number = await connection.scalar(sa.select(_number(revision.tree)))
            await point(connection, number)

    async def add(self, revision: Revision, index: Index) -> None:
        async with self._engine.begin() as connection:
            last = await connection.scalar(sa.select(sa.func.max(revisions.c.number)))
            number = (last or 0) + 1
            await connection.execute(sa.insert(revisions), [{"number": number, **asdict(revision)}])
            await place(connection, number, index.entities)
            await note(connection, number, index.diagnostics)
            await point(connection, number)

    # Entities

    async def entities(self, tree: str, keys: Sequence[str]) -> dict[str, Placed]:
        found: dict[str, Placed] = {}
        async with self._engine.connect() as connection:
            for part in chunks(list(dict.fromkeys(keys))):
                query = _placed(tree).where(placements.c.key.in_(part))
                for placed in await _load(connection, query):
                    found[placed.entity.key] = placed
        return found

    async def keys(self, tree: str) -> list[str]:
        query = sa.select(placements.c.key).where(_holds(placements, tree))
        async with self._engine.connect() as connection:
            return list(await connection.scalars(query.order_by(placements.c.key)))

    async def page(self, tree: str, filter_: Filter, *, after: str, limit: int) -> Page:
        conditions = list(_conditions(filter_))
        counted = (
            sa.select(sa.func.count())
            .select_from(placements.join(versions, versions.c.id == placements.c.version))
            .where(_holds(placements, tree), *conditions)
        )
        listed = (
            _placed(tree)
            .where(*conditions, placements.c.key > after)
            .order_by(placements.c.key)
            .limit(limit)
        )
        async with self._engine.connect() as connection:
            total = await connection.scalar(counted)
            entities = await _load(connection, listed)
        return Page(entities=tuple(entities), total=total or 0)

    async def referrers(self, tree: str, key: str) -> list[Relation]:
        query = (
            sa.select(relations.c.field, placements.c.key, versions.c.title, versions.c.type)
            .distinct()
            .join(placements, placements.c.version == relations.c.version)
            .join(versions, versions.c.id == relations.c.version)
            .where(relations.c.key == key, _holds(placements, tree))
            .order_by(placements.c.key, relations.c.field)
        )
        async with self._engine.connect() as connection:
            return [
                Relation(field=row.field, key=row.key, title=row.title, type=EntityType(row.type))
                for row in await connection.execute(query)
            ]

    # Diagnostics

    async def diagnostics(self, tree: str, *, key: str, limit: int, offset: int) -> DiagnosticPage:
        conditions = [_holds(diagnostics, tree)]
        if key:
            conditions.append(diagnostics.c.key == key)
        columns = diagnostics.c
        listed = (
            sa.select(diagnostics)
            .where(*conditions)
            .order_by(columns.path, columns.line, columns.column, columns.code, columns.id)
            .limit(limit)
            .offset(offset)
        )
        counted = sa.select(sa.func.count()).select_from(diagnostics).where(*conditions)
        async with self._engine.connect() as connection:
            total = await connection.scalar(counted)
            rows = (await connection.execute(listed)).mappings().all()
        return DiagnosticPage(
            diagnostics=tuple(diagnostic_of(row) for row in rows), total=total or 0
        )


# Reading ------------------------------------------------------------------------------------


def _number(tree: str) -> sa.ScalarSelect[int]:
    return sa.select(revisions.c.number).where(revisions.c.tree == tree).scalar_subquery()


def _holds(table: sa.Table, tree: str) -> sa.ColumnElement[bool]:
    number = _number(tree)
    return sa.and_(table.c.first <= number, table.c.last >= number)


def _placed(tree: str) -> sa.Select[Any]:
    return (
        sa.select(versions, placements.c.environment, placements.c.environment_key)
        .join(placements, placements.c.version == versions.c.id)
        .where(_holds(placements, tree))
    )


async def _load(connection: AsyncConnection, query: sa.Select[Any]) -> list[Placed]:
    rows = (await connection.execute(query)).mappings().all()
    references: dict[int, list[Reference]] = {row["id"]: [] for row in rows}
    for part in chunks(list(references)):
        stated = sa.select(relations).where(relations.c.version.in_(part))
        for row in await connection.execute(
            stated.order_by(relations.c.version, relations.c.position)
        ):
            references[row.version].append(Reference(field=row.field, key=row.key))
    return [_entity(row, references[row["id"]]) for row in rows]


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


def _revision(row: Mapping[Any, Any]) -> Revision:
    values = {str(name): value for name, value in row.items() if name != "number"}
    time: datetime.datetime = values["create_time"]
    if time.tzinfo is None:  # SQLite keeps none; we write UTC
        values["create_time"] = time.replace(tzinfo=datetime.UTC)
    return Revision(**values)


def _conditions(filter_: Filter) -> Iterator[sa.ColumnElement[bool]]:
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
