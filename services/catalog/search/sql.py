"""What the search index is made from, out of SQL (port `Standings`)."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from services.catalog.domain.filters import Filter
from services.catalog.index.sql_reading import conditions, holds, number_of
from services.catalog.index.tables import OPEN, placements, revisions, versions
from services.catalog.ports import Standing

_BATCH: Final = 2_000


class SqlStandings:
    """Entities of all revisions in one database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def number(self, tree: str) -> int:
        async with self._engine.connect() as connection:
            return await connection.scalar(sa.select(number_of(tree))) or 0

    async def latest(self) -> int:
        async with self._engine.connect() as connection:
            return await connection.scalar(sa.select(sa.func.max(revisions.c.number))) or 0

    async def since(self, number: int) -> AsyncIterator[Sequence[Standing]]:
        ended = sa.and_(placements.c.last >= number, placements.c.last < OPEN)
        query = (
            sa.select(
                placements.c.first,
                placements.c.last,
                placements.c.key,
                versions.c.type,
                versions.c.title,
                versions.c.tags,
                versions.c.short_description,
                versions.c.creator,
                versions.c.notes,
                versions.c.path,
                placements.c.environment,
            )
            .join(versions, versions.c.id == placements.c.version)
            .where(sa.or_(placements.c.first > number, ended))
        )
        async with self._engine.connect() as connection:
            result = await connection.stream(query)
            async for rows in result.partitions(_BATCH):
                yield [Standing(*row) for row in rows]

    async def holding(self, tree: str, texts: Sequence[str]) -> Sequence[str]:
        query = (
            sa.select(placements.c.key)
            .join(versions, versions.c.id == placements.c.version)
            .where(holds(placements, tree), *conditions(Filter(texts=tuple(texts))))
        )
        async with self._engine.connect() as connection:
            return list(await connection.scalars(query))
