"""Comparing two revisions, at the cost of what differs between them."""

from collections.abc import Collection

from services.catalog.domain.affected import Affected, affected, needed
from services.catalog.domain.entities import Node
from services.catalog.ports import Store


async def affected_entities(store: Store, old: str, new: str) -> list[Affected]:
    """The checkable entities that differ between two indexed revisions for a check.

    Args:
        store: Holds both.
        old: Tree of the revision before.
        new: Tree of the revision after.
    """
    if old == new:
        return []
    changed = await store.changed(old, new)
    candidates = set(changed)
    for tree in (old, new):
        above = await _all_dependants(store, tree, changed)
        candidates |= above | await store.users(tree, sorted(changed))
    before = await _with_needs(store, old, candidates)
    after = await _with_needs(store, new, candidates)
    return list(affected(candidates, before, after))


async def _all_dependants(store: Store, tree: str, keys: Collection[str]) -> set[str]:
    """Whose closure holds one of these keys, or would if there were such an entity."""
    found: set[str] = set()
    wanted = set(keys)
    while wanted:
        found |= wanted
        wanted = await store.dependants(tree, sorted(wanted)) - found
    return found


async def _with_needs(store: Store, tree: str, keys: Collection[str]) -> dict[str, Node]:
    """These entities, as far as they exist, and all that their closures hold."""
    known: dict[str, Node] = {}
    asked: set[str] = set()
    wanted = set(keys)
    while wanted:
        asked |= wanted
        found = await store.nodes(tree, sorted(wanted))
        known |= found
        wanted = {key for node in found.values() for _, key in needed(node)}
        wanted |= {node.environment_key for node in found.values() if node.environment_key}
        wanted -= asked
    return known
