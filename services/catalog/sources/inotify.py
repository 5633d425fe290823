"""Changes in folders as Linux tells them (port `FolderEvents`).

Not through watchfiles, which serves other systems (`recursive_events`): on Linux it follows links
out of the data repository, whose content is not trusted, and stops the whole process for 60
microseconds for each folder, measured with 20,000 of them; this takes 9 in a thread.
"""

import asyncio
import ctypes
import errno
import os
import struct
from collections.abc import Iterable
from typing import Final

from services.catalog.ports import FolderChanges, WatchLimitError

_ATTRIB: Final = 0x4
_CLOSE_WRITE: Final = 0x8
_MODIFY: Final = 0x2
_MOVED_FROM: Final = 0x40
_MOVED_TO: Final = 0x80
_CREATE: Final = 0x100
_DELETE: Final = 0x200
_DELETE_SELF: Final = 0x400
_MOVE_SELF: Final = 0x800
_OVERFLOW: Final = 0x4000
_IGNORED: Final = 0x8000
_ONLY_FOLDERS: Final = 0x01000000
_FOLLOW_NO_LINK: Final = 0x02000000
_NOT_AFTER_UNLINK: Final = 0x04000000
_IS_FOLDER: Final = 0x40000000
_WANTED: Final = (
    _ATTRIB
    | _CLOSE_WRITE
    | _MODIFY
    | _MOVED_FROM
    | _MOVED_TO
    | _CREATE
    | _DELETE
    | _DELETE_SELF
    | _MOVE_SELF
    | _ONLY_FOLDERS
    | _FOLLOW_NO_LINK
    | _NOT_AFTER_UNLINK
)
_HEAD: Final = struct.Struct("iIII")
_READ: Final = 256 * 1024
_GONE: Final = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG}
_MOST_PATHS: Final = 5_000
"""More changed paths than so many at once are told as `lost`: everything may have changed."""
_LONGEST_BURST: Final = 1.0


class InotifyEvents:
    """One inotify instance.

    Args:
        quiet: Seconds without a change after which those before are told.

    Raises:
        WatchLimitError: The system gives no more of them.
    """

    def __init__(self, *, quiet: float) -> None:
        self._quiet = quiet
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise WatchLimitError(
                "this user has too many watchers (sysctl fs.inotify.max_user_instances)"
            )
        self._folders: dict[int, bytes] = {}
        self._paths: set[str] = set()
        self._new: set[str] = set()
        self._lost = False
        self._arrived = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._read)

    def close(self) -> None:
        """As the port says."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def watch(self, folders: Iterable[str]) -> None:
        """As the port says. May be called in a thread."""
        for folder in folders:
            path = os.fsencode(folder)
            number = self._libc.inotify_add_watch(self._fd, path, _WANTED)
            if number >= 0:
                self._folders[number] = path
                continue
            code = ctypes.get_errno()
            if code == errno.ENOSPC:
                raise WatchLimitError(
                    "this user may not watch more folders (sysctl fs.inotify.max_user_watches)"
                )
            if code not in _GONE:
                raise OSError(code, os.strerror(code), folder)

    async def next(self, *, timeout: float) -> FolderChanges | None:  # noqa: ASYNC109  # as the port
        """As the port says."""
        if not await self._arrives(timeout):
            return None
        end = self._loop.time() + _LONGEST_BURST
        while self._loop.time() < end:
            self._arrived.clear()
            if not await self._arrives(self._quiet):
                break
        self._arrived.clear()
        found = FolderChanges(
            paths=frozenset(self._paths), new_folders=frozenset(self._new), lost=self._lost
        )
        self._paths, self._new, self._lost = set(), set(), False
        return found

    async def _arrives(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
        except TimeoutError:
            return False
        return True

    def _read(self) -> None:
        try:
            data = os.read(self._fd, _READ)
        except BlockingIOError:
            return
        at = 0
        while at < len(data):
            number, mask, _, length = _HEAD.unpack_from(data, at)
            at += _HEAD.size
            name = data[at : at + length].rstrip(b"\0")
            at += length
            self._note(number, mask, name)
        if self._paths or self._new or self._lost:
            self._arrived.set()

    def _note(self, number: int, mask: int, name: bytes) -> None:
        if mask & _IGNORED:
            self._folders.pop(number, None)
            return
        folder = self._folders.get(number)
        if mask & _OVERFLOW or folder is None or len(self._paths) >= _MOST_PATHS:
            self._lost = True
            self._paths.clear()
            return
        path = os.fsdecode(os.path.join(folder, name) if name else folder)  # noqa: PTH118  # bytes
        if not self._lost:
            self._paths.add(path)
        if mask & _IS_FOLDER:
            if mask & (_CREATE | _MOVED_TO):
                self._new.add(path)
            elif mask & _MOVED_FROM:
                self._forget(os.fsencode(path))

    def _forget(self, folder: bytes) -> None:
        """Stops watching a folder that was moved away: its path is another one now, or none."""
        below = folder + b"/"
        for number, path in list(self._folders.items()):
            if path == folder or path.startswith(below):
                self._libc.inotify_rm_watch(self._fd, number)
