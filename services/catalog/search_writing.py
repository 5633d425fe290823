"""Adding entity versions to the search index, in the transaction that adds them."""

import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.catalog.domain.words import (
    FIELD_SHIFT,
    FIELDS,
    NAMING_FIELDS,
    VERSION_SHIFT,
    places_in,
)
from services.catalog.search_tables import BLOCK_BYTES, places, vocabulary
from services.catalog.tables import versions

_VERSIONS: Final = 20_000
"""Entity versions of one block of a frequent word; bounds the memory of a first index."""
_ROWS: Final = 5_000
"""Rows of one statement."""
_NAMING: Final = frozenset(FIELDS.index(name) for name in NAMING_FIELDS)

_texts = sa.select(
    versions.c.id,
    versions.c.title,
    versions.c.key,
    versions.c.tags,
    versions.c.short_description,
    versions.c.creator,
    versions.c.notes,
    versions.c.path,
)


async def add_versions(connection: AsyncConnection, *, after: int) -> None:
    """Indexes the words of all entity versions whose number is greater than `after`."""
    while True:
        query = _texts.where(versions.c.id > after).order_by(versions.c.id).limit(_VERSIONS)
        rows = (await connection.execute(query)).all()
        if not rows:
            return
        found, named = _collected(rows)
        await _add_places(connection, found)
        await _add_vocabulary(connection, named)
        after = rows[-1].id


def _collected(
    rows: Iterable[Any],
) -> tuple[dict[str, "array[int]"], Counter[str]]:
    """Places by word, and how often words occur in names."""
    found: dict[str, array[int]] = {}
    named: Counter[str] = Counter()
    for id_, title, key, tags, description, creator, notes, path in rows:
        version = id_ << VERSION_SHIFT
        texts = ((title,), (key,), tags, (description,), (creator,), (notes,), (path,))
        for word, place in places_in(texts):
            known = found.get(word)
            if known is None:
                known = found[word] = array("q")
            known.append(version | place)
            if place >> FIELD_SHIFT in _NAMING:
                named[word] += 1
    return found, named


async def _add_places(connection: AsyncConnection, found: Mapping[str, "array[int]"]) -> None:
    begun = await _unfilled(connection, list(found))
    fresh: list[dict[str, Any]] = []
    longer: list[dict[str, Any]] = []
    for word, numbers in found.items():
        if sys.byteorder == "big":
            numbers.byteswap()
        block = begun.get(word)
        if block is None:
            first = int.from_bytes(numbers[:1].tobytes(), "little") >> VERSION_SHIFT
            fresh.append({"word": word, "first": first, "places": numbers.tobytes()})
        else:
            longer.append({"w": word, "f": block.first, "places": block.places + numbers.tobytes()})
    for part in _parts(longer):
        await connection.execute(
            sa.update(places).where(
                places.c.word == sa.bindparam("w"), places.c.first == sa.bindparam("f")
            ),
            part,
        )
    for part in _parts(fresh):
        await connection.execute(sa.insert(places), part)


async def _unfilled(connection: AsyncConnection, words: Sequence[str]) -> dict[str, Any]:
    """The last block of each word, where it is not full."""
    found: dict[str, Any] = {}
    if await connection.scalar(sa.select(places.c.word).limit(1)) is None:
        return found
    for part in _parts(words):
        query = sa.select(places.c.word, places.c.first, places.c.places).where(
            places.c.word.in_(part), sa.func.length(places.c.places) < BLOCK_BYTES
        )
        for row in await connection.execute(query.order_by(places.c.first)):
            found[row.word] = row
    return found


async def _add_vocabulary(connection: AsyncConnection, named: Counter[str]) -> None:
    known: set[str] = set()
    for part in _parts(list(named)):
        query = sa.select(vocabulary.c.word).where(vocabulary.c.word.in_(part))
        known.update(await connection.scalars(query))
    more = [{"w": word, "more": count} for word, count in named.items() if word in known]
    new = [{"word": word, "count": count} for word, count in named.items() if word not in known]
    for part in _parts(more):
        await connection.execute(
            sa.update(vocabulary)
            .where(vocabulary.c.word == sa.bindparam("w"))
            .values(count=vocabulary.c.count + sa.bindparam("more")),
            part,
        )
    for part in _parts(new):
        await connection.execute(sa.insert(vocabulary), part)


def _parts(items: Sequence[Any]) -> list[Any]:
    return [items[start : start + _ROWS] for start in range(0, len(items), _ROWS)]
