"""Work in the background whose failures are logged, and which can be waited for."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from services.errors import Error
from services.runner.sessions.session import SessionBrokenError

log = logging.getLogger(__name__)

_T = TypeVar("_T")


class Tasks:
    """Tasks of one owner."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, _T]) -> "asyncio.Task[_T]":
        """Starts work that nobody has to wait for."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._finished)
        return task

    async def ended(self) -> None:
        """Returns when none runs any more."""
        while self._running:
            await asyncio.wait(self._running)

    def _finished(self, task: "asyncio.Task[Any]") -> None:
        self._running.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, Error | SessionBrokenError):
            log.warning(f"the pool: {error}")
        else:
            log.error("the pool failed", exc_info=error)
