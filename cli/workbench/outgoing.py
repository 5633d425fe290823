"""The working copy as it is sent into a session."""

import dataclasses
import hashlib
import os
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ackrep.runner.v1 import workbench_pb2
from cli import tables
from cli.workbench import paths
from cli.working_copy import File, WorkingCopy

PIECE: Final = 256 * 1024
_LINK: Final = 0o120000

Part = workbench_pb2.WorkbenchFile
Signature = tuple[int, int, int, int]


@dataclasses.dataclass(frozen=True)
class SentFile:
    """A file as it was when it was sent."""

    signature: Signature | None
    """Inode, size, and times on this machine; none if it was gone already."""
    sha256: str
    """Of what was sent; of a link, of its target."""


def signature(status: os.stat_result) -> Signature:
    """What changes when a file changes."""
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


class Outgoing:
    """All of a working copy, while it is sent; a context manager.

    Args:
        root: The data repository.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.left_out: dict[str, str] = {}
        """Why files do not go along, by path."""
        self.count = 0
        self.total = 0
        """Bytes of all files."""
        self._copy = WorkingCopy(root)
        self._files: list[File] = []
        self._sent: dict[str, SentFile] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._copy.__exit__()

    def read(self) -> None:
        """Finds out which files there are, and keeps them as they are now. Blocking.

        Raises:
            PreconditionError: Git cannot read the folder, or a file changes while it is read.
        """
        contents = self._copy.contents()
        self.left_out.update(contents.left_out)
        for file in contents.files:
            path = os.fsdecode(file.path)
            if reason := self._fault(path, file):
                self.left_out[path] = reason
            else:
                self._files.append(file)
        # Before the content is kept: what changes later has another signature.
        for file in self._files:
            path = os.fsdecode(file.path)
            self._sent[path] = SentFile(self._signature(path), "")
        sizes = self._copy.freeze(self._files)
        self.count = len(self._files)
        self.total = sum(sizes[file.blob] for file in self._files)

    def _fault(self, path: str, file: File) -> str:
        if reason := paths.fault(path):
            return reason
        if file.mode != _LINK:
            return ""
        try:
            return paths.link_fault(path, os.readlink(self.root / path))  # noqa: PTH115  # as text
        except OSError as error:
            return str(error.strerror)

    def _signature(self, path: str) -> Signature | None:
        try:
            return signature((self.root / path).lstat())
        except OSError:
            return None

    def parts(self) -> Iterator[Part]:
        """All files, as messages. Blocking; once."""
        links = {file.blob for file in self._files if file.mode == _LINK}
        # The order in which content comes: that of links is known already.
        ordered = [file for file in self._files if file.blob in links]
        ordered += [file for file in self._files if file.blob not in links]
        pieces = self._copy.pieces(self._files)
        for file in ordered:
            path, digest, more = os.fsdecode(file.path), hashlib.sha256(), True
            link = b""
            while more:
                _, data, more = next(pieces)
                digest.update(data)
                if file.mode == _LINK:
                    link += data
                    continue
                for first in range(0, max(1, len(data)), PIECE):
                    piece = data[first : first + PIECE]
                    yield Part(
                        path=path,
                        executable=bool(file.mode & stat.S_IXUSR),
                        data=piece,
                        more=more or first + PIECE < len(data),
                    )
            if file.mode == _LINK:
                yield Part(path=path, link=os.fsdecode(link))
            self._sent[path] = dataclasses.replace(self._sent[path], sha256=digest.hexdigest())

    @property
    def sent(self) -> Mapping[str, SentFile]:
        """What was sent, by path; whole once `parts` has come to its end."""
        return self._sent


class Bar:
    """How much was sent, or came back."""

    def __init__(self, verb: str, *, total: int) -> None:
        self._verb = verb
        self._total = total
        self.done = 0
        self._since = time.monotonic()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        del console, options
        grid = Table.grid(padding=(0, 1))
        grid.add_row(
            Text(self._verb, style="dim"),
            ProgressBar(
                total=max(self._total, 1),
                completed=self.done,
                width=24,
                complete_style="cyan",
                finished_style="green",
            ),
            Text(f"{tables.size(self.done)} of {tables.size(self._total)}", style="bold"),
            Text(f"{time.monotonic() - self._since:.0f} s", style="dim"),
        )
        yield grid
