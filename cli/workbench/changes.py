"""What a session changed, as it came back, and as it is shown. Nothing is written yet."""

import dataclasses
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from rich.table import Table
from rich.text import Text

from ackrep.runner.v1 import workbench_pb2
from cli import tables
from cli.workbench import paths
from cli.workbench.outgoing import SentFile

Kind = Literal["new", "changed", "removed"]

_STYLES = {"new": "green", "changed": "yellow", "removed": "red"}


@dataclasses.dataclass
class Change:
    """One file that is not as it was sent."""

    path: str
    kind: Kind
    executable: bool = False
    link: str = ""
    """Target of a link; then there is no content."""
    size: int = 0
    content: Path | None = None
    """Where its content lies meanwhile."""


class Changes:
    """All changes of a session; a context manager that keeps their content.

    Args:
        sent: What was sent.
    """

    def __init__(self, sent: Mapping[str, SentFile]) -> None:
        self.sent = sent
        self.skipped: list[str] = []
        """What was left out, for people to read."""
        self._folder = Path(tempfile.mkdtemp(prefix="ackrep-session-"))
        self._changes: dict[str, Change] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def __len__(self) -> int:
        return len(self._changes)

    @property
    def all(self) -> list[Change]:
        """In the order of their paths."""
        return [self._changes[path] for path in sorted(self._changes)]

    def clear(self) -> None:
        """Forgets what came: it is asked for again."""
        self.skipped.clear()
        self._changes.clear()

    def add(self, part: workbench_pb2.WorkbenchFile) -> None:
        """Takes a part of a file. What must not be written here is left out, and named."""
        reason = paths.fault(part.path) or (
            paths.link_fault(part.path, part.link) if part.link else ""
        )
        if reason:
            if not part.more:
                self.skipped.append(f"{part.path!a}: {reason}")
            return
        change = self._changes.get(part.path)
        if change is None:
            kind: Kind = "changed" if part.path in self.sent else "new"
            change = Change(path=part.path, kind="removed" if part.removed else kind)
            self._changes[part.path] = change
        change.executable, change.link = part.executable, part.link
        if change.kind == "removed" or change.link:
            return
        if change.content is None:
            change.content = self._folder / str(len(self._changes))
            change.content.unlink(missing_ok=True)
        with change.content.open("ab") as file:
            file.write(part.data)
        change.size += len(part.data)

    def table(self) -> Table:
        """What changed, for people."""
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
        table.add_column("change")
        table.add_column("file", overflow="fold")
        table.add_column("size", justify="right")
        for change in self.all:
            name = tables.plain(change.path)
            if change.link:
                name.append(f" → {change.link}", style="dim")
            elif change.executable:
                name.append(" (executable)", style="dim")
            size = "" if change.kind == "removed" or change.link else tables.size(change.size)
            table.add_row(Text(change.kind, style=_STYLES[change.kind]), name, Text(size))
        return table
