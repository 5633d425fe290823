"""Diagnostics as people, programs and continuous integration read them."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.text import Text

from ackrep.catalog.v1 import catalog_pb2
from cli import documents, tables
from cli.excerpts import Files, excerpt
from cli.screen import harmless

SEVERITIES: Final = ("error", "warning", "info")
"""Worst first."""
_STYLES: Final = {"error": "bold red", "warning": "bold yellow", "info": "bold blue"}
_COMMANDS: Final = {"error": "error", "warning": "warning", "info": "notice"}
_GUTTER: Final = "bold blue"
_POINTS: Final = frozenset({"yaml-syntax", "yaml-not-utf8", "yaml-too-large"})
"""Codes about one character, not about the word or value that begins there."""


class Places:
    """How files of the data repository are named to somebody in the current folder.

    Args:
        root: Folder of the data repository on this machine; none where there is none.
        folder: The current folder.
    """

    def __init__(self, root: Path | None, *, folder: Path) -> None:
        self._root, self._folder = root, folder
        self._related = root is not None and (
            root.is_relative_to(folder) or folder.is_relative_to(root)
        )

    def name(self, path: str) -> str:
        """A path that leads to the file from here; from elsewhere, and of a branch, as it is."""
        if self._root is None or not self._related:
            return path
        return os.path.relpath(self._root / path, self._folder)


def ordered(found: Sequence[catalog_pb2.Diagnostic]) -> list[catalog_pb2.Diagnostic]:
    """By file, line and column: the same diagnostics always come in the same order."""
    return sorted(found, key=lambda one: (one.path, one.line, one.column, one.code, one.message))


def text(one: catalog_pb2.Diagnostic, *, places: Places, files: Files, width: int) -> Text:
    """A diagnostic as a compiler says it, with the line that it is about where there is one."""
    severity = documents.severity(one.severity)
    style = _STYLES.get(severity, "")
    place = tables.plain(places.name(one.path), "bold")
    if one.line:
        place.append(f":{one.line}", style="cyan")
        if one.column:
            place.append(f":{one.column}", style="cyan")
    said = Text.assemble(place, ": ", (f"{severity}:", style), " ")
    said.append_text(tables.plain(one.message, "bold"))
    said.append(f" [{one.code}]", style="dim")
    line = files.line(one.path, one.line)
    number = str(one.line)
    margin = " " * len(number)
    shown = None
    if line is not None:
        whole = one.code not in _POINTS
        shown = excerpt(line, one.column, width=width - len(number) - 3, whole=whole)
    if shown is None:
        if one.remedy:
            said.append("\n    ").append_text(tables.plain(one.remedy, "dim"))
        return said
    said.append(f"\n{margin} |\n{number} | ", style=_GUTTER)
    said.append(shown.text)
    said.append(f"\n{margin} | ", style=_GUTTER)
    said.append(" " * shown.offset + "^" * shown.width, style=style)
    if one.remedy:
        said.append(f"\n{margin} = ", style=_GUTTER).append("help: ", style="bold")
        said.append_text(tables.plain(one.remedy))
    return said.append("\n")


def github(one: catalog_pb2.Diagnostic, *, places: Places) -> str:
    """A workflow command, by which GitHub shows the diagnostic beside the line."""
    properties = {"file": places.name(one.path)}
    if one.line:
        properties["line"] = str(one.line)
        if one.column:
            properties["col"] = str(one.column)
    properties["title"] = one.code
    message = f"{one.message}\n{one.remedy}" if one.remedy else one.message
    return command(_COMMANDS[documents.severity(one.severity)], message, **properties)


def command(level: str, message: str, **properties: str) -> str:
    """A workflow command of GitHub Actions.

    Args:
        level: `error`, `warning` or `notice`.
        message: What is shown; may have several lines.
        properties: E.g. `file`, `line`, `title`.
    """
    written = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {written}::{_escaped(message)}"


def _escaped(value: str) -> str:
    return harmless(value, colour=False).replace("%", "%25").replace("\n", "%0A")


def _property(value: str) -> str:
    return _escaped(value).replace(":", "%3A").replace(",", "%2C")


def summary(found: Sequence[catalog_pb2.Diagnostic], *, hidden: int = 0) -> str:
    """How many there are of each severity, and in how many files."""
    counts = Counter(documents.severity(one.severity) for one in found)
    words = [_count(counts["error"], "error"), _count(counts["warning"], "warning")]
    if counts["info"]:
        words.append(_count(counts["info"], "info"))
    said = ", ".join(words)
    if found:
        said += f" in {_count(len({one.path for one in found}), 'file')}"
    return f"{said} ({hidden} not shown)" if hidden else said


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
