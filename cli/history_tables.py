"""History as tables and as JSON documents.

With `--json`, groups and points are the protobuf JSON of their messages with `verdict` in lower
case (e.g. `script_error`) and `key` or `keys` beside the names of entities; a row of the matrix is
one entity: `key`, and `cells` with `run` (its name), `time`, `verdict` and `check`.
"""

from collections.abc import Sequence
from datetime import UTC
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ackrep.scheduler.v1 import check_pb2, history_pb2
from cli import documents, tables, verdicts
from cli.screen import harmless
from cli.times import ago

_GLYPHS = {
    check_pb2.VERDICT_UNSPECIFIED: "…",
    check_pb2.VERDICT_SUCCESS: "●",
    check_pb2.VERDICT_INACCURATE: "▲",
    check_pb2.VERDICT_SCRIPT_ERROR: "✗",
    check_pb2.VERDICT_TIMED_OUT: "T",
    check_pb2.VERDICT_LIMIT_EXCEEDED: "L",
    check_pb2.VERDICT_INFRASTRUCTURE_ERROR: "I",
    check_pb2.VERDICT_CANCELLED: "c",
}
_KEYS_SHOWN = 6
_COMMIT_DIGITS = 10
_KEY_WIDTH = 7
"""Of the matrix's first column: a key and two spaces."""


def time(stamp: Timestamp) -> str:
    """A time in UTC, to the minute."""
    return stamp.ToDatetime(UTC).strftime("%Y-%m-%d %H:%M")


def environment(digest: str) -> str:
    """A digest in short; a version as it is."""
    return digest.removeprefix("sha256:")[:12] if digest.startswith("sha256:") else digest


def group_table(groups: Sequence[history_pb2.FailureGroup], *, width: int) -> Table:
    """Causes of failures, largest first."""
    wide = width >= tables.WIDE
    table = _table()
    table.add_column("Checks", justify="right", no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    table.add_column("Cause", ratio=3)
    table.add_column("Entities", style="cyan", ratio=2)
    if wide:
        table.add_column("First seen", no_wrap=True, style="dim")
    for group in groups:
        keys = [documents.last(name) for name in group.entities]
        more = f" and {len(keys) - _KEYS_SHOWN} more" if len(keys) > _KEYS_SHOWN else ""
        row: list[RenderableType] = [
            Text(str(group.count), style="bold"),
            tables.verdict_text(group.verdict),
            tables.plain(group.title),
            Text(" ".join(keys[:_KEYS_SHOWN])).append(more, style="dim"),
        ]
        if wide:
            seen = group.first_seen
            row.append(Text(f"{time(seen.time)}\n{seen.commit[:_COMMIT_DIGITS]}"))
        table.add_row(*row)
    return table


def _table() -> Table:
    """Its columns with a ratio take what room the others leave."""
    return Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        header_style="bold",
        expand=True,
    )


def excerpts(groups: Sequence[history_pb2.FailureGroup]) -> list[RenderableType]:
    """The end of an example's traceback of each group that has one."""
    found: list[RenderableType] = []
    for group in groups:
        if not group.excerpt:
            continue
        head = Text.assemble((f"{group.count}x ", "bold"), tables.plain(group.title))
        lines = [
            Text("  " + harmless(line, colour=False), style="dim")
            for line in group.excerpt.splitlines()
        ]
        found += [Text(), head, Text(f"  {group.example}", style="cyan"), *lines]
    return found


def history_card(history: history_pb2.EntityHistory) -> RenderableType:
    """How an entity fared, in a few lines."""
    rows: list[tuple[str, RenderableType | str]] = [
        ("entity", Text(documents.last(history.entity), style="bold cyan"))
    ]
    if history.HasField("newest"):
        newest = Text.assemble(
            tables.verdict_text(history.newest.verdict), "  ", _where(history.newest)
        )
        rows.append(("now", newest))
        rows.append(("cause", history.title))
    if history.HasField("passed_last"):
        rows.append(("passed last", _where(history.passed_last)))
    else:
        rows.append(("passed last", Text("never", style="red")))
    if history.HasField("failing_since"):
        rows.append(("failing since", _where(history.failing_since)))
    rows.append(("finished checks", str(history.check_count)))
    return tables.facts(rows)


def _where(seen: history_pb2.Sighting) -> Text:
    parts = [
        f"commit {seen.commit[:_COMMIT_DIGITS]}" if seen.commit else "",
        environment(seen.environment_digest),
    ]
    known = ", ".join(part for part in parts if part)
    when = seen.time.ToDatetime(UTC)
    return Text.assemble(
        time(seen.time), (f" ({ago(when)})", "dim"), (f"  {known}" if known else "", "dim")
    )


def point_table(points: Sequence[history_pb2.HistoryPoint], *, width: int) -> Table:
    """Checks of an entity, newest first."""
    table = _table()
    table.add_column("When", no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    table.add_column("Seconds", justify="right", no_wrap=True)
    errors = any(point.HasField("error") for point in points)
    if errors:
        table.add_column("Largest error", justify="right", no_wrap=True)
    table.add_column("Commit", no_wrap=True, style="dim")
    if width >= tables.WIDE:
        table.add_column("Environment", style="dim", no_wrap=True)
        table.add_column("Cause", no_wrap=True, overflow="ellipsis", ratio=1)
    else:
        table.add_column("", ratio=1)
    for point in points:
        seen = point.sighting
        row: list[RenderableType] = [
            time(seen.time),
            tables.verdict_text(seen.verdict),
            f"{point.seconds:.1f}" if point.HasField("seconds") else "-",
        ]
        if errors:
            row.append(f"{point.error:.2g}" if point.HasField("error") else "-")
        row.append(seen.commit[:_COMMIT_DIGITS])
        if width >= tables.WIDE:
            row += [environment(seen.environment_digest), tables.plain(point.title)]
        else:
            row.append("")
        table.add_row(*row)
    return table


def matrix_drawing(matrix: history_pb2.VerdictMatrix, *, width: int) -> RenderableType:
    """Runs beside each other, a character each; only the newest ones where not all fit."""
    count = len(matrix.columns)
    step = 2 if _KEY_WIDTH + 2 * count <= width else 1
    shown = min(count, max(1, (width - _KEY_WIDTH) // step))
    first = count - shown
    days = [f"{column.run.create_time.ToDatetime():%m%d}" for column in matrix.columns[first:]]
    gap = " " * (step - 1)
    lines = [
        Text((name.ljust(_KEY_WIDTH) + gap.join(day[place] for day in days)), style="dim")
        for place, name in enumerate(("month", "", "day", ""))
    ]
    for row in matrix.rows:
        cells = {cell.column - first: cell.verdict for cell in row.cells}
        line = Text(documents.last(row.entity).ljust(_KEY_WIDTH), style="cyan")
        for column in range(shown):
            verdict = cells.get(column)
            glyph = " " if verdict is None else _GLYPHS.get(verdict, "?")
            style = "" if verdict is None else verdicts.word(verdict).style
            line.append(glyph, style=style)
            line.append(gap if column + 1 < shown else "")
        lines.append(line)
    used = {cell.verdict for row in matrix.rows for cell in row.cells}
    legend = Text("   ").join(
        Text.assemble(
            (glyph, verdicts.word(verdict).style), f" {verdicts.word(verdict).label or 'pending'}"
        )
        for verdict, glyph in _GLYPHS.items()
        if verdict in used
    )
    notes: list[RenderableType] = [Text(), legend]
    if first:
        text = f"the newest {shown} of {count} runs fit; --json has all"
        notes.append(Text(text, style="dim"))
    return Group(*lines, *notes)


def matrix_summary(matrix: history_pb2.VerdictMatrix) -> str:
    """What a matrix is of, in one line."""
    entities, runs = len(matrix.rows), len(matrix.columns)
    text = f"{entities} {'entity' if entities == 1 else 'entities'}, {runs} run{'s' * (runs != 1)}"
    times = [column.run.create_time.ToDatetime() for column in matrix.columns]
    return f"{text}, {min(times):%Y-%m-%d} to {max(times):%Y-%m-%d}" if times else text


def group_document(group: history_pb2.FailureGroup) -> dict[str, Any]:
    """A group as JSON."""
    return {
        **_fields(group),
        "verdict": verdicts.word(group.verdict).name,
        "keys": [documents.last(name) for name in group.entities],
    }


def history_document(history: history_pb2.EntityHistory) -> dict[str, Any]:
    """How an entity fared, as JSON."""
    document = {**_fields(history), "key": documents.last(history.entity)}
    for name in ("newest", "passed_last", "failing_since"):
        if history.HasField(name):
            sighting: history_pb2.Sighting = getattr(history, name)
            json_name = history.DESCRIPTOR.fields_by_name[name].json_name
            document[json_name]["verdict"] = verdicts.word(sighting.verdict).name
    return document


def point_document(point: history_pb2.HistoryPoint) -> dict[str, Any]:
    """A finished check as JSON."""
    seen = point.sighting
    document = _fields(point)
    del document["sighting"]
    return {
        **_fields(seen),
        **document,
        "key": documents.last(seen.entity),
        "verdict": verdicts.word(seen.verdict).name,
    }


def row_document(row: history_pb2.MatrixRow, matrix: history_pb2.VerdictMatrix) -> dict[str, Any]:
    """A row of the matrix as JSON."""
    return {
        "key": documents.last(row.entity),
        "cells": [
            {
                "run": matrix.columns[cell.column].run.name,
                "time": matrix.columns[cell.column].run.create_time.ToJsonString(),
                "verdict": verdicts.word(cell.verdict).name,
                "check": cell.check,
            }
            for cell in row.cells
        ],
    }


def _fields(message: Any) -> dict[str, Any]:
    return MessageToDict(message, always_print_fields_with_no_presence=False)
