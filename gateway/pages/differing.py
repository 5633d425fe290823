"""Unified diffs as rows: what a page needs to draw them, and a screen reader to read them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ackrep.catalog.v1 import proposal_pb2

MOST_ROWS: Final = 400
"""Rows of a file that a page draws; the API has more."""
LONGEST_ROW: Final = 1000
_HUNK: Final = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@(.*)")


@dataclass(frozen=True)
class Row:
    """One line of a diff."""

    kind: str
    """`added`, `removed`, `same`, or `hunk` where lines are left out before it."""
    old: int
    """Line before, from 1; 0 where it was not there."""
    new: int
    """Line after; 0 where it is gone."""
    text: str


@dataclass(frozen=True)
class Drawn:
    """A file that differs, ready to be drawn."""

    file: proposal_pb2.FileDiff
    rows: Sequence[Row]
    cut: bool
    """Whether there is more than is drawn."""
    added: int
    removed: int


def drawn(file: proposal_pb2.FileDiff) -> Drawn:
    """Reads the hunks of a file."""
    rows: list[Row] = []
    added = removed = old = new = 0
    for line in file.text.split("\n"):
        if (hunk := _HUNK.match(line)) is not None:
            old, new = int(hunk[1]), int(hunk[2])
            rows.append(Row("hunk", 0, 0, hunk[3].strip()[:LONGEST_ROW]))
            continue
        text = line[1 : LONGEST_ROW + 1]
        match line[:1]:
            case "+":
                rows.append(Row("added", 0, new, text))
                added, new = added + 1, new + 1
            case "-":
                rows.append(Row("removed", old, 0, text))
                removed, old = removed + 1, old + 1
            case " ":
                rows.append(Row("same", old, new, text))
                old, new = old + 1, new + 1
    cut = file.truncated or len(rows) > MOST_ROWS
    return Drawn(file, rows[:MOST_ROWS], cut, added, removed)
