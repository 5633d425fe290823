"""The index in SQL (port `Store`): SQLite with WAL, or PostgreSQL."""

import contextlib
import logging
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.catalog.domain.entities import (
    EntityType,
    Node,
    Placed,
    Relation,
    Revision,
)
from services.catalog.domain.filters import Filter
from services.catalog.domain.indexing.deltas import Delta, Index
from services.catalog.domain.metadata.documents import CLOSURE_FIELDS
from services.catalog.index.sql_reading import (
    ENTITIES,
    NODES,
    REFERRER_COUNT,
    REFERRERS,
    conditions,
    holds,
    load,
    number_of,
    placed_query,
    references_of,
    revision_of,
)
from services.catalog.index.sql_schema import configure_sqlite, make_tables
from services.catalog.index.sql_writing import chunks, diagnostic_of, difference, point, write
from services.catalog.index.tables import (
    commits,
    current,
    diagnostics,
    placements,
    relations,
    revisions,
    versions,
)
from services.catalog.ports import DiagnosticPage, Page, RelationPage
from services.errors import UnavailableError

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator["SqlStore"]:
    """Connects to a database, makes missing tables, and disconnects after the block.

    Raises:
        UnavailableError: The database does not answer.
    """
    engine = create_async_engine(url)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine.sync_engine, "connect", configure_sqlite)
    try:
        try:
            async with engine.begin() as connection:
                await connection.run_sync(make_tables)
        except (OSError, OperationalError) as error:
            shown = engine.url.render_as_string(hide_password=True)
            raise UnavailableError(f"the database {shown} does not answer: {error}") from error
        yield SqlStore(engine)
    finally:
        await engine.dispose()


class SqlStore:
    """One database. There is one writer at a time; readers are never in its way."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @property
    def engine(self) -> AsyncEngine:
        """The database, for others who read the same tables."""
        return self._engine

    # Revisions

    async def current(self) -> Revision | None:
        query = sa.select(revisions).join(current, current.c.number == revisions.c.number)
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).mappings().first()
        return revision_of(row) if row else None

    async def revision(self, tree: str) -> Revision | None:
        query = sa.select(revisions).where(revisions.c.tree == tree)
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).mappings().first()
        return revision_of(row) if row else None

    async def revisions(self, *, limit: int, offset: int) -> list[Revision]:
        query = sa.select(revisions).order_by(revisions.c.number.desc()).limit(limit).offset(offset)
        async with self._engine.connect() as connection:
            return [revision_of(row) for row in (await connection.execute(query)).mappings()]

    async def latest(self) -> Revision | None:
        query = sa.select(revisions).order_by(revisions.c.number.desc()).limit(1)
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).mappings().first()
        return revision_of(row) if row else None

    async def find(self, prefix: str, *, limit: int) -> list[Revision]:
        named = sa.select(commits.c.number).where(commits.c.commit.startswith(prefix))
        query = (
            sa.select(revisions)
            .where(sa.or_(revisions.c.tree.startswith(prefix), revisions.c.number.in_(named)))
            .order_by(revisions.c.number.desc())
            .limit(limit)
        )
        async with self._engine.connect() as connection:
            return [revision_of(row) for row in (await connection.execute(query)).mappings()]

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
            number = await connection.scalar(sa.select(number_of(revision.tree)))
            await _name(connection, number, revision.commit)
            await point(connection, number)

    async def add(self, revision: Revision, change: Index | Delta, *, current: bool = True) -> None:
        async with self._engine.begin() as connection:
            latest = sa.select(revisions.c.number, revisions.c.tree)
            last = (
                await connection.execute(latest.order_by(revisions.c.number.desc()).limit(1))
            ).first()
            number = (last.number if last else 0) + 1
            await connection.execute(sa.insert(revisions), [{"number": number, **asdict(revision)}])
            if isinstance(change, Index):
                if last is not None:
                    change = await difference(connection, last.tree, change)
                else:
                    change = Delta(base="", placed=change.entities, noted=change.diagnostics)
            if change.base != (last.tree if last else ""):
                raise ValueError(f"the change is one of {change.base}, not of the last revision")
            await write(connection, number, change, empty=last is None)
            await _name(connection, number, revision.commit)
            if current:
                await point(connection, number)

    # Entities

    async def entities(self, tree: str, keys: Sequence[str]) -> dict[str, Placed]:
        found: dict[str, Placed] = {}
        async with self._engine.connect() as connection:
            for part in chunks(list(dict.fromkeys(keys))):
                for placed in await load(connection, ENTITIES, {"tree": tree, "keys": part}):
                    found[placed.entity.key] = placed
        return found

    async def nodes(self, tree: str, keys: Sequence[str]) -> dict[str, Node]:
        found: dict[str, Node] = {}
        async with self._engine.connect() as connection:
            for part in chunks(list(dict.fromkeys(keys))):
                rows = (await connection.execute(NODES, {"tree": tree, "keys": part})).all()
                references = await references_of(connection, [row.id for row in rows])
                for row in rows:
                    found[row.key] = Node(
                        key=row.key,
                        type=EntityType(row.type),
                        title=row.title,
                        path=row.path,
                        tree=row.tree,
                        references=tuple(references[row.id]),
                        environment_key=row.environment_key,
                    )
        return found

    async def keys(self, tree: str) -> list[str]:
        query = sa.select(placements.c.key).where(holds(placements, tree))
        async with self._engine.connect() as connection:
            return list(await connection.scalars(query.order_by(placements.c.key)))

    async def page(self, tree: str, filter_: Filter, *, after: str, limit: int) -> Page:
        wanted = list(conditions(filter_))
        counted = (
            sa.select(sa.func.count())
            .select_from(placements.join(versions, versions.c.id == placements.c.version))
            .where(holds(placements, tree), *wanted)
        )
        listed = (
            placed_query(tree)
            .where(*wanted, placements.c.key > after)
            .order_by(placements.c.key)
            .limit(limit)
        )
        async with self._engine.connect() as connection:
            total = await connection.scalar(counted)
            entities = await load(connection, listed)
        return Page(entities=tuple(entities), total=total or 0)

    async def referrers(self, tree: str, key: str, *, limit: int) -> RelationPage:
        values = {"tree": tree, "key": key}
        async with self._engine.connect() as connection:
            rows = (await connection.execute(REFERRERS, {**values, "limit": limit})).all()
            total = len(rows)
            if total == limit:
                total = await connection.scalar(REFERRER_COUNT, values) or 0
        return RelationPage(
            relations=tuple(
                Relation(field=row.field, key=row.key, title=row.title, type=EntityType(row.type))
                for row in rows
            ),
            total=total,
        )

    async def dependants(self, tree: str, keys: Sequence[str]) -> set[str]:
        query = (
            sa.select(placements.c.key)
            .distinct()
            .join(relations, relations.c.version == placements.c.version)
            .where(relations.c.field.in_(CLOSURE_FIELDS), holds(placements, tree))
        )
        return await self._set(query, relations.c.key, keys)

    async def users(self, tree: str, environments: Sequence[str]) -> set[str]:
        query = sa.select(placements.c.key).where(holds(placements, tree))
        return await self._set(query, placements.c.environment_key, environments)

    async def changed(self, old: str, new: str) -> set[str]:
        numbers = sa.select(revisions.c.number).where(revisions.c.tree.in_((old, new)))
        async with self._engine.connect() as connection:
            low, *more = sorted(await connection.scalars(numbers))
            high = more[0] if more else low
            query = sa.select(placements.c.key).where(
                sa.or_(
                    sa.and_(placements.c.first > low, placements.c.first <= high),
                    sa.and_(placements.c.last >= low, placements.c.last < high),
                )
            )
            return set(await connection.scalars(query))

    async def _set(
        self, query: sa.Select[Any], column: sa.ColumnElement[Any], values: Sequence[str]
    ) -> set[str]:
        found: set[str] = set()
        async with self._engine.connect() as connection:
            for part in chunks(values):
                found.update(await connection.scalars(query.where(column.in_(part))))
        return found

    # Diagnostics

    async def diagnostics(
        self,
        tree: str,
        *,
        key: str,
        limit: int,
        offset: int,
        codes: Collection[str] | None = None,
    ) -> DiagnosticPage:
        columns = diagnostics.c
        wanted = [holds(diagnostics, tree)]
        if key:
            wanted.append(columns.key == key)
        counted = sa.select(columns.code, sa.func.count()).where(*wanted).group_by(columns.code)
        if codes is not None:
            wanted.append(columns.code.in_(codes))
        listed = (
            sa.select(diagnostics)
            .where(*wanted)
            .order_by(columns.path, columns.line, columns.column, columns.code, columns.id)
            .limit(limit)
            .offset(offset)
        )
        async with self._engine.connect() as connection:
            counts = {row[0]: row[1] for row in await connection.execute(counted)}
            rows = (await connection.execute(listed)).mappings().all()
        return DiagnosticPage(
            diagnostics=tuple(diagnostic_of(row) for row in rows),
            counts=counts,
            total=sum(count for code, count in counts.items() if codes is None or code in codes),
        )


async def _name(connection: AsyncConnection, number: int | None, commit: str) -> None:
    """Remembers which revision a commit is; a commit has one tree for ever."""
    if commit:
        await connection.execute(sa.delete(commits).where(commits.c.commit == commit))
        await connection.execute(sa.insert(commits), [{"commit": commit, "number": number}])
