"""The search index in memory (port `SearchIndex`): for tests and demonstrations."""

import struct
from collections import Counter
from collections.abc import Mapping, Sequence

from services.catalog.domain.entities import Placed
from services.catalog.domain.filters import Filter
from services.catalog.domain.words import (
    FIELD_SHIFT,
    FIELDS,
    NAMING_FIELDS,
    VERSION_SHIFT,
    places_in,
    texts_of,
)
from services.catalog.ports import Members, Store, VersionFacts


class MemorySearchIndex:
    """Words of the entity versions of another store, each read when its revision is asked for.

    Args:
        store: Where revisions are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._numbers: dict[tuple[str, str], int] = {}
        self._known: dict[int, Placed] = {}
        self._facts: list[VersionFacts] = []
        self._places: dict[str, bytes] = {}
        self._vocabulary: Counter[str] = Counter()

    async def members(self, tree: str, *, base: str = "") -> Members:
        now = {(self._number(placed), placed.environment) for placed in await self._placed(tree)}
        if not base:
            return Members(added=sorted(now))
        before = {(self._number(placed), placed.environment) for placed in await self._placed(base)}
        return Members(added=sorted(now - before), removed=[one for one, _ in before - now])

    async def facts(self, *, after: int) -> Sequence[VersionFacts]:
        return self._facts[after:]

    async def places(self, words: Sequence[str]) -> Mapping[str, bytes]:
        return {word: self._places[word] for word in words if word in self._places}

    async def places_from(self, prefix: str) -> Mapping[str, bytes]:
        return {word: self._places[word] for word in self._places if word.startswith(prefix)}

    async def vocabulary(self) -> Mapping[str, int]:
        return dict(self._vocabulary)

    async def matching(self, *, paths: Sequence[str], texts: Sequence[str]) -> Sequence[int]:
        wanted = Filter(paths=tuple(paths), texts=tuple(texts))
        return [number for number, placed in self._known.items() if wanted.matches(placed)]

    async def _placed(self, tree: str) -> list[Placed]:
        found = await self._store.entities(tree, await self._store.keys(tree))
        return list(found.values())

    def _number(self, placed: Placed) -> int:
        entity = placed.entity
        known = self._numbers.get((entity.path, entity.tree))
        if known is not None:
            return known
        number = self._numbers[entity.path, entity.tree] = len(self._numbers) + 1
        self._known[number] = placed
        self._facts.append(
            VersionFacts(
                version=number,
                key=entity.key,
                type=entity.type.value,
                creator=entity.creator,
                title_length=len(entity.title),
                tags=entity.tags,
            )
        )
        for word, place in places_in(texts_of(entity)):
            packed = struct.pack("<q", number << VERSION_SHIFT | place)
            self._places[word] = self._places.get(word, b"") + packed
            if FIELDS[place >> FIELD_SHIFT] in NAMING_FIELDS:
                self._vocabulary[word] += 1
        return number
