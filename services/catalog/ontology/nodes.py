"""Reads YAML nodes of an ontology: lists, pairs, names and values, bounded and with positions."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

import yaml

from services.catalog.domain.diagnostics import Problem
from services.catalog.domain.metadata.documents import Position
from services.catalog.domain.ontology.documents import FactValue, Name, Value
from services.catalog.metadata.yaml_nodes import CORE, RefusedError, bomb, decode, place
from services.catalog.metadata.yaml_nodes import compose as compose_text

MAX_VALUES: Final = 500_000
"""Values of one file, aliases expanded; more is a YAML bomb."""
MAX_DEPTH: Final = 50
MAX_PROBLEMS: Final = 1_000
"""Further ones of the same file are left out."""

_TAGS: Final = {
    CORE + name
    for name in ("str", "int", "float", "bool", "null", "timestamp", "value", "seq", "map")
}
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_TRUE: Final = {"yes", "true", "on"}
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,18}")

Fields: TypeAlias = dict[str, tuple[Name, yaml.Node]]
"""What stands in a mapping, by name; readers take out what they know."""


def compose(content: bytes) -> yaml.Node | None:
    """The root node of a file; None where it is empty.

    Raises:
        RefusedError: It is no UTF-8, no YAML, or nested too deeply.
    """
    return compose_text(decode(content), max_depth=MAX_DEPTH)


def clean(text: str) -> str:
    """Text without the characters that UTF-8 or a database cannot hold."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


class NodeReader:
    """Takes nodes apart; what has not the expected shape is reported and left out."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._count = 0

    # Shapes

    def items(self, node: yaml.Node) -> list[yaml.Node]:
        """The items of a list; anything else counts as a list of itself."""
        self.check(node)
        if _is_null(node):
            return []
        found = list(node.value) if isinstance(node, yaml.SequenceNode) else [node]
        for item in found:
            self.check(item)
        return found

    def pairs(self, node: yaml.Node, what: str) -> list[tuple[Name, yaml.Node]]:
        """Names and values of a mapping, or of a list of mappings, in order."""
        found: list[tuple[Name, yaml.Node]] = []
        for item in self.items(node):
            if not isinstance(item, yaml.MappingNode):
                self.report(
                    place(item.start_mark),
                    "ontology-structure",
                    f"{what} is to be written as `name: ...`",
                    "add a colon and what belongs to it",
                )
                continue
            for name_node, value_node in item.value:
                self.check(name_node)
                name = self._name(name_node)
                if name is not None:
                    self.check(value_node)
                    found.append((name, value_node))
        return found

    def fields(self, node: yaml.Node, what: str) -> Fields:
        """What stands in a mapping, by name; the last one of equal names counts."""
        return {name.text: (name, value) for name, value in self.pairs(node, what)}

    def names(self, node: yaml.Node) -> tuple[Name, ...]:
        """A name, or a list of names."""
        return tuple(name for item in self.items(node) if (name := self._name(item)) is not None)

    def texts(self, node: yaml.Node) -> tuple[str, ...]:
        """A text, or a list of texts, without blank ones."""
        return tuple(name.text.strip() for name in self.names(node) if name.text.strip())

    def values(self, node: yaml.Node) -> Iterator[Value]:
        """A value, or a list of values."""
        for item in self.items(node):
            if isinstance(item, yaml.ScalarNode):
                yield Value(value=_scalar(item), position=place(item.start_mark))
            else:
                self._report_text(item)

    def field_names(self, fields: Fields, name: str) -> tuple[Name, ...]:
        """Takes a field of names out of a mapping."""
        _, node = fields.pop(name, (None, None))
        return self.names(node) if node is not None else ()

    def field_texts(self, fields: Fields, name: str) -> tuple[str, ...]:
        """Takes a field of texts out of a mapping."""
        _, node = fields.pop(name, (None, None))
        return self.texts(node) if node is not None else ()

    def _name(self, node: yaml.Node) -> Name | None:
        if not isinstance(node, yaml.ScalarNode):
            self._report_text(node)
            return None
        return Name(text=clean(node.value), position=place(node.start_mark))

    # Bounds and reports

    def check(self, node: yaml.Node) -> None:
        """Counts a node.

        Raises:
            RefusedError: There are too many, or it has a tag that would build an object.
        """
        self._count += 1
        if self._count > MAX_VALUES:
            raise RefusedError(
                bomb(place(node.start_mark), f"it has more than {MAX_VALUES} values")
            )
        if node.tag not in _TAGS:
            position = place(node.start_mark)
            raise RefusedError(
                Problem(
                    code="yaml-tag-refused",
                    line=position.line,
                    column=position.column,
                    message=f"the YAML tag {clean(node.tag)[:100]} is refused",
                    remedy="write plain values, without tags",
                )
            )

    def remark(self, name: Name, why: str) -> None:
        """Reports a statement that is left out."""
        self.report(
            name.position,
            "ontology-unknown-statement",
            f"`{name.text[:100]}` {why}",
            "nothing, unless its name is misspelt",
        )

    def remark_rest(self, fields: Fields, reasons: Mapping[str, str]) -> None:
        """Reports what nobody took out of a mapping; fields with an empty reason are fine."""
        for text, (name, _) in fields.items():
            if text not in reasons:
                self.remark(name, "is not known here; it is left out")
            elif reasons[text]:
                self.remark(name, f"has no effect: {reasons[text]}")

    def report(self, position: Position, code: str, message: str, remedy: str) -> None:
        """Reports what is wrong."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(
                Problem(
                    code=code,
                    line=position.line,
                    column=position.column,
                    message=message,
                    remedy=remedy,
                )
            )

    def _report_text(self, node: yaml.Node) -> None:
        self.report(
            place(node.start_mark),
            "ontology-structure",
            "one name or text is wanted here",
            "write a plain text; combinations such as `Or:` are left out",
        )


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == f"{CORE}null"


def _scalar(node: yaml.ScalarNode) -> FactValue:
    text: str = node.value
    kind = node.tag.removeprefix(CORE)
    if kind == "bool":
        return text.lower() in _TRUE
    if kind == "int" and _INTEGER.fullmatch(text):
        return int(text)
    if kind == "float":
        try:
            number = float(text)
        except ValueError:
            return clean(text)
        return number if math.isfinite(number) else clean(text)
    return clean(text)
