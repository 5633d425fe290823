"""Entities, their files and relations, and the revisions they are read at."""

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

KEY: Final = re.compile(r"[A-Z0-9]{5}")
"""What a key looks like, as a whole."""
METADATA_FILE: Final = "metadata.yml"
"""The file that makes a folder an entity."""
OBJECT_ID: Final = re.compile(r"[0-9a-f]{40}")
"""What a git object id looks like, as a whole."""
NEVER: Final = datetime.datetime.fromtimestamp(0, datetime.UTC)
DIRECTORY_MODE: Final = 0o040000
SYMLINK_MODE: Final = 0o120000
SUBMODULE_MODE: Final = 0o160000

Value: TypeAlias = "bool | int | float | str | Sequence[Value] | Mapping[str, Value] | None"
"""What a field of metadata holds: what JSON can say."""


class EntityType(StrEnum):
    """What kind of knowledge an entity holds, as its metadata writes it."""

    SYSTEM_MODEL = "system_model"
    PROBLEM_CLASS = "problem_class"
    PROBLEM_SPECIFICATION = "problem_specification"
    PROBLEM_SOLUTION = "problem_solution"
    METHOD_PACKAGE = "method_package"
    NOTEBOOK = "notebook"
    DOCUMENTATION = "documentation"
    COMMENT = "comment"
    ENVIRONMENT_SPECIFICATION = "environment_specification"


CHECKABLE: Final = frozenset(
    {EntityType.SYSTEM_MODEL, EntityType.PROBLEM_SOLUTION, EntityType.NOTEBOOK}
)
"""Types that a check can run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeEntry:
    """One line of a git tree, with its whole path below the tree.

    Bytes of a path that are no UTF-8 are kept as surrogates (`os.fsdecode`).
    """

    path: str
    mode: int
    id: str
    """Git object id."""
    size: int = 0
    """Bytes of a blob; -1 where the store does not hold the blob."""


class TreeChange(NamedTuple):
    """One path that differs between two git trees; a tuple, for there are many."""

    path: str
    """As in a `TreeEntry`."""
    old_mode: int
    """0 where the path is new."""
    old_id: str
    mode: int
    """0 where the path is gone."""
    id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A field of an entity that names another one."""

    field: str
    """Metadata field, e.g. `solved_problem_list`."""
    key: str
    """What is written there; need not be a key of anything."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entity:
    """A folder with `metadata.yml`, as its own content says: the same in every revision."""

    key: str
    type: EntityType
    title: str
    short_description: str = ""
    path: str
    """Folder in the data repository."""
    tree: str
    """Git tree id of the folder."""
    creator: str = ""
    creation_date: str = ""
    version: str = ""
    tags: tuple[str, ...] = ()
    notes: str = ""
    estimated_runtime: str = ""
    references: tuple[Reference, ...] = ()
    metadata: Mapping[str, Value] = field(default_factory=dict)
    """All fields, normalised."""

    @property
    def checkable(self) -> bool:
        """Whether a check can run it."""
        return self.type in CHECKABLE


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """An entity in a revision, with what only the whole revision can tell."""

    entity: Entity
    environment: str = ""
    """Name of the environment its checks run in; empty where not checkable or unknown."""
    environment_key: str = ""
    """Key of that environment specification."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """Of an entity in a revision what decides about closures."""

    key: str
    type: EntityType
    title: str
    path: str
    tree: str
    references: tuple[Reference, ...] = ()
    environment_key: str = ""

    @property
    def checkable(self) -> bool:
        """Whether a check can run it."""
        return self.type in CHECKABLE


@dataclass(frozen=True, kw_only=True, slots=True)
class Relation:
    """An edge to another entity, with what a reader wants to know of it."""

    field: str
    key: str
    title: str = ""
    """Empty where the other does not exist."""
    type: EntityType | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Revision:
    """One state of the data repository."""

    tree: str
    commit: str = ""
    """Commit with exactly this tree; empty where dirty."""
    base_commit: str = ""
    dirty: bool = False
    source: str = ""
    ref: str = ""
    title: str = ""
    create_time: datetime.datetime = NEVER
    entity_count: int = 0
    error_count: int = 0
    warning_count: int = 0


def printable(path: str) -> str:
    r"""A path that every protocol can carry: bytes that are no UTF-8 become `\xNN`."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def is_printable(path: str) -> bool:
    """Whether a path is valid text as it is."""
    return path.isascii() or not any("\ud800" <= character <= "\udfff" for character in path)
