"""Every field that metadata may have: what it holds, in which types of entities, and how long."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.catalog.domain.entities import EntityType

ANY_TYPE: Final = frozenset(EntityType)
_MODEL = EntityType.SYSTEM_MODEL
_CLASS = EntityType.PROBLEM_CLASS
_PROBLEM = EntityType.PROBLEM_SPECIFICATION
_SOLUTION = EntityType.PROBLEM_SOLUTION
_METHOD = EntityType.METHOD_PACKAGE
_NOTEBOOK = EntityType.NOTEBOOK
_ENVIRONMENT = EntityType.ENVIRONMENT_SPECIFICATION
_RUNNING = frozenset({_MODEL, _SOLUTION, _NOTEBOOK})
_REMARKS = frozenset({EntityType.COMMENT, EntityType.DOCUMENTATION})


class Kind(StrEnum):
    """What a field holds."""

    LINE = "one line"
    TEXT = "text"
    KEY = "key"
    FILE = "file name"
    LINES = "list"
    KEYS = "list of keys"
    REFERENCES = "text or list"
    """Literature, of which older entities have one text."""
    DATA = "anything"
    """Kept as it is, for others to read."""


LISTS: Final = frozenset({Kind.LINES, Kind.KEYS})
"""Kinds that are lists of texts."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of metadata."""

    name: str
    meaning: str
    kind: Kind = Kind.LINE
    max_length: int = 100
    """Characters of the text, or of one item, above which we complain."""
    types: frozenset[EntityType] = ANY_TYPE
    """Which types of entities have it."""
    required: bool = False
    """An entity without it is none, or has no title."""
    wanted: bool = False
    """Where it is left empty, we say so."""
    default: str = ""
    """What it is taken as where it is empty."""
    refers_to: EntityType | None = None
    """Type that the entities named by a key have to be of; None where any will do."""

    @property
    def refers(self) -> bool:
        """Whether it names other entities."""
        return self.kind in (Kind.KEY, Kind.KEYS)


_FIELDS: Final = (
    Field(name="key", meaning="5 characters of A-Z and 0-9, unique", required=True),
    Field(name="predecessor_key", meaning="entity that this one replaces", kind=Kind.KEY),
    Field(name="type", meaning="what kind of knowledge it holds", required=True),
    Field(name="name", meaning="title", max_length=300, required=True),
    Field(
        name="short_description",
        meaning="what it is, in one or two sentences",
        kind=Kind.TEXT,
        max_length=2_000,
    ),
    Field(name="version", meaning="like 0.1.0", default="0.1.0"),
    Field(
        name="tag_list",
        meaning="subjects; those of the ontology begin with `ocse:`",
        kind=Kind.LINES,
        max_length=500,
    ),
    Field(name="creator", meaning="`Name <address>`", max_length=500, wanted=True),
    Field(
        name="editor_list", meaning="who changed it, as creator", kind=Kind.LINES, max_length=500
    ),
    Field(name="creation_date", meaning="YYYY-MM-DD, or with hh:mm:ss", wanted=True),
    Field(
        name="external_references",
        meaning="literature, best with a DOI",
        kind=Kind.REFERENCES,
        max_length=10_000,
    ),
    Field(name="notes", meaning="remarks", kind=Kind.TEXT, max_length=50_000),
    Field(name="merge_request", meaning="merge request of 2022 that brought it"),
    Field(
        name="estimated_runtime",
        meaning="like 10s, 2min or 00:01:30, on one core",
        types=_RUNNING,
    ),
    Field(
        name="compatible_environment",
        meaning="environment that checks run in, if not the default one",
        kind=Kind.KEY,
        types=_RUNNING,
        refers_to=_ENVIRONMENT,
    ),
    Field(
        name="compatible_environment_list",
        meaning="environments that it works in",
        kind=Kind.KEYS,
        max_length=500,
        types=frozenset({_METHOD}),
        refers_to=_ENVIRONMENT,
    ),
    Field(
        name="system_model_file",
        meaning="file with the equations",
        kind=Kind.FILE,
        max_length=500,
        types=frozenset({_MODEL}),
        default="system_model.py",
    ),
    Field(
        name="simulation_file",
        meaning="file with the simulation",
        kind=Kind.FILE,
        max_length=500,
        types=frozenset({_MODEL}),
        default="simulation.py",
    ),
    Field(
        name="erk_data",
        meaning="facts for the knowledge base of 2022",
        kind=Kind.DATA,
        types=frozenset({_MODEL}),
    ),
    Field(
        name="problemclass_list",
        meaning="classes that the problem belongs to",
        kind=Kind.KEYS,
        max_length=500,
        types=frozenset({_PROBLEM}),
        refers_to=_CLASS,
    ),
    Field(
        name="related_system_models_list",
        meaning="models that the problem is about",
        kind=Kind.KEYS,
        max_length=500,
        types=frozenset({_PROBLEM}),
        refers_to=_MODEL,
    ),
    Field(
        name="problem_file",
        meaning="file with the problem and its judge",
        kind=Kind.FILE,
        max_length=500,
        types=frozenset({_PROBLEM}),
        default="problem.py",
    ),
    Field(
        name="solved_problem_list",
        meaning="problems that it solves",
        kind=Kind.KEYS,
        max_length=500,
        types=frozenset({_SOLUTION}),
        refers_to=_PROBLEM,
    ),
    Field(
        name="method_package_list",
        meaning="packages that it imports",
        kind=Kind.KEYS,
        max_length=500,
        types=frozenset({_SOLUTION}),
        refers_to=_METHOD,
    ),
    Field(
        name="solution_file",
        meaning="file with the solution",
        kind=Kind.FILE,
        max_length=500,
        types=frozenset({_SOLUTION}),
        default="solution.py",
    ),
    Field(
        name="postprocessing_file",
        meaning="file that draws the results",
        kind=Kind.FILE,
        max_length=500,
        types=frozenset({_SOLUTION}),
    ),
    Field(
        name="notebook_file",
        meaning="the notebook, where the folder has several",
        kind=Kind.FILE,
        max_length=500,
        types=frozenset({_NOTEBOOK}),
    ),
    Field(
        name="referenced_entity_list",
        meaning="entities that it is about",
        kind=Kind.KEYS,
        max_length=500,
        types=_REMARKS,
    ),
)

SCHEMA: Final[Mapping[str, Field]] = {one.name: one for one in _FIELDS}
"""Every field by its name, in the order in which metadata usually writes them."""

FIELDS_OF: Final[Mapping[EntityType, frozenset[str]]] = {
    type_: frozenset(one.name for one in _FIELDS if type_ in one.types) for type_ in EntityType
}
"""Names of the fields that entities of a type have."""

FORMER_NAMES: Final[Mapping[str, str]] = {
    "author": "creator",
    "authors": "creator",
    "compatible_environments": "compatible_environment_list",
    "date": "creation_date",
    "description": "short_description",
    "environment": "compatible_environment",
    "keywords": "tag_list",
    "method_packages": "method_package_list",
    "parent_keys": "referenced_entity_list",
    "problemclasses": "problemclass_list",
    "problemfile": "problem_file",
    "references": "external_references",
    "tags": "tag_list",
    "title": "name",
}
"""Names that older texts use, or that one would guess, with the real ones."""
