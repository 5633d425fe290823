"""What the search index is made from, out of a store in memory (port `Standings`)."""

from collections.abc import AsyncIterator, Sequence

from services.catalog.domain.entities import Placed
from services.catalog.domain.filters import Filter
from services.catalog.ports import Standing, Store


class MemoryStandings:
    """Entities of all revisions of a store, each revision by itself.

    Args:
        store: Where revisions are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def number(self, tree: str) -> int:
        return (await self._trees()).index(tree) + 1

    async def latest(self) -> int:
        return len(await self._trees())

    async def since(self, number: int) -> AsyncIterator[Sequence[Standing]]:
        for place, tree in enumerate((await self._trees())[number:], start=number + 1):
            yield [_standing(placed, place) for placed in await self._placed(tree)]

    async def holding(self, tree: str, texts: Sequence[str]) -> Sequence[str]:
        wanted = Filter(texts=tuple(texts))
        return [one.entity.key for one in await self._placed(tree) if wanted.matches(one)]

    async def _trees(self) -> list[str]:
        """Trees of revisions, in the order in which they were indexed."""
        found = await self._store.revisions(limit=1_000_000, offset=0)
        return [revision.tree for revision in reversed(found)]

    async def _placed(self, tree: str) -> list[Placed]:
        found = await self._store.entities(tree, await self._store.keys(tree))
        return list(found.values())


def _standing(placed: Placed, number: int) -> Standing:
    entity = placed.entity
    return Standing(
        first=number,
        last=number,
        key=entity.key,
        type=entity.type.value,
        title=entity.title,
        tags=entity.tags,
        short_description=entity.short_description,
        creator=entity.creator,
        notes=entity.notes,
        path=entity.path,
        environment=placed.environment,
    )
