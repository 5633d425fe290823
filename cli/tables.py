"""Tables and panels of results."""

from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2
from cli import documents, verdicts
from cli.screen import harmless

WIDE = 100
"""From so many columns on, tables have their less important columns."""
_PLAIN_VERDICTS = (check_pb2.VERDICT_SUCCESS, check_pb2.VERDICT_CANCELLED)
"""Verdicts that say all by themselves."""


def plain(text: str, style: str = "") -> Text:
    """Text of others: one line, without control characters or markup."""
    return Text(" ".join(harmless(text, colour=False).split()), style=style)


def _shrinking(text: str, style: str = "") -> Text:
    """Text in a column that gives way first where the terminal is too narrow."""
    found = plain(text, style)
    found.no_wrap, found.overflow = True, "ellipsis"
    return found


def new_table() -> Table:
    """An empty table in the style of all."""
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")


def entity_table(entities: Iterable[catalog_pb2.Entity], *, width: int) -> Table:
    """Entities: key, type, title; on wide terminals also description."""
    table = new_table()
    table.add_column("Key", style="cyan", no_wrap=True)
    table.add_column("Type", no_wrap=True)
    table.add_column("Title")
    if width >= WIDE:
        table.add_column("Description", style="dim")
    for entity in entities:
        row: list[RenderableType] = [
            plain(entity.key),
            plain(documents.entity_type(entity.type).replace("_", " ")),
            _shrinking(entity.title),
        ]
        if width >= WIDE:
            row.append(_shrinking(entity.short_description))
        table.add_row(*row)
    return table


def verdict_text(verdict: check_pb2.Verdict.ValueType) -> Text:
    """A verdict in its colour."""
    word = verdicts.word(verdict)
    return Text(word.label, style=word.style)


def verdict_table(
    checks: Sequence[check_pb2.Check],
    entities: Mapping[str, catalog_pb2.Entity],
    *,
    width: int,
) -> RenderableType:
    """Finished checks: verdict, time and what went wrong.

    On narrow terminals what went wrong follows below the table.
    """
    wide = width >= WIDE
    table = new_table()
    table.add_column("Key", style="cyan", no_wrap=True)
    table.add_column("Title")
    table.add_column("Type", no_wrap=True, style="dim")
    table.add_column("Verdict", no_wrap=True)
    table.add_column("Seconds", justify="right", no_wrap=True)
    if wide:
        table.add_column("Message", style="dim")
    below: list[Text] = []
    for check in checks:
        key = documents.last(check.entity)
        entity = entities.get(key, catalog_pb2.Entity())
        message = "" if check.verdict in _PLAIN_VERDICTS else check.result.message
        row: list[RenderableType] = [
            plain(key),
            _shrinking(entity.title),
            plain(documents.entity_type(entity.type).replace("_", " ")),
            verdict_text(check.verdict),
            Text("reused", "dim") if check.reused_from else Text(run_seconds(check)),
        ]
        if wide:
            row.append(_shrinking(message))
        elif message:
            below.append(Text.assemble((f"{key}  ", "cyan"), plain(message, "dim")))
        table.add_row(*row)
    return Group(table, *below) if below else table


def run_seconds(check: check_pb2.Check) -> str:
    """How long the check's code ran, in seconds; a dash where it never did."""
    if not (check.HasField("start_time") and check.HasField("finish_time")):
        return "-"
    ran = check.finish_time.ToMicroseconds() - check.start_time.ToMicroseconds()
    return f"{max(ran, 0) / 1e6:.1f}"


def when(check: check_pb2.Check) -> str:
    """When a check finished; when it was asked for, until then."""
    stamp = check.finish_time if check.HasField("finish_time") else check.create_time
    return stamp.ToDatetime().strftime("%Y-%m-%d %H:%M UTC")


def took(check: check_pb2.Check) -> str:
    """How long the check's code ran, with the unit; `reused` where it did not have to."""
    return "reused" if check.reused_from else f"{run_seconds(check)} s"


def reuse_line(checks: Sequence[check_pb2.Check]) -> Text | None:
    """How many of the checks did not have to run; none where all did."""
    reused = sum(bool(check.reused_from) for check in checks)
    if not reused:
        return None
    ran = len(checks) - reused
    text = Text(f"{reused} result{'s' * (reused != 1)} reused, ")
    text.append(f"{ran} ran" if ran else "nothing had to run", "bold")
    return text.append("  (ackrep explain KEY says why; --force runs all)", "dim")


def summary(checks: Sequence[check_pb2.Check], *, elapsed: float) -> Text:
    """One line: how many checks ended in each way."""
    text = Text(f"{len(checks)} check{'s' * (len(checks) != 1)} in {elapsed:.1f} s: ")
    counts = {
        verdict: sum(check.verdict == verdict for check in checks)
        for verdict in check_pb2.Verdict.values()
    }
    parts = [(count, verdict) for verdict, count in counts.items() if count]
    for number, (count, verdict) in enumerate(parts):
        text.append(", " if number else "")
        word = verdicts.word(check_pb2.Verdict.ValueType(verdict))
        text.append(f"{count} {word.label or 'without verdict'}", style=word.style)
    return text


def history_table(checks: Iterable[check_pb2.Check]) -> Table:
    """Checks of one entity, newest first."""
    table = new_table()
    table.add_column("When", no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    table.add_column("Seconds", justify="right", no_wrap=True)
    table.add_column("Revision", no_wrap=True, style="dim")
    table.add_column("Check", no_wrap=True, style="cyan", overflow="fold")
    for check in checks:
        finished = check.state == check_pb2.Check.STATE_FINISHED
        commit = check.commit[:10] or f"{documents.last(check.revision)[:10]}*"
        table.add_row(
            check.create_time.ToDatetime().strftime("%Y-%m-%d %H:%M"),
            verdict_text(check.verdict) if finished else Text(documents.state(check), "dim"),
            ("reused" if check.reused_from else run_seconds(check)) if finished else "",
            commit,
            documents.last(check.name),
        )
    return table


def run_table(runs: Iterable[check_pb2.Run]) -> Table:
    """Runs, newest first."""
    table = new_table()
    table.add_column("When", no_wrap=True)
    table.add_column("Run", no_wrap=True, style="cyan")
    table.add_column("Finished", justify="right", no_wrap=True)
    table.add_column("Verdicts")
    table.add_column("Title")
    for run in runs:
        ways = Text(", ").join(
            Text(
                f"{one.count} {verdicts.word(one.verdict).label}", verdicts.word(one.verdict).style
            )
            for one in run.verdicts
        )
        table.add_row(
            run.create_time.ToDatetime().strftime("%Y-%m-%d %H:%M"),
            documents.last(run.name),
            f"{run.finished_count}/{run.check_count}",
            ways,
            _shrinking(run.title),
        )
    return table


def size(count: int) -> str:
    """Bytes, for people."""
    if count < 1024:
        return f"{count} B"
    if count < 1024**3:
        return f"{count / 1024:.0f} kB" if count < 1024**2 else f"{count / 1024**2:.1f} MB"
    return f"{count / 1024**3:.2f} GB"


def facts(rows: Iterable[tuple[str, RenderableType | str]]) -> Table:
    """Names and values in two columns; empty values are left out."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        if value:
            table.add_row(name, plain(value) if isinstance(value, str) else value)
    return table


def panel(content: RenderableType, *, title: str) -> Panel:
    """A frame around the answer to one question."""
    return Panel(content, title=title, title_align="left", border_style="cyan", expand=False)
