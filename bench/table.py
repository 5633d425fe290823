"""What a measurement is, and how it is shown and kept."""

import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One measured number beside its alternative."""

    what: str
    """What was measured."""
    ours: str
    """Our figure, with its unit."""
    alternative: str
    """The alternative's figure, measured in the same rounds; empty where there is none."""
    ratio: float | None
    """Ours divided by the alternative's."""
    goal: str
    """What docs/measurements.md sets as goal; empty where there is none."""


def percentile(seconds: list[float], percent: float) -> float:
    """Percentile of durations, in milliseconds."""
    return float(np.percentile(np.asarray(seconds), percent) * 1000.0)


def milliseconds(seconds: list[float]) -> str:
    """Median and 95th percentile of durations, e.g. `12.3 ms (p95 20.1)`."""
    return f"{percentile(seconds, 50):.1f} ms (p95 {percentile(seconds, 95):.1f})"


def compare(what: str, ours: list[float], other: list[float], *, goal: str = "") -> Row:
    """A row of two lists of durations; the ratio is of the medians."""
    ratio = percentile(ours, 50) / percentile(other, 50)
    return Row(what, milliseconds(ours), milliseconds(other), ratio, goal)


def show(rows: list[Row], *, title: str) -> None:
    """Prints the rows as a table."""
    table = Table(title=title, title_justify="left", show_lines=False)
    for header in ("what", "ours", "alternative", "ratio", "goal"):
        table.add_column(header, justify="left" if header in {"what", "goal"} else "right")
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.3g}"
        table.add_row(row.what, row.ours, row.alternative, ratio, row.goal)
    console = Console()
    # Into a file or a narrow terminal too: a folded table is no table.
    Console(width=max(console.width, 130)).print(table)


def keep(rows: list[Row], path: Path) -> None:
    """Writes the rows, with what machine they come from, as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    machine = {"machine": platform.machine(), "python": platform.python_version()}
    path.write_text(json.dumps({**machine, "rows": [asdict(row) for row in rows]}, indent=2))
