"""Sends a working copy to the catalog of a deployed system: only what it lacks."""

import asyncio
import getpass
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ackrep.catalog.v1 import catalog_pb2, content_pb2
from cli import tables
from cli.client import Client
from cli.progress import Notice
from cli.screen import Screen
from cli.source import Source
from cli.working_copy import Contents, File, WorkingCopy
from services.errors import InvalidArgumentError, UnavailableError

_ASKED: Final = 10_000
"""So many blobs are asked for at once."""
_MANIFEST_BYTES: Final = 4 * 1024 * 1024
"""A manifest goes on in a further message beyond about so many bytes."""
_PER_FILE: Final = 60
"""Bytes that a file takes in a manifest beside its path."""
_READ_BYTES: Final = 1024 * 1024
_READ_PIECES: Final = 100
"""Beyond one of these, what was read is sent before more is read."""
_NAMED: Final = 5
"""So many paths a warning names."""
_ATTEMPTS: Final = 3

Part = content_pb2.UploadRevisionRequest


async def uploaded(client: Client, source: Source, *, screen: Screen) -> catalog_pb2.Revision:
    """Uploads a working copy as it is now; gives its revision, at which it can be checked.

    Raises:
        InvalidArgumentError: The data repository is no folder on this machine.
        PreconditionError: The folder cannot be read.
        ResourceExhaustedError: It is larger than the catalog takes.
    """
    if source.root is None:
        raise InvalidArgumentError(
            f"{source} is no working copy: only a folder as it is now can be uploaded"
        )
    notice = Notice(screen)
    with WorkingCopy(source.root) as copy:
        notice(f"reading {source.root}")
        contents = await asyncio.to_thread(copy.contents)
        _tell_left_out(contents, screen)
        for attempt in range(_ATTEMPTS):
            notice("asking what the catalog has already")
            lacking = await _lacking(client, contents.files)
            sizes = await asyncio.to_thread(copy.freeze, lacking)
            notice.done()
            progress = _Progress(total=sum(sizes.values()), files=len(lacking))
            parts = _parts(contents, copy, lacking, source=source, progress=progress)
            try:
                with screen.live(progress):
                    revision = await client.upload(parts)
            except UnavailableError:
                if attempt + 1 == _ATTEMPTS:
                    raise
                # What arrived is kept: the next attempt sends the rest.
                screen.note("the connection was lost; going on", style="yellow")
            else:
                break
    screen.note(progress.summary(len(contents.files)))
    return revision


async def _lacking(client: Client, files: Sequence[File]) -> list[File]:
    """One file for each blob that the catalog does not have."""
    by_blob = {file.blob: file for file in files}
    blobs = list(by_blob)
    found: list[File] = []
    for start in range(0, len(blobs), _ASKED):
        missing = await client.missing_blobs(blobs[start : start + _ASKED])
        found += [by_blob[blob] for blob in missing]
    return found


async def _parts(
    contents: Contents,
    copy: WorkingCopy,
    lacking: Sequence[File],
    *,
    source: Source,
    progress: "_Progress",
) -> AsyncIterator[Part]:
    """All messages of an upload."""
    for manifest in _manifests(contents, source):
        yield Part(manifest=manifest)
    pieces = copy.pieces(lacking)
    while some := await asyncio.to_thread(_some, pieces):
        for blob, data, more in some:
            yield Part(blob=Part.BlobPart(blob=blob, data=data, more=more))
            progress.sent += len(data)


def _some(pieces: Iterator[tuple[str, bytes, bool]]) -> list[tuple[str, bytes, bool]]:
    """The next pieces: many of small files, few of large ones; none at the end."""
    found: list[tuple[str, bytes, bool]] = []
    size = 0
    for piece in pieces:
        found.append(piece)
        size += len(piece[1])
        if size >= _READ_BYTES or len(found) >= _READ_PIECES:
            break
    return found


def _manifests(contents: Contents, source: Source) -> Iterator[Part.Manifest]:
    manifest = Part.Manifest(
        base_commit=contents.base_commit,
        clean=contents.clean,
        title=source.title,
        source=f"{_person()}:{source.location}"[:500],
    )
    size = 0
    for file in contents.files:
        size += len(file.path) + _PER_FILE
        if size > _MANIFEST_BYTES:
            yield manifest
            manifest, size = Part.Manifest(), 0
        manifest.files.add(path=file.path, mode=file.mode, blob=file.blob)
    yield manifest


def _person() -> str:
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # nobody by that number
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


def _tell_left_out(contents: Contents, screen: Screen) -> None:
    for path, reason in list(contents.left_out.items())[:_NAMED]:
        screen.note(f"{path} {reason}, and is left out", style="yellow")
    more = len(contents.left_out) - _NAMED
    if more > 0:
        screen.note(f"… and {more} more files", style="yellow")


class _Progress:
    """How much was sent, as a bar."""

    def __init__(self, *, total: int, files: int) -> None:
        self.total = total
        self.files = files
        self.sent = 0
        self._since = time.monotonic()

    def summary(self, total: int) -> str:
        """What was sent, of so many files."""
        if not self.files:
            return f"nothing to send: the catalog has all {total} files"
        return f"sent {self.files} of {total} files ({tables.size(self.total)})"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        del console, options
        grid = Table.grid(padding=(0, 1))
        grid.add_row(
            Text("sending", style="dim"),
            ProgressBar(
                total=max(self.total, 1),
                completed=self.sent,
                width=24,
                complete_style="cyan",
                finished_style="green",
            ),
            Text(f"{tables.size(self.sent)} of {tables.size(self.total)}", style="bold"),
            Text(f"{self.files} files", style="dim"),
            Text(f"{time.monotonic() - self._since:.0f} s", style="dim"),
        )
        yield grid
