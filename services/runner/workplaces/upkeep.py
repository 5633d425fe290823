"""What a pool does beside lending: environments stay fresh, workplaces warm, others are closed."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from services.errors import Error
from services.runner.domain.engines import EngineAwayError
from services.runner.ports import Backend
from services.runner.workplaces.places import Places
from services.runner.workplaces.preparations import Environment
from services.runner.workplaces.shelf import Shelf
from services.runner.workplaces.tasks import Tasks

log = logging.getLogger(__name__)

_LOOK_SECONDS = 5.0
SWEEP_SECONDS = 600.0
"""How often what killed runners left is looked for."""


class Upkeep:
    """Looks after the workplaces of a pool now and then.

    Args:
        places: All workplaces.
        backend: Removes what runners left that were killed.
        tasks: Where slow work runs, which must not keep the rest waiting.
    """

    def __init__(self, places: Places, *, backend: Backend, tasks: Tasks) -> None:
        self._places = places
        self._backend = backend
        self._tasks = tasks
        self._slow: dict[str, asyncio.Task[None]] = {}
        self._swept = time.monotonic()  # when it starts, the runner has just done it
        places.presence.when_back(self._sweep_soon)

    async def run(self) -> None:
        """Goes on for ever."""
        while True:
            await asyncio.sleep(max(0.01, min(_LOOK_SECONDS, self._places.policy.idle_seconds / 4)))
            await self.once()

    async def once(self) -> None:
        """Looks after everything. Never raises. Nothing is done while the engine is away."""
        if not self._places.presence.here:
            return
        for shelf in self._places.shelves:
            try:
                await self._look_after(shelf)
            except EngineAwayError:
                self._places.presence.lose()
            except Error as error:
                log.warning(f"upkeep of {shelf.environment.definition.name}: {error.message}")
            except Exception:
                log.exception("upkeep failed; it goes on")
        if time.monotonic() - self._swept > SWEEP_SECONDS:
            self._swept = time.monotonic()
            self._aside("sweep", self._sweep)

    async def _look_after(self, shelf: Shelf) -> None:
        environment = shelf.environment
        every = self._places.policy.refresh_seconds
        now = time.monotonic()
        if every and environment.is_stale(every=every, now=now):
            self._aside(environment.definition.identity, environment.refresh)
        await environment.look(now=now)
        self._places.weed(shelf)
        self._places.close_idle(shelf)
        if shelf.warmth.minimum and environment.can_be_tried:
            self._tasks.start(self._prepare(environment))
        self._places.ahead(shelf, in_use=bool(shelf.busy))

    async def _prepare(self, environment: Environment) -> None:
        try:
            await environment.prepare(_silent)
        except EngineAwayError:
            self._places.presence.lose()

    def _sweep_soon(self) -> None:
        """What could not be removed while the engine was away goes with the next look."""
        self._swept = -SWEEP_SECONDS

    async def _sweep(self) -> None:
        if removed := await self._backend.sweep():
            log.info(f"removed {removed} of what killed runners left")

    def _aside(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Starts slow work, unless it is still under way since the last time."""
        if (running := self._slow.get(name)) is None or running.done():
            self._slow[name] = self._tasks.start(work())


def _silent(message: str, fraction: float | None) -> None:
    """Nobody listens."""
