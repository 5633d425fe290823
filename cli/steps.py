"""Progress of one long piece of work: a bar, and the last lines that it said."""

import time
from collections import deque
from collections.abc import AsyncIterator
from typing import TypeVar

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ackrep.runner.v1 import environment_pb2
from cli import tables
from cli.screen import Screen

_LINES = 5
_NOTE_SECONDS = 5.0
"""Where nothing can be drawn in place, a line at most so often."""


Step = TypeVar(
    "Step",
    environment_pb2.BuildEnvironmentResponse,
    environment_pb2.PrepareEnvironmentResponse,
    environment_pb2.PullEnvironmentResponse,
    environment_pb2.PushEnvironmentResponse,
)
"""A message of a runner about work that goes on."""


class _Board:
    """What is drawn in place."""

    def __init__(self, title: str, *, lines: int) -> None:
        self.title = title
        self.fraction: float | None = None
        self.last: deque[str] = deque(maxlen=lines)
        self._spinner = Spinner("dots", style="cyan")
        self._since = time.monotonic()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        head = Table.grid(padding=(0, 1))
        elapsed = Text(f"{time.monotonic() - self._since:.0f} s", style="dim")
        if self.fraction is None:
            head.add_row(self._spinner, Text(self.title, style="bold"), elapsed)
        else:
            bar = ProgressBar(
                total=1.0,
                completed=self.fraction,
                width=24,
                complete_style="cyan",
                finished_style="green",
            )
            percent = Text(f"{self.fraction:4.0%}")
            head.add_row(self._spinner, Text(self.title, style="bold"), bar, percent, elapsed)
        lines = [tables.plain(f"  {line}", "dim") for line in self.last]
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        yield Group(head, *lines)


async def follow(
    steps: AsyncIterator[Step], *, title: str, screen: Screen, verbose: bool = False
) -> Step | None:
    """Shows steps until the work is done; returns the last one.

    Args:
        steps: As they come.
        title: What is done.
        screen: Where to show it; nothing of it goes to standard output.
        verbose: Every line is kept on the screen.
    """
    board = _Board(title, lines=0 if verbose else _LINES)
    last: Step | None = None
    said, said_at = "", 0.0
    with screen.live(board) as live:
        async for step in steps:
            last = step
            board.fraction = step.fraction if step.HasField("fraction") else None
            if not step.message or step.message == said:
                continue
            board.last.append(step.message)
            due = live is None and time.monotonic() > said_at + _NOTE_SECONDS
            said = step.message
            if verbose or due:
                said_at = time.monotonic()
                screen.note(said)
    return last
