"""Parses `metadata.yml` with PyYAML: values, where they stand, and what is wrong with the YAML.

Only the nodes of PyYAML are used, never its constructors: known fields keep the text as written
(a key `28500` is no number), tags that would build objects are refused, and aliases are expanded
only as far as a bounded number of values allows.
"""

import math
import re
from typing import Any, Final

import yaml

from services.catalog.domain.diagnostics import Problem
from services.catalog.domain.documents import (
    LIST_FIELDS,
    MAX_METADATA_BYTES,
    TEXT_FIELDS,
    Document,
    Position,
)
from services.catalog.domain.entities import Value

MAX_VALUES: Final = 20_000
"""Values of one document, aliases expanded; more is a YAML bomb."""
MAX_DEPTH: Final = 50

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE: Final = "tag:yaml.org,2002:"
_SCALARS: Final = {
    _CORE + name for name in ("str", "int", "float", "bool", "null", "timestamp", "binary", "value")
}
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
"""Characters that UTF-8 or PostgreSQL cannot hold."""
_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,14})")
_TRUE: Final = {"yes", "true", "on"}


class _RefusedError(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def parse_metadata(content: bytes) -> Document:
    """Parses one file. Never raises for its content: what is wrong is in the document."""
    if len(content) > MAX_METADATA_BYTES:
        return _unusable(
            Problem(
                code="yaml-too-large",
                message=f"the file is larger than {MAX_METADATA_BYTES // 1024} KiB",
                remedy="put long text and data into files of their own",
            )
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        return _unusable(
            Problem(
                code="yaml-not-utf8",
                line=before.count(b"\n") + 1,
                column=len(before) - (before.rfind(b"\n") + 1) + 1,
                message=f"the byte 0x{content[error.start]:02x} is no UTF-8",
                remedy="save the file in UTF-8",
            )
        )
    try:
        node = _compose(text)
        return _Reader().document(node)
    except _RefusedError as refusal:
        return _unusable(refusal.problem)
    except yaml.YAMLError as error:
        return _unusable(_syntax_problem(error, text))
    except RecursionError:
        return _unusable(_bomb(Position(), "it is nested too deeply"))


def _unusable(problem: Problem) -> Document:
    return Document(problems=(problem,), usable=False)


def _compose(text: str) -> yaml.Node | None:
    _check_depth(text)
    loader = _LOADER(text)
    try:
        node: yaml.Node | None = loader.get_single_node()
    finally:
        loader.dispose()
    return node


def _check_depth(text: str) -> None:
    """Refuses deep nesting before nodes are made: PyYAML's C composer recurses until it crashes."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _RefusedError(_bomb(_place(event.start_mark), "it is nested too deeply"))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _syntax_problem(error: yaml.YAMLError, text: str) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    message = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    context = getattr(error, "context", None)
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
    offset = getattr(error, "position", None)
    if mark is None and isinstance(offset, int) and 0 <= offset <= len(text):
        line = text.count("\n", 0, offset) + 1
        column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    return Problem(
        code="yaml-syntax",
        line=line,
        column=column,
        message=f"no valid YAML: {f'{context}: ' if context else ''}{message}"[:500],
        remedy="correct the syntax; quote text that holds `: `, `#`, or begins with a special sign",
    )


def _bomb(position: Position, why: str) -> Problem:
    return Problem(
        code="yaml-too-large",
        line=position.line,
        column=position.column,
        message=f"the content is refused: {why}",
        remedy="write plain values, without nested aliases",
    )


def _position(node: yaml.Node) -> Position:
    return _place(node.start_mark)


def _place(mark: Any) -> Position:
    return Position(line=mark.line + 1, column=mark.column + 1)


class _Reader:
    """Turns the nodes of one document into plain values."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self._positions: dict[str, Position] = {}
        self._count = 0

    def document(self, root: yaml.Node | None) -> Document:
        if not isinstance(root, yaml.MappingNode):
            position = _position(root) if root is not None else Position()
            return _unusable(
                Problem(
                    code="yaml-not-a-mapping",
                    line=position.line,
                    column=position.column,
                    message="the file holds no `field: value` lines",
                    remedy="write metadata as `key: ...`, `type: ...`, `name: ...`",
                )
            )
        self._check_tag(root, {_CORE + "map"})
        values: dict[str, Value] = {}
        for name, value_node in self._pairs(root, depth=0):
            self._positions[name] = _position(value_node)
            values[name] = self._field(name, value_node)
        return Document(values=values, positions=self._positions, problems=tuple(self._problems))

    def _field(self, name: str, node: yaml.Node) -> Value:
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value[:MAX_VALUES]):
                self._positions[f"{name}[{index}]"] = _position(item)
        if name in TEXT_FIELDS or name in LIST_FIELDS:
            return self._value(node, depth=1, as_text=True)
        return self._value(node, depth=1, as_text=False)

    def _pairs(self, node: yaml.MappingNode, *, depth: int) -> list[tuple[str, yaml.Node]]:
        """Names and value nodes; of a name written twice the last one counts, as YAML does it."""
        pairs: dict[str, yaml.Node] = {}
        lines: dict[str, int] = {}
        for name_node, value_node in node.value:
            if not isinstance(name_node, yaml.ScalarNode):
                raise _RefusedError(
                    Problem(
                        code="yaml-syntax",
                        line=_position(name_node).line,
                        column=_position(name_node).column,
                        message="a field's name is no plain text",
                        remedy="write `name: value`",
                    )
                )
            self._check_tag(name_node, {*_SCALARS, _CORE + "merge"})
            name = _clean(name_node.value)
            position = _position(name_node)
            if name in pairs:
                self._problems.append(
                    Problem(
                        code="duplicate-field",
                        line=position.line,
                        column=position.column,
                        field=name[:100],
                        message=f"{name[:100]} is written in line {lines[name]} already; "
                        "the last one counts",
                        remedy="remove one of them",
                    )
                )
            lines[name] = position.line
            pairs[name] = value_node
        return list(pairs.items())

    def _value(self, node: yaml.Node, *, depth: int, as_text: bool) -> Value:
        self._count += 1
        if self._count > MAX_VALUES:
            raise _RefusedError(_bomb(_position(node), f"it has more than {MAX_VALUES} values"))
        if depth > MAX_DEPTH:
            raise _RefusedError(_bomb(_position(node), "it is nested too deeply"))
        if isinstance(node, yaml.ScalarNode):
            self._check_tag(node, _SCALARS)
            return _scalar(node, as_text=as_text)
        if isinstance(node, yaml.SequenceNode):
            self._check_tag(node, {_CORE + "seq"})
            return [self._value(item, depth=depth + 1, as_text=as_text) for item in node.value]
        assert isinstance(node, yaml.MappingNode)  # noqa: S101  # PyYAML has these three kinds
        self._check_tag(node, {_CORE + "map"})
        return {
            name: self._value(item, depth=depth + 1, as_text=as_text)
            for name, item in self._pairs(node, depth=depth)
        }

    def _check_tag(self, node: yaml.Node, allowed: set[str]) -> None:
        if node.tag not in allowed:
            position = _position(node)
            raise _RefusedError(
                Problem(
                    code="yaml-tag-refused",
                    line=position.line,
                    column=position.column,
                    message=f"the YAML tag {_clean(node.tag)[:100]} is refused",
                    remedy="write plain values, without tags",
                )
            )


def _scalar(node: yaml.ScalarNode, *, as_text: bool) -> Value:
    text: str = node.value
    kind = node.tag.removeprefix(_CORE)
    if kind == "null":
        return None
    if as_text:
        return _clean(text)
    if kind == "bool":
        return text.lower() in _TRUE
    if kind == "int" and _INTEGER.fullmatch(text):
        return int(text)
    if kind == "float":
        try:
            number = float(text)
        except ValueError:
            return _clean(text)
        return number if math.isfinite(number) else _clean(text)
    return _clean(text)


def _clean(text: str) -> str:
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)
