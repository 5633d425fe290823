"""Warm workplaces, lent for one check at a time.

An environment is made ready once, whoever asks and however many ask. The next workplace is started
ahead of need; one that must not take another check is closed in the background and replaced.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from services.errors import UnavailableError
from services.runner.domain.engines import EngineAwayError
from services.runner.domain.environments import Definition
from services.runner.domain.pools import PoolPolicy, Trouble, full
from services.runner.domain.workplaces import reason_to_retire
from services.runner.ports import Backend, Progress
from services.runner.statuses import EnvironmentStatus, PlaceStatus
from services.runner.workplaces.borrowed import Borrowed
from services.runner.workplaces.places import Places
from services.runner.workplaces.preparations import Environment
from services.runner.workplaces.presence import Presence
from services.runner.workplaces.shelf import Place, Shelf
from services.runner.workplaces.tasks import Tasks
from services.runner.workplaces.upkeep import Upkeep

_PATIENCE_SECONDS = 0.5
"""Who needs a workplace does not wait longer than that for the next try to start one."""
_LOOK_SECONDS = 5.0


class Pool:
    """The warm workplaces of one runner."""

    def __init__(
        self, backend: Backend, *, policy: PoolPolicy, presence: Presence | None = None
    ) -> None:
        self._backend = backend
        self._policy = policy
        self._tasks = Tasks()
        self.presence = presence or Presence(backend.answers)
        """Of the backend's engine."""
        self._places = Places(backend, policy=policy, tasks=self._tasks, presence=self.presence)
        self._upkeep = Upkeep(self._places, backend=backend, tasks=self._tasks)

    # Environments

    async def prepare(self, definition: Definition, progress: Progress) -> str:
        """Makes an environment ready and returns its digest; at once where it is.

        Raises EnvironmentUnavailableError or UnavailableError; EngineAwayError within seconds.
        """
        environment = self._places.of(definition).environment
        return await self.presence.while_here(self._prepared(environment, progress))

    def is_ready(self, definition: Definition) -> bool:
        """Whether `prepare` would return at once."""
        return bool(self._places.of(definition).environment.digest)

    def forget(self, definition: Definition) -> None:
        """Another image may be in use from now on: the next one to need it finds out."""
        for shelf in self._places.shelves:
            if shelf.environment.definition.name == definition.name:
                shelf.environment.forget()

    async def status(self, definition: Definition) -> EnvironmentStatus:
        """How an environment stands, without changing it."""
        return await self._places.of(definition).status()

    # Workplaces

    @contextlib.asynccontextmanager
    async def workplace(
        self, definition: Definition, progress: Progress
    ) -> AsyncIterator[Borrowed]:
        """A warm workplace for one check; the caller tells the borrowed one how clean it was.

        Raises EnvironmentUnavailableError or UnavailableError; EngineAwayError within seconds.
        """
        shelf = self._places.of(definition)
        place = await self.presence.while_here(self._take(shelf, progress))
        borrowed = Borrowed(place.workplace)
        self._places.ahead(shelf, in_use=True)
        try:
            yield borrowed
            place.checks += 1
        except BaseException:
            borrowed.abandoned = True
            raise
        finally:
            self._give_back(place, borrowed)

    async def warm(self, definition: Definition, progress: Progress) -> str:
        """Makes an environment ready with its warm workplaces, or one; returns its digest."""
        shelf = self._places.of(definition)
        await self.prepare(definition, progress)
        if not shelf.idle and not shelf.busy:
            shelf.shelve(await self.presence.while_here(self._take(shelf, progress)))
        # Not ended with its caller, as below.
        await asyncio.gather(*map(asyncio.shield, self._places.ahead(shelf, in_use=False)))
        return shelf.environment.digest

    def statuses(self) -> list[PlaceStatus]:
        """All workplaces that exist."""
        return self._places.statuses()

    async def _take(self, shelf: Shelf, progress: Progress) -> Place:
        shelf.waiting += 1
        try:
            while True:
                await self._prepared(shelf.environment, progress)
                self._places.weed(shelf)
                if (place := shelf.pop()) is not None:
                    shelf.lend(place)
                    return place
                await self._one_more(shelf, progress)
        finally:
            shelf.waiting -= 1

    async def _prepared(self, environment: Environment, progress: Progress) -> str:
        self.presence.require()
        try:
            return await environment.prepare(progress)
        except EngineAwayError:
            self.presence.lose()
            raise

    async def _one_more(self, shelf: Shelf, progress: Progress) -> None:
        """Starts a workplace, or waits until it makes sense to look again."""
        name = shelf.environment.definition.name
        now = time.monotonic()
        pause = shelf.trouble.pause(now)
        if pause > _PATIENCE_SECONDS and not shelf.busy and not shelf.starting:
            if not await self.presence.asked():
                self.presence.require()
            raise UnavailableError(f"{name}: {shelf.trouble.describe(now)}", environment=name)
        if pause:
            await self._places.changed(seconds=pause)
        elif (
            len(shelf.starting) >= shelf.waiting  # one of those will be ours
            or full(self._places.stock(shelf), shelf.warmth)
            or not self._places.make_room()
        ):
            progress(f"waiting for a workplace of {name}", None)
            await self._places.changed(seconds=_LOOK_SECONDS)
        else:
            progress(f"starting a workplace of {name}", None)
            # Not ended with its caller: a started workplace serves whoever comes next.
            await asyncio.shield(self._places.start(shelf))

    def _give_back(self, place: Place, borrowed: Borrowed) -> None:
        shelf = place.shelf
        shelf.busy.discard(place)
        broken = place.workplace.broken or borrowed.abandoned
        reason = place.condemned or reason_to_retire(
            place.workplace.info,
            policy=self._policy,
            checks_run=place.checks,
            broken=broken or self._places.closed,
            cleanliness=borrowed.cleanliness,
            digest=shelf.environment.digest,
        )
        borrowed.retired = reason
        if place.workplace.broken and not self._places.closed:
            # Its engine may have gone: better known now than by the next checks that are taken.
            self._tasks.start(self.presence.asked())
        if not broken:
            shelf.trouble = Trouble()
        if reason:
            self._places.retire(place, reason)
            self._places.ahead(shelf, in_use=True)
        else:
            shelf.shelve(place)

    def condemn(self, workplace_id: str, *, reason: str) -> None:
        """Closes a workplace: at once if it is idle, else when its check is over."""
        for shelf in self._places.shelves:
            for place in [*shelf.idle, *shelf.busy]:
                if place.workplace.info.id == workplace_id:
                    place.condemned = reason
                    if place in shelf.idle:
                        self._places.take_away(place, reason)
                        self._places.ahead(shelf, in_use=False)

    # Upkeep

    async def maintain(self) -> None:
        """Keeps environments fresh and workplaces warm, for ever."""
        await self._upkeep.run()

    async def tidy(self) -> None:
        """Does once what `maintain` does now and then."""
        await self._upkeep.once()

    async def close(self) -> None:
        """Closes every workplace."""
        self._places.close()
        self.presence.close()
        await self._tasks.ended()
        await self._backend.close()
