"""What a change of the data repository affects: checkable entities whose closure is another one."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from services.catalog.domain.entities import EntityType, Node
from services.catalog.domain.metadata.documents import CLOSURE_FIELDS, REFERENCE_FIELDS

Nodes: TypeAlias = Mapping[str, Node]
"""Entities of one revision by key: at least all that the closures in question reach."""


class Change(IntEnum):
    """What happened to an entity; the numbers are those of the protocol."""

    ADDED = 1
    MODIFIED = 2
    REMOVED = 3


@dataclass(frozen=True, kw_only=True)
class Affected:
    """A checkable entity that a change affects."""

    key: str
    type: EntityType
    title: str
    change: Change
    causes: tuple[str, ...]
    """Keys of the entities of its closure that came, went or changed; in order."""


def needed(node: Node) -> Iterator[tuple[str, str]]:
    """Field and key of what a check of an entity needs directly, its environment left out."""
    for reference in node.references:
        if reference.field in CLOSURE_FIELDS:
            yield reference.field, reference.key


def content_of(key: str, nodes: Nodes) -> dict[str, str]:
    """What a check of an entity sees, by key; two contents are equal if their closures are.

    References that lead nowhere count too, as having no content: an entity that cannot be checked
    is affected by what lets it be checked.
    """
    start = nodes[key]
    found = {key: _identity(start)}
    queue = [start]
    for node in queue:
        for field, other_key in needed(node):
            other = nodes.get(other_key)
            if other is None or other.type is not REFERENCE_FIELDS[field]:
                found.setdefault(other_key, "")
            elif not found.get(other_key):
                found[other_key] = _identity(other)
                queue.append(other)
    environment = nodes.get(start.environment_key)
    if environment is not None:
        found[environment.key] = _identity(environment)
    return found


def _identity(node: Node) -> str:
    return f"{node.path}\0{node.tree}"


def affected(keys: Iterable[str], before: Nodes, after: Nodes) -> Iterator[Affected]:
    """Which of these entities a change affects, in order of keys.

    Args:
        keys: All that can be affected.
        before: Entities before the change.
        after: Entities after it.
    """
    for key in sorted(keys):
        old, new = before.get(key), after.get(key)
        was = content_of(key, before) if old is not None and old.checkable else {}
        now = content_of(key, after) if new is not None and new.checkable else {}
        if was == now:
            continue
        shown = new if now else old
        assert shown is not None  # noqa: S101  # one of the two has content
        yield Affected(
            key=key,
            type=shown.type,
            title=shown.title,
            change=Change.MODIFIED if was and now else Change.ADDED if now else Change.REMOVED,
            causes=tuple(sorted(one for one in was | now if was.get(one, "") != now.get(one, ""))),
        )
