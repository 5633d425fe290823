"""Circles of references: entities that need each other, and none of which comes first."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Final, TypeAlias

LONGEST: Final = 20
"""A longer circle is shown abridged, and told to its first entity only."""

Edges: TypeAlias = Callable[[str], Sequence[str]]
"""What an entity needs, as far as it exists."""


class Cycles:
    """The groups of entities that reach each other, kept while references change."""

    def __init__(self) -> None:
        self._groups: dict[str, tuple[str, ...]] = {}
        """Keys by the first of them."""
        self._first: dict[str, str] = {}

    def update(
        self, changed: Iterable[str], edges: Edges
    ) -> tuple[list[str], dict[str, tuple[str, ...]]]:
        """Takes changed references in.

        Args:
            changed: Every key whose edges may be other ones than before, gone ones included.
            edges: The edges now; those of a gone key are none.

        Returns:
            First keys of groups that are to be forgotten, and the cycle through the first key of
            each group that is to be told (again).
        """
        starts = set(changed)
        over = {self._first[key] for key in starts if key in self._first}
        for first in over:
            members = self._groups.pop(first)
            starts.update(members)
            for key in members:
                del self._first[key]
        told = {}
        for group in groups_from(sorted(starts), edges):
            first = group[0]
            if self._groups.get(first) == group:
                continue
            for old in {self._first[key] for key in group if key in self._first}:
                over.add(old)
                del self._groups[old]  # swallowed by this one
            self._groups[first] = group
            self._first.update(dict.fromkeys(group, first))
            told[first] = shortest_cycle(first, group, edges)
        return sorted(over - told.keys()), told


def groups_from(starts: Iterable[str], edges: Edges) -> Iterator[tuple[str, ...]]:
    """Groups of keys that reach each other, among all that the starts reach; in order of keys.

    Tarjan's strongly connected components without recursion; single keys count where they need
    themselves.
    """
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []
    on_path: set[str] = set()
    for start in starts:
        if start in number:
            continue
        needed = edges(start)
        if not needed:
            continue  # most need nothing
        work = [(start, needed, iter(needed))]
        number[start] = low[start] = len(number)
        path.append(start)
        on_path.add(start)
        while work:
            key, needed, others = work[-1]
            for other in others:
                if other not in number:
                    number[other] = low[other] = len(number)
                    path.append(other)
                    on_path.add(other)
                    further = edges(other)
                    work.append((other, further, iter(further)))
                    break
                if other in on_path:
                    low[key] = min(low[key], number[other])
            else:
                work.pop()
                if work:
                    above = work[-1][0]
                    low[above] = min(low[above], low[key])
                if low[key] == number[key]:
                    group = [path.pop()]
                    while group[-1] != key:
                        group.append(path.pop())
                    on_path.difference_update(group)
                    if len(group) > 1 or key in needed:
                        yield tuple(sorted(group))


def shortest_cycle(first: str, members: Collection[str], edges: Edges) -> tuple[str, ...]:
    """The shortest way from a key back to it, without its repetition at the end."""
    inside = set(members)
    before: dict[str, str] = {}
    queue = deque([first])
    while queue:
        key = queue.popleft()
        for other in edges(key):
            if other == first:
                way = [key]
                while way[-1] != first:
                    way.append(before[way[-1]])
                return tuple(reversed(way))
            if other in inside and other not in before:
                before[other] = key
                queue.append(other)
    raise AssertionError("no way back, so that it is no group")


def cycle_text(cycle: Sequence[str]) -> str:
    """A cycle for people, e.g. `A → B → A`."""
    if len(cycle) <= LONGEST:
        return " → ".join((*cycle, cycle[0]))
    shown = " → ".join(cycle[:5])
    return f"{shown} → … → {cycle[-1]} → {cycle[0]} ({len(cycle)} entities)"
