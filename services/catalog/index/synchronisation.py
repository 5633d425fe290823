"""Reading the source again, for many who ask at once, and telling what became current."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable

from services.catalog.domain.entities import Revision

log = logging.getLogger(__name__)


class Announcement:
    """The current revision, for any number of readers; nobody waits for a slow one."""

    def __init__(self) -> None:
        self._revision: Revision | None = None
        self._next = asyncio.Event()
        self._closed = False

    def tell(self, revision: Revision) -> None:
        """Makes a revision the current one, and wakes all readers if it is news."""
        if revision != self._revision:
            self._revision = revision
            self._wake()

    def close(self) -> None:
        """Ends all readings, also those that begin later."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        # Each reader waits for one change: an event of its own for each needs no list of readers.
        changed, self._next = self._next, asyncio.Event()
        changed.set()

    async def revisions(self) -> AsyncGenerator[Revision, None]:
        """The current revision, and then each later one that is current when the reader is ready.

        Waits for the first one, where there is none yet. Ends with `close`.
        """
        seen: Revision | None = None
        while not self._closed:
            changed = self._next
            if self._revision is not None and self._revision != seen:
                seen = self._revision
                yield seen
            else:
                await changed.wait()


class Synchronisation:
    """Reads the source, one reading at a time, and announces what it found.

    At most one reading waits while one runs: whoever asks meanwhile shares the waiting one, which
    begins after they asked, so that it sees all they know of.

    Args:
        read: Reads the source and makes what it holds the current revision.
        announcement: Told each outcome.
    """

    def __init__(self, read: Callable[[], Awaitable[Revision]], announcement: Announcement) -> None:
        self._read = read
        self._announcement = announcement
        self._alone = asyncio.Lock()
        self._waiting: asyncio.Task[Revision] | None = None
        self._tasks: set[asyncio.Task[Revision]] = set()

    async def sync(self) -> Revision:
        """Reads the source as it is now or later, and gives the current revision.

        Somebody who stops waiting does not stop the reading.

        Raises:
            SourceError: The source is not readable.
            UnavailableError: It is remote and cannot be reached.
        """
        if self._waiting is None:
            self._waiting = asyncio.create_task(self._sync())
            self._tasks.add(self._waiting)
            self._waiting.add_done_callback(self._ended)
        return await asyncio.shield(self._waiting)

    async def close(self) -> None:
        """Stops what runs and waits."""
        for task in list(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

    async def _sync(self) -> Revision:
        async with self._alone:
            self._waiting = None  # whoever asks from now on may know of something newer
            revision = await self._read()
            self._announcement.tell(revision)
            return revision

    def _ended(self, task: asyncio.Task[Revision]) -> None:
        self._tasks.discard(task)
        if self._waiting is task:  # stopped before its turn
            self._waiting = None
        if not task.cancelled():
            task.exception()  # retrieved, also where nobody waits any more
