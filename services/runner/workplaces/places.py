"""All workplaces of a runner: they are started, replaced and closed here, within its bounds."""

import asyncio
import contextlib
import logging
import time

from services.errors import EnvironmentUnavailableError, UnavailableError
from services.runner.domain.engines import EngineAwayError
from services.runner.domain.environments import Definition
from services.runner.domain.pools import PoolPolicy, Stock, Trouble, to_start
from services.runner.ports import Backend
from services.runner.sessions.session import SessionBrokenError
from services.runner.statuses import PlaceStatus
from services.runner.workplaces.preparations import Environment
from services.runner.workplaces.presence import Presence
from services.runner.workplaces.shelf import Place, Shelf
from services.runner.workplaces.tasks import Tasks

log = logging.getLogger(__name__)

STEADY_SECONDS = 10.0
"""Trouble with starts is over when none failed for so long after the pause, and one is there."""


class Places:
    """The workplaces of a runner by environment.

    Args:
        backend: Opens them.
        policy: Their bounds.
        tasks: Where they are started and closed.
        presence: Of the backend's engine: nothing is started while it is away.
    """

    def __init__(
        self, backend: Backend, *, policy: PoolPolicy, tasks: Tasks, presence: Presence
    ) -> None:
        self.policy = policy
        self.presence = presence
        presence.when_back(self._forgive)
        self._backend = backend
        self._tasks = tasks
        self._shelves: dict[str, Shelf] = {}
        self._retiring: set[Place] = set()
        self._changed = asyncio.Event()
        self.closed = False

    def of(self, definition: Definition) -> Shelf:
        """The workplaces of an environment, as it is defined now."""
        shelf = self._shelves.get(definition.identity)
        if shelf is None:
            shelf = Shelf(
                Environment(definition, backend=self._backend, tasks=self._tasks),
                warmth=self.policy.warmth((definition.identity, *definition.aliases)),
                stir=self._changed.set,
            )
            self._shelves[definition.identity] = shelf
        shelf.environment.redefine(definition)
        return shelf

    @property
    def shelves(self) -> list[Shelf]:
        """Those of all environments that were asked for so far."""
        return list(self._shelves.values())

    def stock(self, shelf: Shelf) -> Stock:
        """The numbers of an environment, and of all others together."""
        return shelf.stock(all_places=self.count)

    @property
    def count(self) -> int:
        """Workplaces that are idle, busy or starting."""
        return sum(len(s.idle) + len(s.busy) + len(s.starting) for s in self._shelves.values())

    def statuses(self) -> list[PlaceStatus]:
        """All workplaces that exist."""
        places = [place for shelf in self.shelves for place in (*shelf.idle, *shelf.busy)]
        return [
            PlaceStatus(info=p.workplace.info, checks_run=p.checks, state=p.state)
            for p in (*places, *self._retiring)
        ]

    async def changed(self, *, seconds: float) -> None:
        """Waits until a workplace has come, gone or failed to come, at most for so long."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    # Starting

    def start(self, shelf: Shelf) -> "asyncio.Task[None]":
        """Starts a workplace.

        The task fails only where the environment must not be used; else it is the shelf's trouble,
        or the engine is away.
        """

        async def start() -> None:
            try:
                place = await self._open(shelf)
            finally:
                shelf.starting.discard(task)
                self._changed.set()
            if place is None:
                return
            if self.closed:
                await place.workplace.close()
            else:
                shelf.shelve(place)

        task = self._tasks.start(start())
        shelf.starting.add(task)
        return task

    async def _open(self, shelf: Shelf) -> Place | None:
        environment = shelf.environment
        try:
            workplace = await self._backend.open(environment.definition, digest=environment.digest)
        except EnvironmentUnavailableError as error:
            # Not tight enough, or of another product: no check may run in it.
            environment.fail(error)
            shelf.stumbled(error.message)
            raise
        except EngineAwayError:
            self.presence.lose()
            return None
        except SessionBrokenError as error:
            if not await self.presence.asked():
                return None  # it went down with its engine
            reason = str(error)
        except UnavailableError as error:
            reason = error.message
            environment.digest = ""  # the image may be gone: look again
        else:
            environment.succeed()
            return Place(workplace, shelf)
        shelf.stumbled(reason)
        trouble = shelf.trouble.describe(time.monotonic())
        log.warning(f"{environment.definition.name}: {trouble}")
        return None

    def ahead(self, shelf: Shelf, *, in_use: bool) -> "list[asyncio.Task[None]]":
        """Starts what is to be there before anybody needs it.

        Nothing while the environment is not ready, its workplaces do not come up, or the engine is
        away.
        """
        environment = shelf.environment
        ready = environment.digest and environment.failure is None
        held_back = not self.presence.here or shelf.trouble.pause(time.monotonic())
        if self.closed or not ready or held_back:
            return []
        count = to_start(self.stock(shelf), shelf.warmth, self.policy, in_use=in_use)
        if shelf.trouble.failures:
            count = min(count, 0 if shelf.starting else 1)
        return [self.start(shelf) for _ in range(count)]

    def _forgive(self) -> None:
        """The engine is back: what did not come up before may have been its fault."""
        for shelf in self.shelves:
            shelf.trouble = Trouble()
        self._changed.set()

    def make_room(self) -> bool:
        """Closes the longest idle workplace where there are as many as there may be.

        Those that are kept warm go last. False if there is no room, and nothing is idle.
        """
        if self.count < self.policy.total:
            return True
        idle = [place for shelf in self.shelves for place in shelf.idle]
        if not idle:
            return False

        def rank(place: Place) -> tuple[bool, float]:
            shelf = place.shelf
            return self.stock(shelf).here <= shelf.warmth.minimum, place.idle_since

        self.take_away(min(idle, key=rank), "another environment needs the room")
        return True

    # Ending

    def weed(self, shelf: Shelf) -> None:
        """Closes what is idle and must not take a check: it has ended, or is out of date.

        What ended before it ran a check is trouble; several that ended since the last look are one.
        """
        stumbled = ""
        for place in list(shelf.idle):
            if not (reason := shelf.unfit(place)):
                continue
            if place.workplace.broken and not place.checks:
                stumbled = f"{place.workplace.info.id} ended before it ran a check"
            self.take_away(place, reason)
        if stumbled and self.presence.here:
            shelf.stumbled(stumbled)
            self._tasks.start(self.presence.asked())  # all at once: its engine may have gone
        if shelf.idle and time.monotonic() - shelf.trouble.until > STEADY_SECONDS:
            shelf.trouble = Trouble()

    def close_idle(self, shelf: Shelf) -> None:
        """Closes what was idle for too long, but for what is kept warm."""
        now = time.monotonic()
        for place in sorted(shelf.idle, key=lambda place: place.idle_since):
            if self.stock(shelf).here <= shelf.warmth.minimum:
                return
            if now - place.idle_since > self.policy.idle_seconds:
                self.take_away(place, "it was idle")

    def take_away(self, place: Place, reason: str) -> None:
        """Closes an idle workplace."""
        place.shelf.idle.remove(place)
        self.retire(place, reason)

    def retire(self, place: Place, reason: str) -> None:
        """Closes a workplace that is on no shelf, in the background."""
        log.info(f"closing {place.workplace.info.id}: {reason}")
        place.state = "retiring"
        self._retiring.add(place)

        async def close() -> None:
            try:
                await place.workplace.close()
            finally:
                self._retiring.discard(place)

        self._tasks.start(close())
        self._changed.set()

    def close(self) -> None:
        """Closes every workplace, and stops what is being started or made ready."""
        self.closed = True
        for shelf in self.shelves:
            for place in [*shelf.idle, *shelf.busy]:
                self.retire(place, "the runner stops")
            shelf.idle.clear()
            shelf.busy.clear()
            for task in list(shelf.starting):
                task.cancel()
            shelf.environment.stop()
