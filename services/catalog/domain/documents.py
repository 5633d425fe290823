"""What a parsed `metadata.yml` gives, whatever parser read it, and what its fields mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from services.catalog.domain.diagnostics import Problem
from services.catalog.domain.entities import EntityType, Value

MAX_METADATA_BYTES: Final = 256 * 1024
"""Larger `metadata.yml` are not read."""


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where something is written; both count from 1."""

    line: int = 0
    column: int = 0


@dataclass(frozen=True, kw_only=True)
class Document:
    """Plain values of a `metadata.yml`, where each stands, and what is wrong with the YAML.

    Fields in `TEXT_FIELDS` hold the text as written, also where YAML alone would make a number or
    a date of it; those in `LIST_FIELDS` hold lists, whose items are texts likewise.
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    positions: Mapping[str, Position] = field(default_factory=dict)
    """Of a field's value (`name`) and of a list's items (`tag_list[0]`)."""
    problems: tuple[Problem, ...] = ()
    usable: bool = True
    """False where no values could be read."""

    def position(self, name: str, *, item: int | None = None) -> Position:
        """Where a field, or an item of its list, stands; 0, 0 if it is not there."""
        if item is not None:
            found = self.positions.get(f"{name}[{item}]")
            if found is not None:
                return found
        return self.positions.get(name, Position())


MAX_LENGTHS: Final = {
    "key": 100,
    "type": 100,
    "predecessor_key": 100,
    "name": 300,
    "short_description": 2_000,
    "version": 100,
    "creator": 500,
    "creation_date": 100,
    "external_references": 10_000,
    "notes": 50_000,
    "estimated_runtime": 100,
    "compatible_environment": 100,
    "merge_request": 100,
    "solution_file": 500,
    "postprocessing_file": 500,
    "problem_file": 500,
    "system_model_file": 500,
    "simulation_file": 500,
    "notebook_file": 500,
}
"""Fields that hold one text, with the number of characters above which we complain."""
TEXT_FIELDS: Final = frozenset(MAX_LENGTHS)
LIST_FIELDS: Final = frozenset(
    {
        "tag_list",
        "editor_list",
        "solved_problem_list",
        "method_package_list",
        "problemclass_list",
        "related_system_models_list",
        "compatible_environment_list",
    }
)
"""Fields that hold a list of texts."""
MAX_ITEM_LENGTH: Final = 500

REFERENCE_FIELDS: Final[Mapping[str, EntityType | None]] = {
    "predecessor_key": None,
    "solved_problem_list": EntityType.PROBLEM_SPECIFICATION,
    "method_package_list": EntityType.METHOD_PACKAGE,
    "problemclass_list": EntityType.PROBLEM_CLASS,
    "related_system_models_list": EntityType.SYSTEM_MODEL,
    "compatible_environment": EntityType.ENVIRONMENT_SPECIFICATION,
    "compatible_environment_list": EntityType.ENVIRONMENT_SPECIFICATION,
}
"""Fields that name other entities by key, with the type these have to be of (None: any)."""
CLOSURE_FIELDS: Final = frozenset(
    {"solved_problem_list", "method_package_list", "related_system_models_list"}
)
"""References whose folders a check can see, followed transitively."""

FILE_FIELDS: Final[Mapping[EntityType, Mapping[str, str]]] = {
    EntityType.SYSTEM_MODEL: {
        "system_model_file": "system_model.py",
        "simulation_file": "simulation.py",
    },
    EntityType.PROBLEM_SPECIFICATION: {"problem_file": "problem.py"},
    EntityType.PROBLEM_SOLUTION: {"solution_file": "solution.py"},
}
"""Files that entities of a type must have: the field that names each, and its usual name."""
