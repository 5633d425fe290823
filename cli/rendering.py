"""Documents on their way from the runner to a file, and files of the working copy."""

import contextlib
import os
import stat
import tempfile
from collections.abc import AsyncIterable, Iterator
from pathlib import Path
from typing import Self

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from ackrep.runner.v1 import document_pb2
from cli.screen import Screen, harmless
from services.errors import InvalidArgumentError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LARGEST = 16 * 1024 * 1024


def target(output: Path | None, name: str) -> Path:
    """The file that `--output` means: itself, or `name` in it where it is a folder."""
    if output is None:
        return Path(name)
    return output / name if output.is_dir() else output


def shown(tex: str, *, terminal: bool) -> str:
    """TeX as it is printed: every byte into files and pipes, nothing that controls a terminal."""
    return harmless(tex, colour=False) if terminal else tex


async def save(
    messages: AsyncIterable[document_pb2.RenderDocumentResponse], path: Path, *, screen: Screen
) -> int:
    """Writes a document as it arrives, showing how it is made; returns its size.

    The file appears when it is whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _replacing(path) as handle, _Bar(screen) as bar:
        size = 0
        with open(handle, "wb", closefd=False) as file:  # noqa: ASYNC230  # written as it arrives
            async for message in messages:
                fraction = message.fraction if message.HasField("fraction") else None
                match message.WhichOneof("body"):
                    case "progress":
                        bar.show(message.progress, fraction)
                    case "warning":
                        screen.note(f"warning: {message.warning}", style="yellow")
                    case "data":
                        size += file.write(message.data)
        return size


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[int]:
    """A file beside `path` that takes its place at the end of the block, unless that raises."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        yield handle
        os.fchmod(handle, 0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


class _Bar:
    """A progress bar on terminals; a line for each model elsewhere."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._last = ""
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            console=screen.err,
            transient=True,
            disable=not screen.animated,
        )
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, text: str, fraction: float | None) -> None:
        plain = Text(harmless(text, colour=False).replace("\n", " ")[:60]).plain
        if fraction is not None:
            self._progress.update(self._task, total=1.0, completed=fraction)
            if not self._screen.animated and not self._screen.json and plain != self._last:
                self._last = plain
                self._screen.note(plain)
        self._progress.update(self._task, description=plain.replace("[", r"\["))


def read(root: Path, path: str) -> bytes | None:
    """A file of the working copy, or None; never through a link."""
    try:
        with _folder(root, path, make=False) as (folder, name):
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InvalidArgumentError(f"{path} is not read: {error.strerror}") from error
    with open(handle, "rb") as file:
        return file.read(_LARGEST)


def write(root: Path, path: str, content: bytes) -> None:
    """Writes a file of the working copy, in folders that are no links, whole or not at all.

    Raises InvalidArgumentError where a link or something else stands in the way.
    """
    try:
        with _folder(root, path, make=True) as (folder, name):
            with contextlib.suppress(FileNotFoundError):
                if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                    raise InvalidArgumentError(f"{path} is no plain file; it is left as it is")
            part = f".{name}.part"
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part, dir_fd=folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(part, flags, 0o666, dir_fd=folder), "wb") as file:
                file.write(content)
            os.replace(part, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as error:
        raise InvalidArgumentError(f"{path} is not written: {error.strerror}") from error


@contextlib.contextmanager
def _folder(root: Path, path: str, *, make: bool) -> Iterator[tuple[int, str]]:
    """The open folder of a file below `root`, reached without following a link, and its name."""
    *folders, name = path.split("/")
    if not name or any(part in {"", ".", ".."} for part in (*folders, name)):
        raise InvalidArgumentError(f"{path!r} is no path in the data repository")
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in folders:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=handle)
            inner = os.open(part, _FOLDER, dir_fd=handle)
            os.close(handle)
            handle = inner
        yield handle, name
    finally:
        os.close(handle)
