"""Changes below folders through watchfiles (port `FolderEvents`), for systems other than Linux."""

import asyncio
import os
import threading
from collections.abc import Iterable

from watchfiles import Change
from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

from services.catalog.ports import FolderChanges, WatchLimitError

_LONGEST_BURST_MILLISECONDS = 1000


class RecursiveEvents:
    """Watches whole trees: a folder below one that is watched already needs nothing more.

    Args:
        quiet: Seconds without a change after which those before are told.
    """

    def __init__(self, *, quiet: float) -> None:
        self._step = max(1, round(quiet * 1000))
        self._stop = threading.Event()
        self._roots: set[str] = set()
        self._batches: asyncio.Queue[FolderChanges] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """As the port says."""
        self._stop.set()  # each thread looks at it between two steps

    def watch(self, folders: Iterable[str]) -> None:
        """As the port says. May be called in a thread."""
        for folder in sorted(folders, key=len):
            if any(folder == root or folder.startswith(f"{root}/") for root in self._roots):
                continue
            try:
                notify = RustNotify([folder], False, False, 300, True, True)  # its order
            except FileNotFoundError:
                continue
            except (OSError, WatchfilesRustInternalError) as error:
                raise WatchLimitError(f"the system watches no more folders: {error}") from error
            self._roots.add(folder)
            threading.Thread(target=self._run, args=(notify,), daemon=True).start()

    async def next(self, *, timeout: float) -> FolderChanges | None:  # noqa: ASYNC109  # as the port
        """As the port says."""
        try:
            async with asyncio.timeout(timeout):
                return await self._batches.get()
        except TimeoutError:
            return None

    def _run(self, notify: RustNotify) -> None:
        while not self._stop.is_set():
            found = notify.watch(_LONGEST_BURST_MILLISECONDS, self._step, 0, self._stop)
            if not isinstance(found, set):
                break
            changes = FolderChanges(
                paths=frozenset(path for _, path in found),
                new_folders=frozenset(
                    path for kind, path in found if kind == Change.added and _is_folder(path)
                ),
                lost=False,
            )
            try:
                self._loop.call_soon_threadsafe(self._batches.put_nowait, changes)
            except RuntimeError:  # the loop is closed
                break
        notify.close()


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)  # noqa: PTH112, PTH114  # as given
