"""Runs beside each other: the verdict of each entity in each run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.scheduler.domain.check import Verdict

DEFAULT_RUNS = 20
MOST_RUNS = 200
DEFAULT_ROWS = 500
MOST_ROWS = 1000
MOST_CELLS = 50_000
"""Of one page: as a message, about 2.5 MB."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One check in one run."""

    run: str
    entity: str
    check: str
    verdict: Verdict | None
    """None until finished."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """An entity in all runs."""

    entity: str
    cells: tuple[tuple[int, Cell], ...]
    """With the number of the column, in order of columns."""


def rows_that_fit(asked: int, *, columns: int) -> int:
    """Gives the number of rows of a page of so many columns; at least one."""
    return max(1, min(asked, MOST_CELLS // max(columns, 1)))


def rows(cells: Iterable[Cell], *, runs: Sequence[str]) -> list[Row]:
    """Arranges cells in rows by entity, columns in the order of `runs`.

    Where a run has several checks of an entity, the newest counts.
    """
    columns = {run: number for number, run in enumerate(runs)}
    found: dict[str, dict[int, Cell]] = {}
    for cell in cells:
        row = found.setdefault(cell.entity, {})
        column = columns[cell.run]
        if column not in row or cell.check > row[column].check:
            row[column] = cell
    return [
        Row(entity=entity, cells=tuple(sorted(row.items(), key=lambda item: item[0])))
        for entity, row in sorted(found.items())
    ]
