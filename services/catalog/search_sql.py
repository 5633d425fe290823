"""The search index in SQL (port `SearchIndex`), the same in SQLite and PostgreSQL."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from services.catalog.ports import Members, VersionFacts
from services.catalog.search_tables import places, vocabulary
from services.catalog.tables import placements, revisions, versions

_LAST_CHARACTER = "\U0010ffff"


class SqlSearchIndex:
    """Words of the entity versions in one database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def members(self, tree: str, *, base: str = "") -> Members:
        listed = sa.select(placements.c.version, placements.c.environment)
        async with self._engine.connect() as connection:
            number = await connection.scalar(_number(tree))
            if not base:
                rows = await connection.execute(listed.where(_at(number)))
                return Members(added=[(row[0], row[1]) for row in rows])
            other = await connection.scalar(_number(base))
            added = await connection.execute(listed.where(_at(number), sa.not_(_at(other))))
            removed = await connection.scalars(
                sa.select(placements.c.version).where(_at(other), sa.not_(_at(number)))
            )
            return Members(added=[(row[0], row[1]) for row in added], removed=list(removed))

    async def facts(self, *, after: int) -> Sequence[VersionFacts]:
        query = (
            sa.select(
                versions.c.id,
                versions.c.key,
                versions.c.type,
                versions.c.creator,
                sa.func.length(versions.c.title),
                versions.c.tags,
            )
            .where(versions.c.id > after)
            .order_by(versions.c.id)
        )
        async with self._engine.connect() as connection:
            return [VersionFacts._make(row) for row in await connection.execute(query)]

    async def places(self, words: Sequence[str]) -> Mapping[str, bytes]:
        return await self._places(places.c.word.in_(words)) if words else {}

    async def places_from(self, prefix: str) -> Mapping[str, bytes]:
        word = places.c.word
        return await self._places(sa.and_(word >= prefix, word <= prefix + _LAST_CHARACTER))

    async def _places(self, condition: sa.ColumnElement[bool]) -> Mapping[str, bytes]:
        query = sa.select(places.c.word, places.c.places).where(condition)
        found: dict[str, bytes] = {}
        async with self._engine.connect() as connection:
            rows = await connection.execute(query.order_by(places.c.word, places.c.first))
            for word, block in rows:
                found[word] = found[word] + block if word in found else block
        return found

    async def vocabulary(self) -> Mapping[str, int]:
        query = sa.select(vocabulary.c.word, vocabulary.c.count)
        async with self._engine.connect() as connection:
            return {row[0]: row[1] for row in await connection.execute(query)}

    async def matching(self, *, paths: Sequence[str], texts: Sequence[str]) -> Sequence[int]:
        query = sa.select(versions.c.id)
        for path in paths:
            # A range, for which there is an index; the character after the slash is a 0.
            below = sa.and_(versions.c.path > f"{path}/", versions.c.path < f"{path}0")
            query = query.where(sa.or_(versions.c.path == path, below))
        for part in texts:
            query = query.where(versions.c.searched.contains(part, autoescape=True))
        async with self._engine.connect() as connection:
            return list(await connection.scalars(query))


def _number(tree: str) -> sa.Select[int]:
    return sa.select(revisions.c.number).where(revisions.c.tree == tree)


def _at(number: int | None) -> sa.ColumnElement[bool]:
    return sa.and_(placements.c.first <= number, placements.c.last >= number)
