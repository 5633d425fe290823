"""Adding entity versions to the search index, in the transaction that adds them."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.catalog.occurrences import Occurrences
from services.catalog.search_tables import BLOCK_BYTES, places, vocabulary
from services.catalog.sql_writing import insert
from services.catalog.tables import versions

_BLOCK_VERSIONS: Final = 50_000
"""Entity versions in one block of a frequent word; bounds the memory of a first index.

Fewer than `Occurrences` can hold.
"""
_FEW_VERSIONS: Final = 5_000
"""Up to so many are added to the blocks that there are; more get blocks of their own."""
_READ_VERSIONS: Final = 2_000
_ROWS: Final = 5_000
"""Rows of one statement."""

_texts = sa.select(
    versions.c.id,
    versions.c.title,
    versions.c.key,
    versions.c.tags,
    versions.c.short_description,
    versions.c.creator,
    versions.c.notes,
    versions.c.path,
).order_by(versions.c.id)


async def add_versions(connection: AsyncConnection, *, after: int) -> None:
    """Indexes the words of all entity versions whose number is greater than `after`."""
    while True:
        occurrences = Occurrences()
        count = 0
        while count < _BLOCK_VERSIONS:
            query = _texts.where(versions.c.id > after).limit(_READ_VERSIONS)
            rows = (await connection.execute(query)).all()
            if not rows:
                break
            await asyncio.to_thread(occurrences.add, [_texts_of(row) for row in rows])
            count += len(rows)
            after = rows[-1].id
        if not count:
            return
        found = await asyncio.to_thread(sorted, occurrences.by_word())
        await _add_places(connection, found, begun=count <= _FEW_VERSIONS)
        await _add_vocabulary(connection, {word: named for word, _, _, named in found if named})


def _texts_of(row: Any) -> tuple[int, Sequence[Sequence[str]]]:
    """Number and texts of an entity version, in the order of `domain.words.FIELDS`."""
    id_, title, key, tags, description, creator, notes, path = row
    return id_, ((title,), (key,), tags, (description,), (creator,), (notes,), (path,))


async def _add_places(
    connection: AsyncConnection, found: Sequence[tuple[str, int, bytes, int]], *, begun: bool
) -> None:
    unfilled = await _unfilled(connection, [word for word, _, _, _ in found]) if begun else {}
    fresh: list[tuple[Any, ...]] = []
    longer: list[dict[str, Any]] = []
    for word, first, packed, _ in found:
        block = unfilled.get(word)
        if block is None:
            fresh.append((word, first, packed))
        else:
            longer.append({"w": word, "f": block.first, "places": block.places + packed})
    for part in _parts(longer):
        await connection.execute(
            sa.update(places).where(
                places.c.word == sa.bindparam("w"), places.c.first == sa.bindparam("f")
            ),
            part,
        )
    await insert(connection, places, fresh)


async def _unfilled(connection: AsyncConnection, words: Sequence[str]) -> dict[str, Any]:
    """The last block of each word, where it is not full."""
    found: dict[str, Any] = {}
    for part in _parts(words):
        query = sa.select(places.c.word, places.c.first, places.c.places).where(
            places.c.word.in_(part), sa.func.length(places.c.places) < BLOCK_BYTES
        )
        for row in await connection.execute(query.order_by(places.c.first)):
            found[row.word] = row
    return found


async def _add_vocabulary(connection: AsyncConnection, named: dict[str, int]) -> None:
    known: set[str] = set()
    for part in _parts(list(named)):
        query = sa.select(vocabulary.c.word).where(vocabulary.c.word.in_(part))
        known.update(await connection.scalars(query))
    more = [{"w": word, "more": count} for word, count in named.items() if word in known]
    new = [(word, count) for word, count in named.items() if word not in known]
    for part in _parts(more):
        await connection.execute(
            sa.update(vocabulary)
            .where(vocabulary.c.word == sa.bindparam("w"))
            .values(count=vocabulary.c.count + sa.bindparam("more")),
            part,
        )
    await insert(connection, vocabulary, new)


def _parts(items: Sequence[Any]) -> list[Any]:
    return [items[start : start + _ROWS] for start in range(0, len(items), _ROWS)]
