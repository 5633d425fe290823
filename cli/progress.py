"""Live progress: of the start, of one check with its log, and of many checks at once."""

import asyncio
import time
from collections.abc import Iterable, Mapping

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ackrep.catalog.v1 import catalog_pb2
from ackrep.scheduler.v1 import check_pb2
from cli import documents, tables, verdicts
from cli.client import Client
from cli.screen import Screen

_MAX_OUTPUT = 1024 * 1024
_QUIET_SECONDS = 3.0
"""Where progress cannot be drawn in place, at most one line of it in so many seconds."""
_FINISHED = check_pb2.Check.STATE_FINISHED
_PREPARING = check_pb2.Check.STATE_PREPARING


class Notice:
    """Says what is being waited for: a spinner on terminals, a line for each new text elsewhere."""

    def __init__(self, screen: Screen, *, after: float = 0.4) -> None:
        self._screen = screen
        self._status = screen.err.status("") if screen.animated else None
        self._after = time.monotonic() + after
        self._shown = False

    def __call__(self, text: str) -> None:
        """Shows a text, unless the wait is too short to mention."""
        if self._status is None or time.monotonic() < self._after:
            return
        self._status.update(tables.plain(f"{text} …", "dim"))
        if not self._shown:
            self._status.start()
            self._shown = True

    def done(self, *, after: float = 0.4) -> None:
        """Removes it; the next wait is mentioned if it is longer than `after` seconds."""
        if self._status is not None and self._shown:
            self._status.stop()
        self._shown = False
        self._after = time.monotonic() + after


# One check --------------------------------------------------------------------------------------


class _Line:
    """The line of one check that is not finished: spinner, what it does, elapsed time."""

    def __init__(self, label: Text) -> None:
        self.label = label
        self.doing = "queued"
        self._spinner = Spinner("dots", style="cyan")
        self._since = time.monotonic()

    def cells(self) -> tuple[Spinner, Text, Text, Text]:
        """Spinner, what is checked, what it does, for how long."""
        elapsed = Text(f"{time.monotonic() - self._since:.0f} s")
        return self._spinner, self.label, tables.plain(self.doing), elapsed

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield _grid([self], width=options.max_width)


def _grid(lines: Iterable[_Line], *, width: int) -> Table:
    """Lines of checks at work, with their columns aligned; on narrow terminals titles give way."""
    room = max(width - 12, 20)
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    grid.add_column(no_wrap=True, overflow="ellipsis", max_width=room * 2 // 5)
    grid.add_column(no_wrap=True, overflow="ellipsis", style="dim", max_width=room * 3 // 5)
    grid.add_column(no_wrap=True, justify="right", style="dim")
    for line in lines:
        grid.add_row(*line.cells())
    return grid


class Watched:
    """What came of a watch of one check."""

    def __init__(self, check: check_pb2.Check) -> None:
        self.check = check
        self.output = ""
        """Its log, at most the first MiB."""


async def follow_check(
    client: Client, check: check_pb2.Check, *, label: Text, screen: Screen
) -> Watched:
    """Shows a check's log as it comes, and its progress, until it has a verdict."""
    watched = Watched(check)
    reused = bool(check.reused_from)  # what is shown happened long ago
    line = _Line(label)
    pending = ""
    said, said_at = "", 0.0
    with screen.live(line) as live:
        async for event in client.watch_check(check.name):
            body = event.WhichOneof("body")
            if body == "check_changed":
                watched.check = event.check_changed
                line.doing = documents.state(event.check_changed)
            elif body == "progress":
                line.doing = event.progress.message
            elif body == "log":
                if len(watched.output) < _MAX_OUTPUT:
                    watched.output += event.log.text
                if screen.json:
                    continue
                if live is None:
                    screen.log(event.log.text)
                else:  # whole lines, so that the progress below stays below
                    whole, newline, pending = (pending + event.log.text).rpartition("\n")
                    screen.log(whole + newline)
            elif body == "gap" and not screen.json:
                screen.end_line()
                lost, kind = event.gap.bytes, "bytes of output"
                if not lost:
                    lost, kind = event.gap.events, "events"
                screen.note(f"[{lost} {kind} were left out]")
            if live is None and not reused and body in {"check_changed", "progress"}:
                quiet = body == "progress" and time.monotonic() < said_at + _QUIET_SECONDS
                if line.doing not in {said, "finished"} and not quiet:
                    said, said_at = line.doing, time.monotonic()
                    screen.end_line()
                    screen.note(f"{label.plain}: {said}")
        if pending:
            screen.log(pending)
    screen.end_line()
    # Over the stream the check may come without all of its result.
    watched.check = await client.check(check.name)
    return watched


# Many checks ------------------------------------------------------------------------------------


class _Board:
    """Progress bar and counts, then one line for each check at work."""

    def __init__(self, total: int, *, title: str = "") -> None:
        self.total = total
        self.title = title
        self.checks: dict[str, check_pb2.Check] = {}
        self.lines: dict[str, _Line] = {}
        self._since = time.monotonic()

    @property
    def finished(self) -> list[check_pb2.Check]:
        return [check for check in self.checks.values() if check.state == _FINISHED]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        finished = self.finished
        head = Table.grid(padding=(0, 1))
        title = [Text(self.title, style="cyan")] if self.title else []
        head.add_row(
            *title,
            ProgressBar(
                total=max(self.total, 1),
                completed=len(finished),
                width=24,
                complete_style="cyan",
                finished_style="green",
            ),
            Text(f"{len(finished)}/{self.total}", style="bold"),
            _counts(finished),
            Text(f"{time.monotonic() - self._since:.0f} s", style="dim"),
        )
        room = max(options.height or console.height, 6) - 3
        yield Group(head, _grid([*self.lines.values()][:room], width=options.max_width))


def _counts(finished: list[check_pb2.Check]) -> Text:
    parts = []
    for verdict in check_pb2.Verdict.values():
        count = sum(check.verdict == verdict for check in finished)
        if count:
            word = verdicts.word(check_pb2.Verdict.ValueType(verdict))
            parts.append(Text(f"{count} {word.label}", style=word.style))
    return Text(" · ").join(parts)


async def follow_run(
    client: Client,
    run: check_pb2.Run,
    entities: Mapping[str, catalog_pb2.Entity],
    *,
    screen: Screen,
) -> list[check_pb2.Check]:
    """Shows the progress of a run until all its checks have verdicts; in the order they ended."""
    board = _Board(run.check_count)
    with screen.live(board) as live:
        return await _followed(client, run, board, entities, quiet=live is not None, screen=screen)


async def follow_runs(
    client: Client,
    runs: Mapping[str, check_pb2.Run],
    entities: Mapping[str, catalog_pb2.Entity],
    *,
    screen: Screen,
) -> None:
    """Shows the progress of several runs (by title) at once until all have ended."""
    boards = [_Board(run.check_count, title=title) for title, run in runs.items()]
    with screen.live(Group(*boards)) as live:
        async with asyncio.TaskGroup() as group:
            for run, board in zip(runs.values(), boards, strict=True):
                group.create_task(
                    _followed(client, run, board, entities, quiet=live is not None, screen=screen)
                )


async def _followed(
    client: Client,
    run: check_pb2.Run,
    board: _Board,
    entities: Mapping[str, catalog_pb2.Entity],
    *,
    quiet: bool,
    screen: Screen,
) -> list[check_pb2.Check]:
    order: list[str] = []
    watchers: dict[str, asyncio.Task[None]] = {}
    try:
        async for event in client.watch_run(run.name):
            check = event.check
            if not check.name:
                continue
            board.checks[check.name] = check
            board.total = max(event.run.check_count, board.total)
            if check.state == _FINISHED:
                if check.name not in order:
                    order.append(check.name)
                    if not quiet:
                        _say_finished(check, entities, len(order), board, screen)
                board.lines.pop(check.name, None)
            elif check.state != check_pb2.Check.STATE_QUEUED:
                line = board.lines.setdefault(check.name, _Line(label_of(check, entities)))
                line.doing = documents.state(check)
            _watch_preparation(client, check, board, watchers)
    finally:
        for task in watchers.values():
            task.cancel()
        await asyncio.gather(*watchers.values(), return_exceptions=True)
    return [board.checks[name] for name in order]


def _watch_preparation(
    client: Client,
    check: check_pb2.Check,
    board: _Board,
    watchers: dict[str, asyncio.Task[None]],
) -> None:
    """Follows a check while its environment is made, which may take minutes the first time."""
    if check.state != _PREPARING:
        if (task := watchers.pop(check.name, None)) is not None:
            task.cancel()
    elif check.name not in watchers:
        watchers[check.name] = asyncio.create_task(_show_preparation(client, check.name, board))


async def _show_preparation(client: Client, name: str, board: _Board) -> None:
    await asyncio.sleep(1.0)
    async for event in client.watch_check(name):
        line = board.lines.get(name)
        if line is not None and event.WhichOneof("body") == "progress":
            line.doing = event.progress.message


def _say_finished(
    check: check_pb2.Check,
    entities: Mapping[str, catalog_pb2.Entity],
    number: int,
    board: _Board,
    screen: Screen,
) -> None:
    word = verdicts.word(check.verdict)
    title = f"{board.title} " if board.title else ""
    text = Text(f"{title}[{number:>{len(str(board.total))}}/{board.total}] ", style="dim")
    text.append_text(label_of(check, entities)).append("  ").append(word.label, style=word.style)
    text.append(f"  {tables.took(check)}", style="dim")
    screen.err.print(text, soft_wrap=True)


def label_of(check: check_pb2.Check, entities: Mapping[str, catalog_pb2.Entity]) -> Text:
    """Key and title of what is checked."""
    key = documents.last(check.entity)
    entity = entities.get(key)
    label = Text(key, style="cyan")
    if entity is not None and entity.title:
        label.append(" ").append_text(tables.plain(entity.title, "default"))
    return label
