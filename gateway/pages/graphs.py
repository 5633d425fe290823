"""The relations of one entity as a drawing: where its boxes and lines are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ackrep.catalog.v1 import catalog_pb2
from gateway.pages import words

MOST_NODES = 12
"""So many related entities are drawn in each direction."""

_HEIGHT = 46
_GAP = 12
_WIDE = 214
_BETWEEN = 62
_MARGIN = 2
_NARROW = 320
_INDENT = 26
_LETTERS_WIDE = 27
_LETTERS_NARROW = 38

_ORDER = [
    catalog_pb2.ENTITY_TYPE_ENVIRONMENT_SPECIFICATION,
    catalog_pb2.ENTITY_TYPE_METHOD_PACKAGE,
    catalog_pb2.ENTITY_TYPE_SYSTEM_MODEL,
    catalog_pb2.ENTITY_TYPE_PROBLEM_CLASS,
    catalog_pb2.ENTITY_TYPE_PROBLEM_SPECIFICATION,
    catalog_pb2.ENTITY_TYPE_PROBLEM_SOLUTION,
    catalog_pb2.ENTITY_TYPE_NOTEBOOK,
    catalog_pb2.ENTITY_TYPE_DOCUMENTATION,
    catalog_pb2.ENTITY_TYPE_COMMENT,
    catalog_pb2.ENTITY_TYPE_UNSPECIFIED,
]
"""From what everything rests on to what rests on everything."""


@dataclass(frozen=True)
class Neighbour:
    """An entity on the other end of one or more edges."""

    entity: str
    """`entities/{KEY}`."""
    title: str
    """Its title, or its key where it has none."""
    type: words.TypeWord
    verb: str
    """What the edge says, e.g. `solves`."""
    missing: bool
    """Whether there is no such entity."""


@dataclass(frozen=True)
class Neighbours:
    """What an entity refers to, and what refers to it."""

    references: Sequence[Neighbour]
    referrers: Sequence[Neighbour]
    unnamed: int = 0
    """How many more refer to it, beyond those that the catalog names."""

    def __len__(self) -> int:
        return len(self.references) + len(self.referrers) + self.unnamed

    def __iter__(self) -> Iterator[Neighbour]:
        return iter((*self.references, *self.referrers))


@dataclass(frozen=True)
class Node:
    """A box of the drawing."""

    x: float
    y: float
    width: float
    label: str
    """The title, as much of it as fits."""
    neighbour: Neighbour | None
    """Nothing for the entity itself, and for the box that counts the rest."""
    kind: str
    """Style class: an entity type, `self`, `missing` or `more`."""


@dataclass(frozen=True)
class Drawing:
    """Boxes and lines, in the units of a view box that begins at 0, 0."""

    width: float
    height: float
    nodes: Sequence[Node]
    lines: Sequence[str]
    """SVG paths, each from the one that refers to what it refers to."""


def neighbours(entity: catalog_pb2.Entity) -> Neighbours:
    """Merges the edges of an entity by their other end, in the order of types and titles."""
    return Neighbours(
        _merged(entity.references, backwards=False),
        _merged(entity.referrers, backwards=True),
        max(0, entity.referrer_count - len(entity.referrers)),
    )


def _merged(edges: Sequence[catalog_pb2.Relation], *, backwards: bool) -> list[Neighbour]:
    by_entity: dict[str, list[catalog_pb2.Relation]] = {}
    for edge in edges:
        by_entity.setdefault(edge.entity, []).append(edge)
    found = []
    for name, same in by_entity.items():
        verbs = dict.fromkeys(words.relation_word(e.field, backwards=backwards) for e in same)
        first = same[0]
        found.append(
            (
                _ORDER.index(first.type) if first.type in _ORDER else len(_ORDER),
                first.title.casefold(),
                Neighbour(
                    entity=name,
                    title=first.title or name.removeprefix("entities/"),
                    type=words.type_word(first.type),
                    verb=", ".join(verbs),
                    missing=not first.type and not first.title,
                ),
            )
        )
    found.sort(key=lambda item: item[:2])
    return [neighbour for _, _, neighbour in found]


def wide(title: str, around: Neighbours) -> Drawing:
    """Draws columns: what the entity refers to on the left, what refers to it on the right."""
    left, right = _shown(around.references), _shown(around.referrers, around.unnamed)
    rows = max(len(left), len(right), 1)
    height = rows * (_HEIGHT + _GAP) - _GAP + 2 * _MARGIN
    middle = _MARGIN + (_WIDE + _BETWEEN if left else 0)
    far = middle + _WIDE + _BETWEEN
    width = (far + _WIDE if right else middle + _WIDE) + _MARGIN
    centre = (height - _HEIGHT) / 2
    nodes = [Node(middle, centre, _WIDE, _cut(title, _LETTERS_WIDE), None, "self")]
    lines = []
    for x, column in ((_MARGIN, left), (far, right)):
        top = (height - len(column) * (_HEIGHT + _GAP) + _GAP) / 2
        for index, (label, neighbour) in enumerate(column):
            y = top + index * (_HEIGHT + _GAP)
            nodes.append(Node(x, y, _WIDE, _cut(label, _LETTERS_WIDE), neighbour, _kind(neighbour)))
            begin, end = (middle, x + _WIDE) if x < middle else (x, middle + _WIDE)
            from_y, to_y = (centre, y) if x < middle else (y, centre)
            bend = (begin + end) / 2
            from_y, to_y = from_y + _HEIGHT / 2, to_y + _HEIGHT / 2
            lines.append(
                f"M{begin:.1f} {from_y:.1f}C{bend:.1f} {from_y:.1f} {bend:.1f} {to_y:.1f} "
                f"{end + 7:.1f} {to_y:.1f}"
            )
    return Drawing(width, height, nodes, lines)


def narrow(title: str, around: Neighbours) -> Drawing:
    """Draws one column, for phones: references above the entity, referrers below it."""
    above, below = _shown(around.references), _shown(around.referrers, around.unnamed)
    step = _HEIGHT + _GAP
    centre = _MARGIN + len(above) * step
    rail = _MARGIN + _INDENT / 2
    nodes = [
        Node(_MARGIN, centre, _NARROW - _INDENT, _cut(title, _LETTERS_NARROW - 2), None, "self")
    ]
    lines = []
    for first, column, arrives in ((_MARGIN, above, True), (centre + step, below, False)):
        for index, (label, neighbour) in enumerate(column):
            y = first + index * step
            side = _MARGIN + _INDENT
            short = _cut(label, _LETTERS_NARROW)
            nodes.append(Node(side, y, _NARROW - _INDENT, short, neighbour, _kind(neighbour)))
            at = y + _HEIGHT / 2
            if arrives:
                lines.append(f"M{rail} {centre}V{at + 6}Q{rail} {at} {rail + 5} {at}H{side - 7}")
            else:
                foot = centre + _HEIGHT + 7
                lines.append(f"M{side} {at}H{rail + 6}Q{rail} {at} {rail} {at - 6}V{foot}")
    height = centre + _HEIGHT + len(below) * step + _MARGIN
    return Drawing(_NARROW + 2 * _MARGIN, height, nodes, lines)


def _shown(some: Sequence[Neighbour], unnamed: int = 0) -> list[tuple[str, Neighbour | None]]:
    if len(some) + unnamed <= MOST_NODES:
        return [(one.title, one) for one in some]
    kept = MOST_NODES - 1
    rest = f"and {len(some) + unnamed - kept:,} more".replace(",", "\u202f")
    return [*((one.title, one) for one in some[:kept]), (rest, None)]


def _kind(neighbour: Neighbour | None) -> str:
    if neighbour is None:
        return "more"
    return "missing" if neighbour.missing else neighbour.type.slug


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1].rstrip()}…"
