"""Writes changes of a session into the working copy, and nowhere else.

Every step is relative to an open folder and follows no link: what lies in the working copy may have
been made by whoever wrote the data repository, and what comes back by whoever's code ran. A file
that has changed here since it was sent is kept, and the session's is put beside it.
"""

import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from cli.workbench import paths
from cli.workbench.changes import Change
from cli.workbench.outgoing import SentFile, signature

BESIDE: Final = ".workbench"
"""Added to the name of a file that was changed here and there."""

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE: Final = 1024 * 1024


class Restoring:
    """Writes below one folder.

    Args:
        root: The working copy.
        sent: What of it was sent.
    """

    def __init__(self, root: Path, sent: Mapping[str, SentFile]) -> None:
        self._root = root
        self._sent = sent
        self.written = 0
        """Files that are now as in the session."""
        self.remarks: list[str] = []
        """What went another way, for people to read."""

    def apply(self, changes: Iterable[Change]) -> None:
        """Writes all of them; what cannot be written is remarked."""
        for change in changes:
            try:
                if reason := paths.fault(change.path):
                    self.remarks.append(f"{change.path!a} was not written: {reason}")
                    continue
                with self._folder_of(change) as (folder, name):
                    self._apply(change, folder, name)
            except OSError as error:
                if change.kind == "removed" and isinstance(error, FileNotFoundError):
                    continue  # gone here, too
                self.remarks.append(f"{change.path} was not written: {error.strerror}")

    def _apply(self, change: Change, folder: int, name: str) -> None:
        untouched = self._is_as_sent(change, folder, name)
        if change.kind == "removed":
            if untouched:
                os.unlink(name, dir_fd=folder)
                self.written += 1
            elif _exists(folder, name):
                self.remarks.append(f"{change.path} was kept: it has changed here meanwhile")
            return
        made = self._make(change, folder)
        try:
            if untouched:
                os.rename(made, name, src_dir_fd=folder, dst_dir_fd=folder)
                self.written += 1
                return
            if not _exists(folder, name):
                with contextlib.suppress(FileExistsError):
                    _put(made, name, folder)
                    self.written += 1
                    return
            self._put_beside(change, folder, name, made)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(made, dir_fd=folder)

    def _put_beside(self, change: Change, folder: int, name: str, made: str) -> None:
        for number in range(100):
            beside = f"{name}{BESIDE}{number or ''}"
            with contextlib.suppress(FileExistsError):
                _put(made, beside, folder)
                path = f"{change.path}{BESIDE}{number or ''}"
                self.remarks.append(
                    f"{change.path} has changed here meanwhile: the session's is {path}"
                )
                return
        self.remarks.append(f"{change.path} was not written: too many beside it")

    def _make(self, change: Change, folder: int) -> str:
        """The change under a name of its own, beside where it belongs."""
        name = f".ackrep-{secrets.token_hex(8)}"
        if change.link:
            if reason := paths.link_fault(change.path, change.link):
                raise OSError(0, reason)
            os.symlink(change.link, name, dir_fd=folder)
            return name
        mode = 0o755 if change.executable else 0o644
        handle = os.open(name, _WRITE, mode, dir_fd=folder)
        with open(handle, "wb") as file:
            if change.content is not None:
                with change.content.open("rb") as content:
                    while data := content.read(_PIECE):
                        file.write(data)
            os.fchmod(file.fileno(), mode)
        return name

    def _is_as_sent(self, change: Change, folder: int, name: str) -> bool:
        """Whether what is here now is what was sent."""
        sent = self._sent.get(change.path)
        if sent is None:
            return False
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if sent.signature == signature(status):
                return True
            if stat.S_ISLNK(status.st_mode):
                target = os.fsencode(os.readlink(name, dir_fd=folder))
                return hashlib.sha256(target).hexdigest() == sent.sha256
            if not stat.S_ISREG(status.st_mode):
                return False
            with open(os.open(name, _READ, dir_fd=folder), "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == sent.sha256
        except OSError:
            return False

    @contextlib.contextmanager
    def _folder_of(self, change: Change) -> Iterator[tuple[int, str]]:
        """The open folder of a path, made if it is to be written to, and its name there."""
        *above, name = change.path.split("/")
        handle = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in above:
                if change.kind != "removed":
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, 0o755, dir_fd=handle)
                try:
                    inner = os.open(part, _FOLDER, dir_fd=handle)
                except NotADirectoryError as error:
                    raise NotADirectoryError(
                        error.errno, f"{part} is a link or a file here, not a folder"
                    ) from error
                os.close(handle)
                handle = inner
            yield handle, name
        finally:
            os.close(handle)


def _exists(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _put(made: str, name: str, folder: int) -> None:
    """Gives a file its name, unless there is one. Raises FileExistsError."""
    os.link(made, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    os.unlink(made, dir_fd=folder)
