"""The overview matrix as HTML: entities down, runs across.

It is written by hand, not by a template: it has thousands of cells, and each of them counts.
"""

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup, escape

from ackrep.scheduler.v1 import check_pb2, history_pb2
from gateway.pages import formats, words

_V = check_pb2.Verdict
CODES: Mapping[int, str] = {
    _V.VERDICT_UNSPECIFIED: "q",
    _V.VERDICT_SUCCESS: "s",
    _V.VERDICT_INACCURATE: "i",
    _V.VERDICT_SCRIPT_ERROR: "e",
    _V.VERDICT_TIMED_OUT: "t",
    _V.VERDICT_LIMIT_EXCEEDED: "l",
    _V.VERDICT_INFRASTRUCTURE_ERROR: "f",
    _V.VERDICT_CANCELLED: "c",
}
"""Style classes of cells: one letter each, since there are so many."""
_OPEN = "not finished yet"


@dataclass(frozen=True, kw_only=True)
class Band:
    """Runs beside each other that have something in common: a commit, or an environment."""

    label: str
    """In short; empty where nothing is known."""
    full: str
    span: int
    number: int


def bands(values: Sequence[Sequence[str]]) -> list[Band]:
    """Joins equal neighbours.

    Args:
        values: What each column has, in full; several where it has several.
    """
    found: list[Band] = []
    for value, some in groupby(map(tuple, values)):
        label = ", ".join(_tail(one) for one in value[:2]) + (" …" if len(value) > 2 else "")
        band = Band(label=label, full=", ".join(value), span=len(list(some)), number=len(found))
        found.append(band)
    return found


def _tail(value: str) -> str:
    """The end of an environment's or commit's name that tells it from others."""
    name, at, digest = value.partition("@")
    return digest.removeprefix("sha256:")[:7] if at else name.rpartition(":")[2][:14]


def table(
    matrix: history_pb2.VerdictMatrix,
    *,
    titles: Mapping[str, str],
    causes: Mapping[int, str],
    picked: Collection[int] = (),
) -> Markup:
    """Writes the rows of the matrix, one `<tr>` for each entity.

    Args:
        matrix: Columns and rows.
        titles: Titles of entities by name; of those that are no more there is none.
        causes: What a cell says of its cause, by number.
        picked: Numbers of causes whose cells stand out.
    """

    @functools.cache
    def around(verdict: int, cause: int) -> tuple[str, str]:
        """What stands before and after the name of a check: the same for thousands of cells."""
        said = words.verdict_word(verdict).label if verdict else _OPEN
        about = causes.get(cause, said)
        said = said if about == said else f"{said}: {about}"
        code = CODES.get(verdict, "q") + (" hit" if cause in picked else "")
        return f'<a class="{code}" href="/', f'" title="{escape(said)}"></a>'

    width = len(matrix.columns)
    rows = []
    for row in matrix.rows:
        parts = [_head(row.entity, titles.get(row.entity, ""))]
        place = 0
        for cell in row.cells:
            begin, end = around(cell.verdict, cell.cause)
            parts += ("<td>" * (cell.column - place + 1), begin, escape(cell.check), end)
            place = cell.column + 1
        parts.append("<td>" * (width - place))
        rows.append("".join(parts))
    return Markup("\n".join(rows))  # noqa: S704  # all of it is escaped above


def _head(entity: str, title: str) -> str:
    key, text = escape(formats.last(entity)), escape(title)
    about = f' title="{text}"' if title else ""
    return f'<tr><th scope="row"{about}><a href="/e/{key}">{key}</a> {text}'
