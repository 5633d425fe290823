"""What can be asked of a runner."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from services.errors import EnvironmentUnavailableError, NotFoundError
from services.runner.checks.audit import Audit
from services.runner.checks.worker import Worker
from services.runner.domain.environments import Definition
from services.runner.environments import Environments
from services.runner.ports import Backend, Registration
from services.runner.statuses import EnvironmentStatus, PlaceStatus
from services.runner.workplaces.pool import Pool


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
            backend_reason=self._backend.reason,
            engine_version=self._backend.engine_version,
            checks=self._worker.checks,
            draining=self._worker.draining,
            workplaces=self._pool.statuses(),
            audits=self._audit.done if self._audit else 0,
            differences=tuple(reversed(self._audit.differences)) if self._audit else (),
        )

    async def environments(self) -> list[tuple[Definition, EnvironmentStatus]]:
        """All environments with how they stand, ordered by name."""
        definitions = self._environments.all()
        statuses = await asyncio.gather(*(self._pool.status(one) for one in definitions))
        return list(zip(definitions, statuses, strict=True))

    def definition(self, name: str) -> Definition:
        """The definition of `environments/{name}`. Raises NotFoundError."""
        try:
            return self._environments.get(name)
        except EnvironmentUnavailableError as error:
            raise NotFoundError(error.message, **error.facts) from error

    async def status(self, definition: Definition) -> EnvironmentStatus:
        """How an environment stands."""
        return await self._pool.status(definition)

    async def prepare(self, definition: Definition) -> AsyncIterator[Step]:
        """Makes an environment ready and warm, telling what happens.

        Raises EnvironmentUnavailableError or UnavailableError.
        """
        steps: asyncio.Queue[Step | None] = asyncio.Queue()

        def tell(message: str, fraction: float | None) -> None:
            steps.put_nowait(Step(message=message, fraction=fraction))

        work = asyncio.create_task(self._pool.warm(definition, tell))
        work.add_done_callback(lambda _: steps.put_nowait(None))
        try:
            while (step := await steps.get()) is not None:
                yield step
            await work
        finally:
            work.cancel()

    async def drain(self, name: str) -> RunnerStatus:
        """Takes no new checks; returns when the ones it holds are finished."""
        self.runner(name)
        await self._worker.drain()
        return self.runner(name)
