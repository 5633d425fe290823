"""Whether the engine that workplaces run in answers.

Nobody asks while all goes well: only who was failed by the engine, or has waited for it for long.
Once it does not answer it is asked at growing intervals until it does. Meanwhile the runner takes
no checks and opens no workplaces, so that nothing is tried in vain and nothing is tried twice.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

from services.runner.domain.engines import EngineAwayError

log = logging.getLogger(__name__)

_T = TypeVar("_T")

DOUBT_SECONDS: Final = 4.0
"""Who waits longer than that for the engine asks whether it is still there."""
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 2.0


class Presence:
    """What is known of one engine.

    Args:
        answers: Asks it, within a bounded time. Must not raise.
        doubt_seconds: How long work may take before the engine is asked.
    """

    def __init__(
        self, answers: Callable[[], Awaitable[bool]], *, doubt_seconds: float = DOUBT_SECONDS
    ) -> None:
        self._answers = answers
        self._doubt_seconds = doubt_seconds
        self._back = asyncio.Event()
        self._back.set()
        self._asking: asyncio.Task[None] | None = None
        self._relying: set[asyncio.Task[Any]] = set()
        self._given_up: set[asyncio.Task[Any]] = set()
        self._listeners: list[Callable[[], None]] = []

    @property
    def here(self) -> bool:
        """Whether nothing is known against it."""
        return self._back.is_set()

    @property
    def complaint(self) -> str:
        """What is known against it, for people; empty while it is here."""
        return "" if self.here else str(_away())

    def require(self) -> None:
        """Raises EngineAwayError while it is away."""
        if not self.here:
            raise _away()

    async def back(self) -> None:
        """Waits until it is here; returns at once where it is."""
        await self._back.wait()

    def when_back(self, listener: Callable[[], None]) -> None:
        """Has the listener called each time the engine answers again."""
        self._listeners.append(listener)

    async def asked(self) -> bool:
        """Asks whether it is here, unless it is known to be away."""
        if self.here and not await self._answers():
            self.lose()
        return self.here

    def lose(self) -> None:
        """Notes that it is away: who relies on it gives up, and it is asked until it answers."""
        if not self.here:
            return
        self._back.clear()
        log.warning("the engine does not answer: no checks are taken until it does")
        self._asking = asyncio.get_running_loop().create_task(self._until_it_answers())
        for task in list(self._relying):
            self._give_up(task)

    async def while_here(
        self,
        work: Coroutine[Any, Any, _T],
        *,
        trusting: float = 0.0,
        otherwise: Callable[[str], Exception] = EngineAwayError,
    ) -> _T:
        """Does work that needs the engine, and gives it up once the engine is away.

        Args:
            work: Is cancelled when it is given up.
            trusting: Seconds for which the engine is not doubted at all.
            otherwise: Makes the error that is raised then.
        """
        task = asyncio.get_running_loop().create_task(work)
        try:
            if trusting:
                await asyncio.wait({task}, timeout=trusting)
            self._relying.add(task)
            if not self.here:
                self._give_up(task)
            while not task.done():
                await asyncio.wait({task}, timeout=self._doubt_seconds)
                if not task.done():
                    await self.asked()  # if it is away, the task is given up
            if task.cancelled() and task in self._given_up:
                raise otherwise(str(_away()))
            return task.result()
        finally:
            self._relying.discard(task)
            self._given_up.discard(task)
            if not task.done():  # the caller itself was cancelled
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def _give_up(self, task: "asyncio.Task[Any]") -> None:
        self._given_up.add(task)
        task.cancel()

    async def _until_it_answers(self) -> None:
        since, pause = time.monotonic(), _FIRST_PAUSE
        while True:
            await asyncio.sleep(pause)
            if await self._answers():
                break
            pause = min(_LONGEST_PAUSE, pause * 2)
        log.info(f"the engine answers again, after {time.monotonic() - since:.1f} s")
        self._asking = None
        self._back.set()
        for listener in self._listeners:
            listener()

    def close(self) -> None:
        """Asks no more."""
        if self._asking is not None:
            self._asking.cancel()


def _away() -> EngineAwayError:
    return EngineAwayError("the engine that runs checks does not answer; is Docker running?")
