"""Entities by name, in few calls: titles and folders for lists of what concerns them."""

from collections.abc import Iterable, Mapping, Sequence

from ackrep.catalog.v1 import catalog_pb2, search_pb2
from gateway.pages import words
from gateway.pages.latest import TIMEOUT
from gateway.upstream import Upstream

PAGE = 200
"""Largest page of a search."""
FEW_ENTITIES = 400
"""A repository with at most so many is shown whole, by type."""
_MOST = 10_000


async def entities_named(
    upstream: Upstream, names: Iterable[str], *, revision: str = ""
) -> Mapping[str, catalog_pb2.Entity]:
    """Gets those entities that there are, by name; at most 10,000.

    Args:
        upstream: The services.
        names: `entities/{KEY}`; each counts once.
        revision: `revisions/{id}`; empty for the current one.
    """
    wanted = [name for name in dict.fromkeys(names) if name][:_MOST]
    found: dict[str, catalog_pb2.Entity] = {}
    for begin in range(0, len(wanted), PAGE):
        answer = await upstream.search.SearchEntities(
            search_pb2.SearchEntitiesRequest(
                entities=wanted[begin : begin + PAGE], page_size=PAGE, revision=revision
            ),
            timeout=TIMEOUT,
        )
        found |= {result.entity.name: result.entity for result in answer.results}
    return found


def grouped(
    entities: Iterable[catalog_pb2.Entity],
) -> list[tuple[words.TypeWord, Sequence[catalog_pb2.Entity]]]:
    """Groups entities by type, checkable types first, by title within."""
    by_type: dict[int, list[catalog_pb2.Entity]] = {}
    for entity in entities:
        kind = entity.type if entity.type in words.TYPES else catalog_pb2.ENTITY_TYPE_UNSPECIFIED
        by_type.setdefault(kind, []).append(entity)
    return [
        (words.type_word(kind), sorted(by_type[kind], key=lambda one: one.title.casefold()))
        for kind in (*words.TYPES, catalog_pb2.ENTITY_TYPE_UNSPECIFIED)
        if kind in by_type
    ]
