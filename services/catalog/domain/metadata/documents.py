"""What a parsed `metadata.yml` gives, whatever parser read it, and what its fields mean."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from services.catalog.domain.diagnostics import Problem
from services.catalog.domain.entities import EntityType, Value
from services.catalog.domain.metadata.schema import LISTS, SCHEMA, Kind

MAX_METADATA_BYTES: Final = 256 * 1024
"""Larger `metadata.yml` are not read."""


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where something is written; both count from 1."""

    line: int = 0
    column: int = 0


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where everything in a document is written."""

    values: Mapping[str, Position] = field(default_factory=dict)
    """Of a field's value (`name`) and of a list's items (`tag_list[0]`)."""
    names: Mapping[str, Position] = field(default_factory=dict)
    """Of a field's name."""


_NOWHERE: Final = Places()


@dataclass(frozen=True, kw_only=True)
class Document:
    """Plain values of a `metadata.yml`, where each stands, and what is wrong with the YAML.

    Fields of `SCHEMA` that hold text have it as written, also where YAML alone would make a number
    or a date of it; those that hold lists have lists, whose items are texts likewise.
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    usable: bool = True
    """False where no values could be read."""
    locate: Callable[[], Places] | None = field(default=None, compare=False, repr=False)
    """Finds out where everything is written: later than the values, and only if asked for."""

    @cached_property
    def _places(self) -> Places:
        return self.locate() if self.locate is not None else _NOWHERE

    def position(self, name: str, *, item: int | None = None) -> Position:
        """Where a field's value, or an item of its list, stands; 0, 0 if it is not there."""
        places = self._places.values
        if item is not None:
            found = places.get(f"{name}[{item}]")
            if found is not None:
                return found
        return places.get(name, Position())

    def name_position(self, name: str) -> Position:
        """Where a field's name stands; 0, 0 if it is not there."""
        return self._places.names.get(name, Position())


TEXT_FIELDS: Final = frozenset(
    one.name for one in SCHEMA.values() if one.kind not in LISTS and one.kind is not Kind.DATA
)
"""Fields that hold one text."""
LIST_FIELDS: Final = frozenset(one.name for one in SCHEMA.values() if one.kind in LISTS)
"""Fields that hold a list of texts."""

REFERENCE_FIELDS: Final[Mapping[str, EntityType | None]] = {
    one.name: one.refers_to for one in SCHEMA.values() if one.refers
}
"""Fields that name other entities by key, with the type these have to be of (None: any)."""
CLOSURE_FIELDS: Final = frozenset(
    {"solved_problem_list", "method_package_list", "related_system_models_list"}
)
"""References whose folders a check can see, followed transitively."""
