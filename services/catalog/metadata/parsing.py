"""Parses `metadata.yml` with PyYAML: values, where they stand, and what is wrong with the YAML.

Only the nodes of PyYAML are used, never its constructors: known fields keep the text as written
(a key `28500` is no number), tags that would build objects are refused, and aliases are expanded
only as far as a bounded number of values allows. Files in the common form are read by a quicker
parser (`quick`) to the same result.
"""

import functools
import math
import re
from typing import Final

import yaml

from services.catalog.domain.diagnostics import Problem
from services.catalog.domain.entities import Value
from services.catalog.domain.metadata.documents import (
    LIST_FIELDS,
    MAX_METADATA_BYTES,
    TEXT_FIELDS,
    Document,
    Places,
    Position,
)
from services.catalog.metadata.quick import UNINDENTED, quick_values
from services.catalog.metadata.yaml_nodes import CORE, RefusedError, bomb, compose, decode, place

MAX_VALUES: Final = 10_000
"""Values of one document, aliases expanded; more is a YAML bomb, or data."""
MAX_DEPTH: Final = 20
"""Collections in each other; the messages that carry metadata bear 32."""
MAX_PROBLEMS: Final = 100
"""Problems of one file that are kept."""

_SCALARS: Final = {
    CORE + name
    for name in ("str", "int", "float", "bool", "null", "timestamp", "binary", "value", "merge")
}
_CONTROL: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
"""What UTF-8, PostgreSQL or terminals cannot hold, or what changes how other text looks."""
_SEPARATORS: Final = ("\n", "\r", ",", "[", "{", ": ", "- ", "? ")
"""What stands between values, counted before PyYAML spends time on them."""
_TRUSTED: Final = 500
"""Beginnings of collections of a text whose depth is looked at while its values are read."""
_LINE_END: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,14})")
_TRUE: Final = {"yes", "true", "on"}


def parse_metadata(content: bytes) -> Document:
    """Parses one file. Never raises for its content: what is wrong is in the document."""
    values = quick_values(content)
    if values is not None:
        return Document(values=values, locate=functools.partial(locate, content))
    return parse_carefully(content)


def locate(content: bytes) -> Places:
    """Where everything in a file is written."""
    document = parse_carefully(content)
    return document.locate() if document.locate is not None else Places()


def parse_carefully(content: bytes) -> Document:
    """Parses one file by PyYAML's nodes, whatever it holds."""
    if len(content) > MAX_METADATA_BYTES:
        return _unusable(
            Problem(
                code="yaml-too-large",
                message=f"the file is larger than {MAX_METADATA_BYTES // 1024} KiB",
                remedy="put long text and data into files of their own",
            )
        )
    try:
        text = decode(content)
        if sum(map(text.count, _SEPARATORS)) > MAX_VALUES:
            raise RefusedError(bomb(Position(), f"it has more than {MAX_VALUES} lines and values"))
        return _Reader(text).document(compose(text, max_depth=MAX_DEPTH, trusted=_TRUSTED))
    except RefusedError as refusal:
        return _unusable(refusal.problem)


def _unusable(problem: Problem) -> Document:
    return Document(problems=(problem,), usable=False)


def _position(node: yaml.Node) -> Position:
    return place(node.start_mark)


class _Reader:
    """Turns the nodes of one document into plain values."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines: list[str] | None = None
        self._problems: list[Problem] = []
        self._positions: dict[str, Position] = {}
        self._names: dict[str, Position] = {}
        self._count = 0
        self._field = ""
        self._told: set[tuple[str, int, int]] = set()

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
        self._check_tag(root, {CORE + "map"})
        values: dict[str, Value] = {}
        for name, name_node, value_node in self._pairs(root):
            self._field = name
            self._names[name] = _position(name_node)
            self._positions[name] = _position(value_node)
            values[name] = self._read(name, value_node)
        places = Places(values=self._positions, names=self._names)
        return Document(
            values=values, problems=tuple(self._problems), locate=functools.partial(_kept, places)
        )

    def _read(self, name: str, node: yaml.Node) -> Value:
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value[:MAX_VALUES]):
                self._positions[f"{name}[{index}]"] = _position(item)
        return self._value(node, depth=1, as_text=name in TEXT_FIELDS or name in LIST_FIELDS)

    def _pairs(self, node: yaml.MappingNode) -> list[tuple[str, yaml.Node, yaml.Node]]:
        """Names and values; of a name written twice the last value counts, as YAML does it."""
        pairs: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for name_node, value_node in node.value:
            if not isinstance(name_node, yaml.ScalarNode):
                raise RefusedError(
                    Problem(
                        code="yaml-syntax",
                        line=_position(name_node).line,
                        column=_position(name_node).column,
                        message="a field's name is no plain text",
                        remedy="write `name: value`",
                    )
                )
            self._check_tag(name_node, _SCALARS)
            name = self._clean(name_node)
            if name in pairs:
                line = _position(pairs[name][0]).line
                self._report(
                    "duplicate-field",
                    _position(name_node),
                    name,
                    f"{name[:100]} is written in line {line} already; the last one counts",
                    "remove one of them",
                )
            pairs[name] = (name_node, value_node)
        return [(name, *nodes) for name, nodes in pairs.items()]

    def _value(self, node: yaml.Node, *, depth: int, as_text: bool) -> Value:
        self._count += 1
        if self._count > MAX_VALUES:
            raise RefusedError(bomb(_position(node), f"it has more than {MAX_VALUES} values"))
        if isinstance(node, yaml.ScalarNode):
            self._check_tag(node, _SCALARS)
            return self._scalar(node, as_text=as_text)
        if depth >= MAX_DEPTH:
            raise RefusedError(bomb(_position(node), "it is nested too deeply"))
        if isinstance(node, yaml.SequenceNode):
            self._check_tag(node, {CORE + "seq"})
            return [self._value(item, depth=depth + 1, as_text=as_text) for item in node.value]
        assert isinstance(node, yaml.MappingNode)  # noqa: S101  # PyYAML has these three kinds
        self._check_tag(node, {CORE + "map"})
        return {
            name: self._value(item, depth=depth + 1, as_text=as_text)
            for name, _, item in self._pairs(node)
        }

    def _scalar(self, node: yaml.ScalarNode, *, as_text: bool) -> Value:
        if node.start_mark.line != node.end_mark.line and node.style in ("'", '"'):
            self._check_indentation(node)
        kind = node.tag.removeprefix(CORE)
        if kind == "null":
            return None
        text = self._clean(node)
        return text if as_text else _typed(text, kind)

    def _clean(self, node: yaml.ScalarNode) -> str:
        text: str = node.value
        if text.isprintable():
            return text
        clean = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
        if clean != text:
            found = _CONTROL.search(text)
            sign = ord(found[0]) if found is not None else 0
            self._report(
                "control-character",
                _position(node),
                self._field,
                f"the text holds the control character U+{sign:04X}; it is replaced",
                "remove it",
            )
        return clean

    def _check_indentation(self, node: yaml.ScalarNode) -> None:
        if self._lines is None:
            self._lines = _LINE_END.split(self._text)
        for number in range(node.start_mark.line + 1, node.end_mark.line + 1):
            if number < len(self._lines) and UNINDENTED.match("\n" + self._lines[number]):
                self._report(
                    "unindented-text",
                    Position(line=number + 1, column=1),
                    self._field,
                    "the quoted text goes on at the beginning of a line, which some YAML readers "
                    "refuse",
                    "indent the lines that follow the first one",
                )
                return

    def _report(self, code: str, position: Position, name: str, message: str, remedy: str) -> None:
        """Reports once for each place, and not without end."""
        place = (code, position.line, position.column)
        if place in self._told or len(self._told) >= MAX_PROBLEMS:
            return
        self._told.add(place)
        self._problems.append(
            Problem(
                code=code,
                line=position.line,
                column=position.column,
                field=name[:100],
                message=message,
                remedy=remedy,
            )
        )

    def _check_tag(self, node: yaml.Node, allowed: set[str]) -> None:
        if node.tag not in allowed:
            position = _position(node)
            raise RefusedError(
                Problem(
                    code="yaml-tag-refused",
                    line=position.line,
                    column=position.column,
                    message=f"the YAML tag {_CONTROL.sub('?', node.tag)[:100]} is refused",
                    remedy="write plain values, without tags",
                )
            )


def _typed(text: str, kind: str) -> Value:
    """What JSON can say of a plain value, else its text."""
    if kind == "bool":
        return text.lower() in _TRUE
    if kind == "int" and _INTEGER.fullmatch(text):
        return int(text)
    if kind == "float":
        try:
            number = float(text)
        except ValueError:
            return text
        return number if math.isfinite(number) else text
    return text


def _kept(places: Places) -> Places:
    return places
