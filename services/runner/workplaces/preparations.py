"""Environments made ready: each once, whoever asks and however many ask, outside of slots."""

import asyncio
import logging
import random
import time
from dataclasses import dataclass, field

from services.errors import Error
from services.runner.domain.engines import EngineAwayError
from services.runner.domain.environments import Definition
from services.runner.ports import Backend, Progress
from services.runner.statuses import EnvironmentStatus
from services.runner.workplaces.tasks import Tasks

log = logging.getLogger(__name__)

FAILURE_SECONDS = 20.0
"""A failed preparation is not repeated earlier: its callers get the same error."""
DIGEST_SECONDS = 60.0
"""How often the digest of a ready environment is looked up again."""
_JITTER = 0.2


@dataclass
class _Preparation:
    """Work that several callers wait for."""

    task: "asyncio.Task[str]"
    listeners: list[Progress] = field(default_factory=list)
    last: tuple[str, float | None] = ("", None)


class Environment:
    """One environment: whether it is ready, and the work that makes it so.

    Args:
        definition: Of the environment; replaced when it was edited.
        backend: Makes it.
        tasks: Where its work runs.
    """

    def __init__(self, definition: Definition, *, backend: Backend, tasks: Tasks) -> None:
        self.definition = definition
        self.digest = ""
        """Of what checks run in; empty until it is ready."""
        self._backend = backend
        self._tasks = tasks
        self._looked = 0.0
        self._refreshed = time.monotonic()
        self._unevenness = _unevenness()
        self._preparation: _Preparation | None = None
        self._failure: Error | None = None
        self._failed = 0.0

    def redefine(self, definition: Definition) -> None:
        """Takes an edited definition: the environment has to be made ready again."""
        if definition != self.definition:
            self.forget()
        self.definition = definition

    def forget(self) -> None:
        """Something was done to it: what it is now is found out when it is needed next."""
        self.digest, self._failure = "", None

    @property
    def failure(self) -> Error | None:
        """Why it cannot be had, if that was found out a moment ago."""
        recent = time.monotonic() - self._failed < FAILURE_SECONDS
        return self._failure if recent else None

    def fail(self, error: Error) -> None:
        """Notes that it cannot be had; who asks within the next seconds is told the same."""
        self._failure, self._failed = error, time.monotonic()

    def succeed(self) -> None:
        """Notes that it can be had after all."""
        self._failure = None

    @property
    def can_be_tried(self) -> bool:
        """Whether it is not ready, nobody is at it, and it did not just fail."""
        return not self.digest and self._preparation is None and self.failure is None

    async def prepare(self, progress: Progress) -> str:
        """Makes it ready and returns its digest; at once where it is.

        Raises EnvironmentUnavailableError or UnavailableError.
        """
        if (failure := self.failure) is not None:
            raise failure
        if self.digest:
            return self.digest
        preparation = self._preparation
        if preparation is None:
            preparation = self._begin()
        elif preparation.last[0]:
            progress(*preparation.last)
        preparation.listeners.append(progress)
        try:
            # One impatient caller must not stop the work of the others.
            return await asyncio.shield(preparation.task)
        finally:
            preparation.listeners.remove(progress)

    def _begin(self) -> _Preparation:
        def tell(message: str, fraction: float | None) -> None:
            preparation.last = (message, fraction)
            for listener in list(preparation.listeners):
                listener(message, fraction)

        async def work() -> str:
            try:
                self.digest = await self._backend.prepare(self.definition, tell)
            except EngineAwayError:
                raise  # it says nothing of the environment: once the engine is back, it is tried
            except Error as error:
                self.fail(error)
                raise
            finally:
                self._preparation = None
            self._failure = None
            self._looked = time.monotonic()
            return self.digest

        preparation = _Preparation(task=self._tasks.start(work()))
        self._preparation = preparation
        return preparation

    async def look(self, *, now: float) -> None:
        """Looks the digest up again when it is time; empty where it has to be made again."""
        if self.digest and now - self._looked > DIGEST_SECONDS:
            self._looked = now
            self.digest = await self._backend.digest(self.definition)

    def is_stale(self, *, every: float, now: float) -> bool:
        """Whether it is time to `refresh`: not for all environments and runners at once."""
        return bool(self.digest) and now - self._refreshed > every * self._unevenness

    async def refresh(self) -> None:
        """Asks the registry for a newer image. What goes wrong is only logged."""
        self._refreshed = time.monotonic()
        self._unevenness = _unevenness()
        try:
            if await self._backend.freshen(self.definition, _logged):
                self.digest = await self._backend.digest(self.definition)
                log.info(f"{self.definition.identity} is {self.digest} from now on")
        except Error as error:
            log.warning(f"{self.definition.identity} could not be refreshed: {error.message}")

    async def status(self) -> EnvironmentStatus:
        """How it stands, without changing it."""
        if self._preparation is not None:
            return EnvironmentStatus(state="preparing", message=self._preparation.last[0])
        if self._failure is not None:
            return EnvironmentStatus(state="failed", message=self._failure.message)
        try:
            digest = self.digest or await self._backend.digest(self.definition)
        except Error as error:
            return EnvironmentStatus(state="failed", message=error.message)
        return EnvironmentStatus(state="ready" if digest else "absent", digest=digest)

    def stop(self) -> None:
        """Stops the work that is under way."""
        if self._preparation is not None:
            self._preparation.task.cancel()


def _unevenness() -> float:
    return random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311  # no secret


def _logged(message: str, fraction: float | None) -> None:
    log.debug(message)
