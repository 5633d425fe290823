"""Entities of a revision for its graph, from SQL (port `Individuals`)."""

import json
from collections.abc import AsyncIterator, Sequence
from functools import lru_cache
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from services.catalog.domain.ontology.triples import Tagged
from services.catalog.index.tables import placements, revisions, versions

BATCH: Final = 1_000


class SqlIndividuals:
    """Entities in one database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def tagged(self, tree: str) -> AsyncIterator[Sequence[Tagged]]:
        number = sa.select(revisions.c.number).where(revisions.c.tree == tree).scalar_subquery()
        # As text: the same few lists come again and again, and are parsed once each.
        tags = sa.cast(versions.c.tags, sa.Text)
        query = (
            sa.select(placements.c.key, versions.c.type, versions.c.title, tags)
            .join(versions, versions.c.id == placements.c.version)
            .where(placements.c.first <= number, placements.c.last >= number)
            .order_by(placements.c.key)
        )
        async with self._engine.connect() as connection:
            result = await connection.stream(query)
            async for rows in result.partitions(BATCH):
                yield [Tagged(row[0], row[1], row[2], _tags(row[3])) for row in rows]


@lru_cache(maxsize=10_000)
def _tags(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))
