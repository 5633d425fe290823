"""The words of the design as people see them: verdicts, states, types."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2


@dataclass(frozen=True)
class Word:
    """How a value is called and drawn."""

    slug: str
    """For addresses and style classes, e.g. `script-error`."""
    label: str
    """For people, e.g. `script error`."""
    explanation: str = ""
    """One sentence for those who do not know it."""


@dataclass(frozen=True)
class TypeWord(Word):
    """How an entity type is called."""

    plural: str = ""


_V = check_pb2.Verdict
VERDICTS: Mapping[int, Word] = {
    _V.VERDICT_SUCCESS: Word("success", "success", "It ran, and the result is right."),
    _V.VERDICT_INACCURATE: Word(
        "inaccurate", "inaccurate", "It ran, but the numbers are not the expected ones."
    ),
    _V.VERDICT_SCRIPT_ERROR: Word(
        "script-error", "script error", "Its code raised, or could not be imported."
    ),
    _V.VERDICT_TIMED_OUT: Word("timed-out", "timed out", "It exceeded its time limit."),
    _V.VERDICT_LIMIT_EXCEEDED: Word(
        "limit-exceeded", "limit exceeded", "It was killed for memory, processes, disk or output."
    ),
    _V.VERDICT_INFRASTRUCTURE_ERROR: Word(
        "infrastructure-error", "infrastructure error", "The system failed, not the entity."
    ),
    _V.VERDICT_CANCELLED: Word("cancelled", "cancelled", "Somebody stopped it."),
}
UNCHECKED = Word("unchecked", "not checked yet", "There is no finished check of it.")

_S = check_pb2.Check.State
STATES: Mapping[int, Word] = {
    _S.STATE_QUEUED: Word("queued", "queued", "Waits for a runner."),
    _S.STATE_PREPARING: Word("preparing", "preparing", "A runner makes its environment ready."),
    _S.STATE_RUNNING: Word("running", "running", "Its code runs."),
    _S.STATE_FINISHED: Word("finished", "finished", "It has a verdict."),
}

_T = catalog_pb2.EntityType
TYPES: Mapping[int, TypeWord] = {
    _T.ENTITY_TYPE_SYSTEM_MODEL: TypeWord(
        "system_model",
        "system model",
        "A dynamical system with equations and a simulation.",
        "System models",
    ),
    _T.ENTITY_TYPE_PROBLEM_SOLUTION: TypeWord(
        "problem_solution",
        "problem solution",
        "A solution of a problem specification.",
        "Problem solutions",
    ),
    _T.ENTITY_TYPE_NOTEBOOK: TypeWord("notebook", "notebook", "A Jupyter notebook.", "Notebooks"),
    _T.ENTITY_TYPE_PROBLEM_SPECIFICATION: TypeWord(
        "problem_specification",
        "problem specification",
        "One problem, and how solutions of it are judged.",
        "Problem specifications",
    ),
    _T.ENTITY_TYPE_PROBLEM_CLASS: TypeWord(
        "problem_class", "problem class", "A family of problems.", "Problem classes"
    ),
    _T.ENTITY_TYPE_METHOD_PACKAGE: TypeWord(
        "method_package", "method package", "Code that solutions share.", "Method packages"
    ),
    _T.ENTITY_TYPE_ENVIRONMENT_SPECIFICATION: TypeWord(
        "environment_specification",
        "environment specification",
        "The environment in which checks run.",
        "Environment specifications",
    ),
    _T.ENTITY_TYPE_DOCUMENTATION: TypeWord(
        "documentation", "documentation", "Explanatory text.", "Documentation"
    ),
    _T.ENTITY_TYPE_COMMENT: TypeWord(
        "comment", "comment", "A remark on another entity.", "Comments"
    ),
}
"""Checkable types first, in the order of the pages."""
UNKNOWN_TYPE = TypeWord("unknown", "unknown type", "", "Others")

_SEVERITIES: Sequence[Word] = (
    Word("info", "note"),
    Word("error", "error"),
    Word("warning", "warning"),
    Word("info", "note"),
)

_RELATIONS: Mapping[str, tuple[str, str]] = {
    "solved_problem_list": ("solves", "solved by"),
    "method_package_list": ("uses method", "method of"),
    "compatible_environment": ("runs in", "environment of"),
    "compatible_environment_list": ("runs in", "environment of"),
    "problemclass_list": ("belongs to", "has member"),
    "related_system_models_list": ("about model", "model of"),
    "referenced_entity_list": ("about", "subject of"),
    "predecessor_key": ("replaces", "replaced by"),
}


def verdict_word(verdict: int) -> Word:
    """Names a verdict; none yet is `not checked yet`."""
    return VERDICTS.get(verdict, UNCHECKED)


def check_word(check: check_pb2.Check) -> Word:
    """Names where a check stands: its verdict if it has one, else its state."""
    if check.state == _S.STATE_FINISHED:
        return verdict_word(check.verdict)
    return STATES.get(check.state, STATES[_S.STATE_QUEUED])


def type_word(kind: int) -> TypeWord:
    """Names an entity type."""
    return TYPES.get(kind, UNKNOWN_TYPE)


def severity_word(severity: int) -> Word:
    """Names a diagnostic's severity."""
    return _SEVERITIES[severity] if 0 <= severity < len(_SEVERITIES) else _SEVERITIES[0]


def relation_word(field: str, *, backwards: bool = False) -> str:
    """Names an edge between entities as a verb, from either end."""
    if field in _RELATIONS:
        return _RELATIONS[field][backwards]
    plain = re.sub("_(list|key)$", "", field).replace("_", " ")
    return f"{plain} of" if backwards else plain


def finished(check: check_pb2.Check) -> bool:
    """Whether a check has its verdict."""
    return check.state == _S.STATE_FINISHED
