"""Following a source by itself: as its folder changes, or every so often."""

import asyncio
import contextlib
import logging
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from services.catalog.ports import FolderChanges, FolderEvents, WatchLimitError
from services.catalog.sources.git import GitError
from services.catalog.sources.surroundings import Surroundings, TooManyFoldersError
from services.errors import Error

log = logging.getLogger(__name__)

QUIET_SECONDS: Final = 0.1
"""A change is read when nothing more has changed for so long."""
_GIT_SECONDS: Final = 5.0
"""So long a git process that changes the working tree is waited for."""
_LOOK_SECONDS: Final = 10.0
"""How often the folder is looked at without an event: it may have been replaced or mounted over."""
_AWAY_SECONDS: Final = 1.0
_UNWATCHED_SECONDS: Final = 2.0
_UNWATCHED_SHARE: Final = 0.05
"""Part of the time that reading may take where the system does not tell of changes."""
_LONGEST_PAUSE: Final = 5.0
_LARGEST_BACKOFF: Final = 3600.0

Read = Callable[[], Awaitable[object]]
"""Reads the source again."""


class _Reading:
    """Reads the source, logs a failure once, and knows how long reading takes."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._failure = ""
        self.failures = 0
        self.seconds = 0.0

    async def __call__(self) -> bool:
        """Reads; says whether that worked."""
        begin = time.monotonic()
        try:
            await self._read()
        except Error as error:
            self.failures += 1
            if error.message != self._failure:
                self._failure = error.message
                log.warning(f"{error.message}; what was read last stays current")
            return False
        except Exception:
            self.failures += 1
            log.exception("reading the source failed")
            return False
        finally:
            self.seconds = time.monotonic() - begin
        if self._failure:
            log.info("the source can be read again")
        self._failure, self.failures = "", 0
        return True


def folder_events() -> FolderEvents:
    """What tells of changes on this system.

    Raises:
        WatchLimitError: The system gives no more watchers.
    """
    if sys.platform == "linux":
        from services.catalog.sources.inotify import InotifyEvents  # noqa: PLC0415  # Linux only

        return InotifyEvents(quiet=QUIET_SECONDS)
    from services.catalog.sources.recursive_events import RecursiveEvents  # noqa: PLC0415  # not on Linux

    return RecursiveEvents(quiet=QUIET_SECONDS)


async def watch(
    surroundings: Surroundings,
    read: Read,
    *,
    events: Callable[[], FolderEvents] = folder_events,
) -> None:
    """Reads a local source whenever it changes, until cancelled.

    Where the system cannot tell of changes, the source is read every few seconds.

    Args:
        surroundings: What to watch for it.
        read: Reads it.
        events: Makes what tells of changes.
    """
    path = surroundings.path
    reading = _Reading(read)
    away = False
    while True:
        if not away:
            await reading()  # also for the log to say why, where that fails
        try:
            async with _watching(surroundings, events) as watched:
                if away:
                    log.info(f"{path} is there again")
                    away = False
                await reading()  # for what happened before it was watched
                await _follow(surroundings, watched, reading)
        except (WatchLimitError, TooManyFoldersError) as error:
            log.warning(
                f"{path} is not watched: {error}; it is read every {_UNWATCHED_SECONDS:g} s or, if "
                "it is large, less often"
            )
            await _read_again_and_again(reading)
        except (OSError, GitError, Error) as error:
            if not away:
                away = True
                log.warning(f"{path} cannot be watched now: {error}")
            await asyncio.sleep(_AWAY_SECONDS)


@contextlib.asynccontextmanager
async def _watching(
    surroundings: Surroundings, events: Callable[[], FolderEvents]
) -> AsyncIterator[FolderEvents]:
    folders = await surroundings.folders()
    watched = events()
    try:
        await asyncio.to_thread(watched.watch, folders)
        yield watched
    finally:
        watched.close()


async def _follow(surroundings: Surroundings, watched: FolderEvents, reading: _Reading) -> None:
    """Reads after each change that matters; returns when the folder is another one."""
    while not surroundings.replaced:
        changes = await watched.next(timeout=_LOOK_SECONDS)
        if surroundings.replaced:
            continue
        if changes is None:
            if reading.failures:
                await reading()
            continue
        changes = await _settled(surroundings, watched, changes)
        new = changes.new_folders
        while new:  # folders may come faster than they are watched
            listed = await surroundings.below(new)
            await asyncio.to_thread(watched.watch, listed)
            new = frozenset(await surroundings.below(new)).difference(listed)
        if not await surroundings.matter(changes):
            continue
        await reading()
        if surroundings.moves_boundaries(changes):
            # Only now it is known what is tracked; what came to be watched may have changed before.
            await asyncio.to_thread(watched.watch, await surroundings.folders())
            await reading()
        # A tree that changes without end, and takes long to read, leaves time for others.
        await asyncio.sleep(min(2 * reading.seconds, _LONGEST_PAUSE))


async def _settled(
    surroundings: Surroundings, watched: FolderEvents, changes: FolderChanges
) -> FolderChanges:
    """Waits while a git process changes files, and gives all changes until then."""
    end = time.monotonic() + _GIT_SECONDS
    while surroundings.git_is_busy and time.monotonic() < end:
        more = await watched.next(timeout=QUIET_SECONDS)
        if more is not None:
            changes = changes.and_then(more)
    return changes


async def _read_again_and_again(reading: _Reading) -> None:
    while True:
        await asyncio.sleep(max(_UNWATCHED_SECONDS, reading.seconds / _UNWATCHED_SHARE))
        await reading()


async def poll(read: Read, *, seconds: float) -> None:
    """Reads a source every so often until cancelled; less often while it fails.

    Args:
        read: Reads it.
        seconds: Time between two readings; each is up to a tenth longer or shorter, so that many
            catalogs do not ask one server all at once.
    """
    reading = _Reading(read)
    while True:
        pause = min(seconds * 2 ** min(reading.failures, 20), max(seconds, _LARGEST_BACKOFF))
        await asyncio.sleep(pause * random.uniform(0.9, 1.1))  # noqa: S311  # no secret
        await reading()
