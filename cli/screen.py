"""The terminal: results on standard output, progress on standard error, text made harmless."""

import contextlib
import re
import sys
from collections.abc import Iterator
from typing import TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

# Escape sequences other than colours and styles, and control characters but tab and line feed:
# the output of an entity must not move the cursor, set titles or write to the clipboard.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ESCAPE = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles, links, the clipboard
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # cursor and modes
    r"|\x1b."
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def harmless(text: str, *, colour: bool) -> str:
    """Removes what would control a terminal; keeps colours if there are any."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = []
    position = 0
    for match in _COLOUR.finditer(text):
        kept.append(_plain(text[position : match.start()]))
        kept.append(match.group() if colour else "")
        position = match.end()
    kept.append(_plain(text[position:]))
    return "".join(kept)


def _plain(text: str) -> str:
    return _CONTROL.sub("", _ESCAPE.sub("", text))


class Screen:
    """Where a command writes."""

    def __init__(self, *, json: bool = False, colour: bool = True) -> None:
        self.json = json
        options = {} if colour else {"no_color": True, "color_system": None}
        self.out = Console(highlight=False, soft_wrap=False, **options)  # type: ignore[arg-type]
        self.err = Console(stderr=True, highlight=False, **options)  # type: ignore[arg-type]
        self._live: Live | None = None
        self._at_line_start = True

    @property
    def animated(self) -> bool:
        """True if progress can be drawn in place."""
        return (
            self._progress_console().is_terminal and not self._progress_console().is_dumb_terminal
        )

    def _progress_console(self) -> Console:
        """One console for both where both are the same terminal, so that Rich keeps order."""
        if not self.json and self.out.is_terminal:
            return self.out
        return self.err

    @contextlib.contextmanager
    def live(self, renderable: RenderableType) -> Iterator[Live | None]:
        """Draws progress in place while the block runs; yields none where that cannot be."""
        if not self.animated:
            yield None
            return
        live = Live(
            renderable, console=self._progress_console(), transient=True, refresh_per_second=10
        )
        with live:
            self._live = live
            try:
                yield live
            finally:
                self._live = None

    def note(self, text: str, *, style: str = "dim") -> None:
        """A line of progress."""
        console = self._progress_console() if self._live else self.err
        console.print(
            Text(" ".join(harmless(text, colour=False).split()), style=style), soft_wrap=True
        )

    def log(self, text: str) -> None:
        """Output of an entity, as it comes; whole lines only while progress is drawn."""
        clean = harmless(text, colour=self.out.color_system is not None)
        if not clean:
            return
        if self._live is not None and self._live.console is self.out:
            self.out.print(Text.from_ansi(clean.rstrip("\n")), soft_wrap=True)
        else:
            stream: TextIO = sys.stdout
            stream.write(clean)
            stream.flush()
        self._at_line_start = clean.endswith("\n") or self._live is not None

    def end_line(self) -> None:
        """Begins a new line if output ended within one."""
        if not self._at_line_start:
            sys.stdout.write("\n")
            sys.stdout.flush()
            self._at_line_start = True

    def print(self, *parts: RenderableType, soft_wrap: bool = False) -> None:
        """A result."""
        for part in parts:
            if self.out.is_terminal:
                self.out.print(part, soft_wrap=soft_wrap)
                continue
            with self.out.capture() as drawn:  # in files and pipes, no padding at the ends of lines
                self.out.print(part, soft_wrap=soft_wrap)
            for line in drawn.get().splitlines():
                sys.stdout.write(line.rstrip() + "\n")
        sys.stdout.flush()
