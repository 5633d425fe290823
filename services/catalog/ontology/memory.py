"""Entities of a revision for its graph, from another store (port `Individuals`): for tests."""

from collections.abc import AsyncIterator, Sequence

from services.catalog.domain.ontology.triples import Tagged
from services.catalog.ports import Store


class StoreIndividuals:
    """Entities of any store.

    Args:
        store: Where revisions are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def tagged(self, tree: str) -> AsyncIterator[Sequence[Tagged]]:
        placed = await self._store.entities(tree, await self._store.keys(tree))
        yield [
            Tagged(one.entity.key, one.entity.type.value, one.entity.title, one.entity.tags)
            for one in placed.values()
        ]
