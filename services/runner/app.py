"""What can be asked of a runner."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from services.errors import (
    EnvironmentUnavailableError,
    InvalidArgumentError,
    NotFoundError,
    PreconditionError,
)
from services.runner.checks.audit import Audit
from services.runner.checks.worker import Worker
from services.runner.domain.environments import Definition
from services.runner.domain.images import ForeignImageError, Published, Release
from services.runner.domain.verification import Verification, error
from services.runner.environments import Environments, pins
from services.runner.ports import Backend, ImageStore, Progress, Registration
from services.runner.statuses import EnvironmentDetails, EnvironmentStatus, PlaceStatus
from services.runner.workplaces.pool import Pool
from services.runner.workplaces.verification import examine

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class RunnerStatus:
    """A runner as it is shown."""

    registration: Registration
    backend_reason: str
    engine_version: str
    checks: list[str]
    draining: bool
    workplaces: list[PlaceStatus]
    audits: int = 0
    differences: tuple[str, ...] = ()
    """What audits found, latest first."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A moment of a preparation."""

    message: str
    fraction: float | None


class Undertaking(Generic[T]):
    """Work that takes a while and tells what happens: iterate over `steps`, then read `result`."""

    def __init__(self, work: Callable[[Progress], Coroutine[Any, Any, T]]) -> None:
        self._work = work
        self.result: T
        """What came of it, once the steps are over."""

    async def steps(self) -> AsyncIterator[Step]:
        """Does the work; leaving early stops it. Raises what the work raises."""
        steps: asyncio.Queue[Step | None] = asyncio.Queue()

        def tell(message: str, fraction: float | None) -> None:
            steps.put_nowait(Step(message=message, fraction=fraction))

        work = asyncio.create_task(self._work(tell))
        work.add_done_callback(lambda _: steps.put_nowait(None))
        try:
            while (step := await steps.get()) is not None:
                yield step
            self.result = await work
        finally:
            work.cancel()


class RunnerApp:
    """The use cases of the runner's own service."""

    def __init__(
        self,
        *,
        worker: Worker,
        pool: Pool,
        backend: Backend,
        environments: Environments,
        audit: Audit | None = None,
    ) -> None:
        self._worker = worker
        self._pool = pool
        self._backend = backend
        self._environments = environments
        self._audit = audit

    def runner(self, name: str) -> RunnerStatus:
        """The runner. Raises NotFoundError if it is another one that is asked for."""
        own = self._worker.registration.runner
        if name not in {own, "runners/-"}:
            raise NotFoundError(f"this is {own}, not {name}", runner=own)
        return RunnerStatus(
            registration=self._worker.registration,
            backend_reason=self._pool.presence.complaint or self._backend.reason,
            engine_version=self._backend.engine_version,
            checks=self._worker.checks,
            draining=not self._worker.taking,
            workplaces=self._pool.statuses(),
            audits=self._audit.done if self._audit else 0,
            differences=tuple(reversed(self._audit.differences)) if self._audit else (),
        )

    # Environments

    def definition(self, name: str) -> Definition:
        """The definition of `environments/{name}[@{reference}]`.

        Raises NotFoundError, or InvalidArgumentError for what is no reference.
        """
        try:
            return self._environments.get(name)
        except EnvironmentUnavailableError as error:
            raise NotFoundError(error.message, **error.facts) from error

    async def environments(self) -> list[EnvironmentDetails]:
        """All environments, ordered by name."""
        found = await asyncio.gather(*map(self._details, self._environments.all()))
        return list(found)

    async def environment(self, name: str) -> EnvironmentDetails:
        """One environment, or one image of it. Raises NotFoundError."""
        definition = self.definition(name)
        details = await self._details(definition)
        in_image = self._backend.images is not None
        return dataclasses.replace(details, packages=pins(definition, process=not in_image))

    async def _details(self, definition: Definition) -> EnvironmentDetails:
        status = await self._status(definition)
        store = self._backend.images
        if store is None:
            return EnvironmentDetails(definition=definition, status=status)
        return EnvironmentDetails(
            definition=definition,
            status=status,
            images=tuple(
                one
                for one in await store.shown(definition)
                if not definition.reference or one.image.id == status.digest
            ),
            repository=store.repository(definition),
            freshness_time=store.freshness_time(definition),
        )

    async def _status(self, definition: Definition) -> EnvironmentStatus:
        if not definition.reference:
            return await self._pool.status(definition)
        digest = await self._backend.digest(definition)
        if not digest:
            raise NotFoundError(
                f"there is no image {definition.identity} on this machine",
                environment=definition.name,
            )
        return EnvironmentStatus(state="ready", digest=digest)

    def prepare(self, definition: Definition) -> AsyncIterator[Step]:
        """Makes an environment ready and warm, telling what happens.

        Raises EnvironmentUnavailableError, UnavailableError or DeadlineExceededError.
        """
        return Undertaking(lambda tell: self._pool.warm(definition, tell)).steps()

    def build(self, name: str, *, tag: str, no_cache: bool) -> Undertaking[EnvironmentDetails]:
        """Builds an image of `environments/{name}`; checks use it next if `tag` is empty.

        Raises NotFoundError, InvalidArgumentError, PreconditionError without images, and as
        `ImageStore.build`.
        """
        definition, store = self.definition(name), self._store()
        if definition.reference:
            raise InvalidArgumentError(
                f"{definition.identity} is one image: name the environment, and the tag beside it"
            )

        async def build(tell: Progress) -> EnvironmentDetails:
            await store.build(definition, tag=tag, no_cache=no_cache, progress=tell)
            self._pool.forget(definition)
            return await self.environment(f"{definition.name}@{tag}" if tag else definition.name)

        return Undertaking(build)

    def pull(self, name: str) -> Undertaking[EnvironmentDetails]:
        """Pulls an image; raises as `build`."""
        definition, store = self.definition(name), self._store()

        async def pull(tell: Progress) -> EnvironmentDetails:
            await store.pull(definition, tell)
            self._pool.forget(definition)
            return await self.environment(definition.identity)

        return Undertaking(pull)

    def push(self, name: str, release: Release) -> Undertaking[Published]:
        """Publishes an image; raises as `ImageStore.push`."""
        definition, store = self.definition(name), self._store()

        async def push(tell: Progress) -> Published:
            published = await store.push(definition, release, tell)
            self._pool.forget(definition)
            return published

        return Undertaking(push)

    async def verify(self, name: str) -> Verification:
        """Examines an environment, which is made ready first. Raises as `prepare`."""
        definition = self.definition(name)
        try:
            digest = await self._pool.prepare(definition, _silent)
        except ForeignImageError as foreign:
            return Verification(findings=(error("labels", foreign.message),))
        return await examine(definition, self._backend, digest=digest)

    def _store(self) -> ImageStore:
        if self._backend.images is None:
            raise PreconditionError(
                "this runner has no images: it runs checks as processes "
                f"({self._backend.reason}); images need a Docker engine"
            )
        return self._backend.images

    async def drain(self, name: str) -> RunnerStatus:
        """Takes no new checks; returns when the ones it holds are finished."""
        self.runner(name)
        await self._worker.drain()
        return self.runner(name)


def _silent(message: str, fraction: float | None) -> None:
    """Nobody listens."""
