"""The line of a file that a diagnostic is about, with marks below it, as compilers draw it."""

import dataclasses
import os
import re
import stat
from pathlib import Path
from typing import Final

from rich.cells import cell_len, set_cell_size

_MAX_BYTES: Final = 1024 * 1024
"""Larger files are not opened for one line."""
_LINE_END: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""Where YAML begins a new line."""
_UNSEEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]"
)
_TAB: Final = " " * 4
_TOKEN: Final = re.compile(
    r"""'(?:[^']|'')*'"""
    r'''|"(?:[^"\\]|\\.)*"'''
    r"|[A-Za-z_][\w-]*(?=\s*:(?:\s|$))"
    r"|[^\s,\[\]{}#][^,\[\]{}#]*"
)
_TEXT: Final = re.compile(r"\S.*?(?=\s+#|\s*$)")
_KEPT: Final = 12
"""Characters before the marks that are shown of a line that is too long."""


@dataclasses.dataclass(frozen=True)
class Excerpt:
    """One line of a file as it can be shown, and where the marks go."""

    text: str
    offset: int
    """Columns of the terminal before the marks."""
    width: int
    """Columns of the terminal that are marked."""


class Files:
    """Reads lines of the files of a data repository on this machine, each file once.

    Args:
        root: Folder of the data repository; none where there is none, and nothing is found.
    """

    def __init__(self, root: Path | None) -> None:
        self._root = root.resolve() if root is not None else None
        self._path = ""
        self._lines: list[str] = []

    def line(self, path: str, number: int) -> str | None:
        """A line, from 1, of a file below the root; none where it cannot be read."""
        if self._root is None or number < 1:
            return None
        if path != self._path:
            self._path, self._lines = path, self._read(self._root, path)
        return self._lines[number - 1] if number <= len(self._lines) else None

    def _read(self, root: Path, path: str) -> list[str]:
        try:
            place = root / path
            if place.is_symlink() or not place.resolve().is_relative_to(root):
                return []
            handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(handle, "rb") as file:
                status = os.fstat(handle)
                if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
                    return []
                content = file.read(_MAX_BYTES)
        except (OSError, ValueError):
            return []
        return _LINE_END.split(content.decode("utf-8-sig", errors="replace"))


def excerpt(line: str, column: int, *, width: int, whole: bool) -> Excerpt | None:
    """What is shown of a line.

    Args:
        line: The line.
        column: Where the marks begin, from 1; 0 marks nothing.
        width: Columns of the terminal there are.
        whole: Mark the word or value there, not one character only.
    """
    if not line.strip() or column > len(line) + 1 or width < _KEPT:
        return None
    start = max(column - 1, 0)
    marked = _marked(line, start) if whole and column else 1
    before, inside, after = (
        _shown(part)
        for part in (line[:start], line[start : start + marked], line[start + marked :])
    )
    offset, size = cell_len(before), max(cell_len(inside), 1)
    text = (before + inside + after).rstrip()
    if cell_len(text) > width and offset + size > width - 1:
        cut = len(before) - _KEPT
        if cut > 0:
            text, offset = f"…{text[cut:]}", cell_len(before[cut:]) + 1
    if cell_len(text) > width:
        text = set_cell_size(text, width - 1).rstrip() + "…"
    size = max(min(size, width - offset), 1)
    return Excerpt(text=text, offset=offset, width=size if column else 0)


def _marked(line: str, start: int) -> int:
    """How many characters the word or value at a place has."""
    rest = line[start:]
    in_brackets = line[:start].count("[") + line[:start].count("{") > line[:start].count(
        "]"
    ) + line[:start].count("}")
    quoted_or_name = rest[:1] in ("'", '"') or re.match(r"[A-Za-z_][\w-]*\s*:(?:\s|$)", rest)
    found = (_TOKEN if in_brackets or quoted_or_name else _TEXT).match(rest)
    return len(found[0].rstrip()) if found is not None else 1


def _shown(text: str) -> str:
    """Text without anything that would move the cursor or hide."""
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text.replace("\t", _TAB))
