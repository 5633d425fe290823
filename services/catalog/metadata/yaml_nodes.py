"""Composes the nodes of YAML files, bounded, and says what is wrong with files that have none.

Only the nodes of PyYAML are used, never its constructors: tags build no objects.
"""

import re
from typing import Any, Final

import yaml

from services.catalog.domain.diagnostics import Problem
from services.catalog.domain.metadata.documents import Position

CORE: Final = "tag:yaml.org,2002:"
"""What the tags of plain values begin with."""

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OPENING: Final = re.compile(r"[\[{]|[-?:](?=\s|$)", re.MULTILINE)
"""Each collection begins with at least one of these."""


class RefusedError(Exception):
    """The file is not read at all."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def decode(content: bytes) -> str:
    """The text of a file, without a byte order mark.

    Raises:
        RefusedError: It is no UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        raise RefusedError(
            Problem(
                code="yaml-not-utf8",
                line=before.count(b"\n") + 1,
                column=len(before) - (before.rfind(b"\n") + 1) + 1,
                message=f"the byte 0x{content[error.start]:02x} is no UTF-8",
                remedy="save the file in UTF-8",
            )
        ) from error


def compose(text: str, *, max_depth: int, trusted: int = 0) -> yaml.Node | None:
    """The root node of a text; None where it holds nothing.

    Args:
        text: The text.
        max_depth: Collections in each other.
        trusted: A text in which fewer collections can begin is not looked through for its depth;
            at most some hundreds, which PyYAML surely survives.

    Raises:
        RefusedError: It is no YAML, or nested too deeply.
    """
    try:
        if sum(1 for _ in _OPENING.finditer(text)) > trusted:
            _check_depth(text, max_depth)
        loader = _LOADER(text)
        try:
            node: yaml.Node | None = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise RefusedError(_syntax_problem(error, text)) from error
    except RecursionError as error:
        raise RefusedError(bomb(Position(), "it is nested too deeply")) from error
    return node


def _check_depth(text: str, max_depth: int) -> None:
    """Looks at the events alone: PyYAML's C composer recurses until it crashes."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > max_depth:
                raise RefusedError(bomb(place(event.start_mark), "it is nested too deeply"))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _syntax_problem(error: yaml.YAMLError, text: str) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    message = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    context = getattr(error, "context", None)
    position = place(mark) if mark is not None else Position()
    offset = getattr(error, "position", None)
    if mark is None and isinstance(offset, int) and 0 <= offset <= len(text):
        start = text.rfind("\n", 0, offset) + 1
        position = Position(line=text.count("\n", 0, offset) + 1, column=offset - start + 1)
    return Problem(
        code="yaml-syntax",
        line=position.line,
        column=position.column,
        message=f"no valid YAML: {f'{context}: ' if context else ''}{message}"[:500],
        remedy="correct the syntax; quote text that holds `: `, `#`, or begins with a special sign",
    )


def bomb(position: Position, why: str) -> Problem:
    """That a file is too much to read."""
    return Problem(
        code="yaml-too-large",
        line=position.line,
        column=position.column,
        message=f"the content is refused: {why}",
        remedy="write plain values, without nested aliases",
    )


def place(mark: Any) -> Position:
    """Where something is written."""
    return Position(line=mark.line + 1, column=mark.column + 1)
