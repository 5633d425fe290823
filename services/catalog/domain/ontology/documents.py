"""What a parsed ontology file gives, whatever parser read it: statements, not yet resolved."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from services.catalog.domain.diagnostics import Problem
from services.catalog.domain.metadata.documents import Position

MAX_ONTOLOGY_BYTES: Final = 1024 * 1024
"""Larger ontology files are not read."""

FactValue: TypeAlias = bool | int | float | str
"""A name or a plain value."""


class PropertyKind(StrEnum):
    """What a property relates an individual to."""

    OBJECT = "object"
    """To another individual."""
    DATA = "data"
    """To a value."""


class Proxy(StrEnum):
    """Whether a class has an individual that stands for it as a tag."""

    INHERITED = "inherited"
    """Where the first superclass says `recursive`."""
    NO = "no"
    YES = "yes"
    """It has, its subclasses have not."""
    RECURSIVE = "recursive"
    """It has, and all its subclasses."""


@dataclass(frozen=True, kw_only=True)
class Name:
    """A name, and where it is written."""

    text: str
    position: Position = field(default_factory=Position)


@dataclass(frozen=True, kw_only=True)
class ClassStatement:
    """Declares a class."""

    name: Name
    parents: tuple[Name, ...] = ()
    labels: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()
    proxy: Proxy = Proxy.INHERITED
    associated: tuple[Name, ...] = ()
    """`X_associatedWithClasses` of a relation concept: what it can be said of."""


@dataclass(frozen=True, kw_only=True)
class PropertyStatement:
    """Declares a property."""

    name: Name
    kind: PropertyKind
    domain: tuple[Name, ...] = ()
    range: tuple[Name, ...] = ()
    characteristics: tuple[Name, ...] = ()
    inverse: Name | None = None


@dataclass(frozen=True, kw_only=True)
class IndividualStatement:
    """Declares an individual."""

    name: Name
    types: tuple[Name, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Value:
    """What a fact says: a name where it is one, else a plain value."""

    value: FactValue
    position: Position = field(default_factory=Position)


@dataclass(frozen=True, kw_only=True)
class FactStatement:
    """States that an individual has a property."""

    subject: Name
    property: Name
    value: Value


@dataclass(frozen=True, kw_only=True)
class RelationStatement:
    """States a relation between more than two (`relation_concept_facts`)."""

    subject: Name
    role: Name
    """Main role of the relation concept, `X_has...`."""
    facts: tuple[tuple[Name, Value], ...]


@dataclass(frozen=True, kw_only=True)
class OntologyDocument:
    """The statements of one file, and what is wrong with it alone."""

    iri: str = ""
    """Namespace of what it declares; empty where it names none."""
    comments: tuple[str, ...] = ()
    classes: tuple[ClassStatement, ...] = ()
    properties: tuple[PropertyStatement, ...] = ()
    individuals: tuple[IndividualStatement, ...] = ()
    facts: tuple[FactStatement, ...] = ()
    relations: tuple[RelationStatement, ...] = ()
    problems: tuple[Problem, ...] = ()
    usable: bool = True
    """False where nothing could be read."""


@dataclass(frozen=True, kw_only=True)
class OntologyFile:
    """A file of a revision's ontology."""

    path: str
    id: str
    """Git blob id."""
    document: OntologyDocument


def is_namespace(iri: str) -> bool:
    """Whether names can stand behind an IRI to make IRIs."""
    try:
        parts = urlsplit(iri)
    except ValueError:
        return False
    return (
        bool(parts.scheme)
        and bool(parts.netloc or parts.path)
        and not re.search(r"[\s<>\"{}|\\^`\x00-\x20]", iri)
        and len(iri) <= 500
    )
