"""Environments made ready and workplaces kept warm, started ahead of need.

An environment is prepared once, whoever asks and however many ask. A workplace takes one check at a
time; when it must not take another it is closed in the background and replaced.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any

from services.errors import EnvironmentUnavailableError, Error, UnavailableError
from services.runner.domain.environments import Definition
from services.runner.domain.workplaces import PoolPolicy, reason_to_retire
from services.runner.ports import Backend, Progress, Workplace
from services.runner.sessions.session import SessionBrokenError
from services.runner.statuses import EnvironmentStatus, PlaceStatus
from services.runner.workplaces.borrowed import Borrowed

log = logging.getLogger(__name__)

_FAILURE_SECONDS = 20.0
"""A failed preparation is not repeated earlier: its callers get the same error."""
_DIGEST_SECONDS = 60.0
"""How often the digest of a ready environment is looked up again."""
_START_ATTEMPTS = 3


@dataclass
class _Environment:
    """What the pool holds of one definition."""

    definition: Definition
    digest: str = ""
    checked: float = 0.0
    preparation: "_Preparation | None" = None
    failure: Error | None = None
    failed: float = 0.0
    used: float = 0.0
    idle: list["_Place"] = field(default_factory=list)
    busy: set["_Place"] = field(default_factory=set)
    starting: "set[asyncio.Task[None]]" = field(default_factory=set)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(eq=False)
class _Place:
    """A workplace and what it has been through."""

    workplace: Workplace
    environment: _Environment
    checks: int = 0
    idle_since: float = 0.0
    state: str = "idle"
    condemned: str = ""  # why it must not take another check, whatever it is like


@dataclass
class _Preparation:
    """Work that several callers wait for."""

    task: "asyncio.Task[str]"
    listeners: list[Progress] = field(default_factory=list)
    last: tuple[str, float | None] = ("", None)


class Pool:
    """The warm workplaces of one runner."""

    def __init__(self, backend: Backend, *, policy: PoolPolicy) -> None:
        self._backend = backend
        self._policy = policy
        self._environments: dict[str, _Environment] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._retiring: set[_Place] = set()
        self._closed = False

    # Environments

    async def prepare(self, definition: Definition, progress: Progress) -> str:
        """Makes an environment ready and returns its digest; at once where it is.

        Raises EnvironmentUnavailableError or UnavailableError.
        """
        environment = self._environment(definition)
        now = time.monotonic()
        if environment.failure is not None and now - environment.failed < _FAILURE_SECONDS:
            raise environment.failure
        if environment.digest:
            return environment.digest
        preparation = environment.preparation
        if preparation is None:
            preparation = self._begin(environment)
        elif preparation.last[0]:
            progress(*preparation.last)
        preparation.listeners.append(progress)
        try:
            # One impatient caller must not stop the work of the others.
            return await asyncio.shield(preparation.task)
        finally:
            preparation.listeners.remove(progress)

    def is_ready(self, definition: Definition) -> bool:
        """Whether `prepare` would return at once."""
        return bool(self._environment(definition).digest)

    async def status(self, definition: Definition) -> EnvironmentStatus:
        """How an environment stands, without changing it."""
        environment = self._environment(definition)
        if environment.preparation is not None:
            return EnvironmentStatus(state="preparing", message=environment.preparation.last[0])
        if environment.failure is not None:
            return EnvironmentStatus(state="failed", message=environment.failure.message)
        try:
            digest = environment.digest or await self._backend.digest(definition)
        except Error as error:
            return EnvironmentStatus(state="failed", message=error.message)
        return EnvironmentStatus(state="ready" if digest else "absent", digest=digest)

    def _begin(self, environment: _Environment) -> _Preparation:
        def tell(message: str, fraction: float | None) -> None:
            preparation.last = (message, fraction)
            for listener in list(preparation.listeners):
                listener(message, fraction)

        async def work() -> str:
            try:
                environment.digest = await self._backend.prepare(environment.definition, tell)
            except Error as error:
                environment.failure, environment.failed = error, time.monotonic()
                raise
            finally:
                environment.preparation = None
            environment.failure = None
            environment.checked = time.monotonic()
            return environment.digest

        preparation = _Preparation(task=self._spawn(work()))
        environment.preparation = preparation
        return preparation

    def _environment(self, definition: Definition) -> _Environment:
        known = self._environments.get(definition.name)
        if known is None:
            known = self._environments[definition.name] = _Environment(definition)
        elif known.definition != definition:
            known.definition, known.digest, known.failure = definition, "", None
        return known

    # Workplaces

    @contextlib.asynccontextmanager
    async def workplace(
        self, definition: Definition, progress: Progress
    ) -> AsyncIterator[Borrowed]:
        """A warm workplace for one check; the caller tells the borrowed one how clean it was.

        Raises EnvironmentUnavailableError, UnavailableError or SessionBrokenError.
        """
        await self.prepare(definition, progress)
        environment = self._environment(definition)
        environment.used = time.monotonic()
        place = await self._take(environment, progress)
        borrowed = Borrowed(place.workplace)
        self._ahead(environment)
        try:
            yield borrowed
            place.checks += 1
        except BaseException:
            borrowed.abandoned = True
            raise
        finally:
            self._give_back(place, borrowed)

    async def warm(self, definition: Definition, progress: Progress) -> str:
        """Makes an environment ready with one workplace in it; returns its digest."""
        digest = await self.prepare(definition, progress)
        environment = self._environment(definition)
        if not environment.idle and not environment.busy:
            progress(f"starting a workplace of {definition.name}", None)
            place = await self._take(environment, progress)
            self._shelve(place)
        return digest

    def statuses(self) -> list[PlaceStatus]:
        """All workplaces that exist."""
        places = [
            place
            for environment in self._environments.values()
            for place in (*environment.idle, *environment.busy)
        ]
        return [
            PlaceStatus(info=p.workplace.info, checks_run=p.checks, state=p.state)
            for p in (*places, *self._retiring)
        ]

    async def _take(self, environment: _Environment, progress: Progress) -> _Place:
        while True:
            if (place := self._pop(environment)) is not None:
                return place
            if not environment.starting or self._count() < self._policy.total:
                progress(f"starting a workplace of {environment.definition.name}", None)
                self._make_room()
                # Not ended with its caller: a started workplace serves whoever comes next.
                await asyncio.shield(self._start(environment))
                continue
            # One that is being started ahead will be ours.
            environment.arrived.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(environment.arrived.wait(), 1.0)

    def _start(self, environment: _Environment) -> "asyncio.Task[None]":
        async def start() -> None:
            try:
                place = await self._open(environment)
            finally:
                environment.starting.discard(task)
            if self._closed:
                await place.workplace.close()
            else:
                self._shelve(place)

        task = self._spawn(start())
        environment.starting.add(task)
        return task

    def _pop(self, environment: _Environment) -> _Place | None:
        while environment.idle:
            place = environment.idle.pop()
            if place.workplace.broken or (
                environment.digest and place.workplace.info.environment_digest != environment.digest
            ):
                self._retire(place, "it is broken or out of date")
                continue
            place.state = "busy"
            environment.busy.add(place)
            return place
        return None

    async def _open(self, environment: _Environment) -> _Place:
        for attempt in range(1, _START_ATTEMPTS + 1):
            try:
                workplace = await self._backend.open(
                    environment.definition, digest=environment.digest
                )
                environment.failure = None
                return _Place(workplace, environment)
            except EnvironmentUnavailableError as error:
                # Not tight enough, or of another product: no check may run in it.
                environment.failure, environment.failed = error, time.monotonic()
                raise
            except SessionBrokenError as error:
                reason = str(error)
            except UnavailableError as error:
                reason = error.message
                environment.digest = ""  # the image may be gone: look again
                await self.prepare(environment.definition, _silent)
            log.warning(f"starting a workplace of {environment.definition.name}: {reason}")
            if attempt < _START_ATTEMPTS:
                await asyncio.sleep(0.2 * attempt)
        raise UnavailableError(
            f"no workplace of {environment.definition.name} could be started: {reason}"
        )

    def _give_back(self, place: _Place, borrowed: Borrowed) -> None:
        environment = place.environment
        environment.busy.discard(place)
        environment.used = time.monotonic()
        reason = place.condemned or reason_to_retire(
            place.workplace.info,
            policy=self._policy,
            checks_run=place.checks,
            broken=place.workplace.broken or borrowed.abandoned or self._closed,
            cleanliness=borrowed.cleanliness,
            digest=environment.digest,
        )
        borrowed.retired = reason
        if reason:
            self._retire(place, reason)
            self._ahead(environment)
        else:
            self._shelve(place)

    def condemn(self, workplace_id: str, *, reason: str) -> None:
        """Closes a workplace: at once if it is idle, else when its check is over."""
        for environment in self._environments.values():
            for place in [*environment.idle, *environment.busy]:
                if place.workplace.info.id == workplace_id:
                    place.condemned = reason
                    if place in environment.idle:
                        environment.idle.remove(place)
                        self._retire(place, reason)

    def _shelve(self, place: _Place) -> None:
        place.environment.busy.discard(place)
        place.state = "idle"
        place.idle_since = time.monotonic()
        place.environment.idle.append(place)
        place.environment.arrived.set()

    def _retire(self, place: _Place, reason: str) -> None:
        log.info(f"closing {place.workplace.info.id}: {reason}")
        place.state = "retiring"
        self._retiring.add(place)

        async def close() -> None:
            try:
                await place.workplace.close()
            finally:
                self._retiring.discard(place)

        self._spawn(close())

    def _ahead(self, environment: _Environment) -> None:
        """Starts the next workplace before it is needed: one beyond the busy ones, up to slots."""
        have = len(environment.idle) + len(environment.busy) + len(environment.starting)
        wanted = min(self._policy.slots, len(environment.busy) + 1)
        if self._closed or have >= wanted or self._count() >= self._policy.total:
            return
        self._start(environment)

    def _count(self) -> int:
        return sum(
            len(environment.idle) + len(environment.busy) + len(environment.starting)
            for environment in self._environments.values()
        )

    def _make_room(self) -> None:
        """Closes the longest idle workplace where there are as many as there may be."""
        if self._count() < self._policy.total:
            return
        idle = [place for env in self._environments.values() for place in env.idle]
        if idle:
            oldest = min(idle, key=lambda place: place.idle_since)
            oldest.environment.idle.remove(oldest)
            self._retire(oldest, "another environment needs the room")

    # Upkeep

    async def maintain(self) -> None:
        """Closes what is idle too long or out of date, for ever."""
        while True:
            await asyncio.sleep(min(5.0, self._policy.idle_seconds / 4))
            try:
                await self._tidy()
            except Error as error:
                log.warning(f"upkeep: {error.message}")
            except Exception:
                log.exception("upkeep failed; it goes on")

    async def _tidy(self) -> None:
        now = time.monotonic()
        for environment in list(self._environments.values()):
            if environment.digest and now - environment.checked > _DIGEST_SECONDS:
                environment.checked = now
                # Empty where it has to be made again: the next check prepares it.
                environment.digest = await self._backend.digest(environment.definition)
            for place in list(environment.idle):
                outdated = place.workplace.info.environment_digest != environment.digest
                idle = now - place.idle_since > self._policy.idle_seconds
                if idle or outdated or place.workplace.broken:
                    environment.idle.remove(place)
                    self._retire(place, "it was idle" if idle else "it is broken or out of date")

    async def close(self) -> None:
        """Closes every workplace."""
        self._closed = True
        for environment in self._environments.values():
            for place in [*environment.idle, *environment.busy]:
                self._retire(place, "the runner stops")
            environment.idle.clear()
            environment.busy.clear()
            for task in list(environment.starting):
                task.cancel()
            if environment.preparation is not None:
                environment.preparation.task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._backend.close()

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, Error | SessionBrokenError):
            log.warning(f"the pool: {error}")
        else:
            log.error("the pool failed", exc_info=error)


def _silent(message: str, fraction: float | None) -> None:
    """Nobody listens."""
