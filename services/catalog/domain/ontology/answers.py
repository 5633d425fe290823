"""What a query over the ontology gives."""

from dataclasses import dataclass
from enum import IntEnum

from services.errors import Error


class TermKind(IntEnum):
    """What a term is; the numbers are those of the protocol."""

    UNBOUND = 0
    IRI = 1
    LITERAL = 2
    BLANK_NODE = 3


@dataclass(frozen=True, slots=True)
class Term:
    """One value of a row."""

    kind: TermKind
    value: str = ""
    """IRI, text of a literal, or label of a blank node."""
    datatype: str = ""
    """IRI of a literal's datatype, where it is no plain text."""
    language: str = ""
    key: str = ""
    """Key of the entity that an IRI stands for; empty for anything else."""
    label: str = ""
    """Title of that entity, or label of a concept."""
    concept: str = ""
    """Name of the concept that an IRI stands for; empty for anything else."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Rows of a SELECT, or the answer of an ASK."""

    variables: tuple[str, ...] = ()
    rows: tuple[tuple[Term, ...], ...] = ()
    truth: bool | None = None
    """Answer of an ASK; None for a SELECT."""
    truncated: bool = False
    """True if there are more rows than were asked for, or than an answer can hold."""
    elapsed: float = 0.0
    """Seconds that the query took."""


class UnknownGraphError(Error):
    """The triples of that revision are not loaded: load them and ask again. Stays inside."""
