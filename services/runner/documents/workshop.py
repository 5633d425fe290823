"""Running something once in a workplace for a document's sake: nothing of it is recorded."""

import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from services.errors import UnavailableError
from services.plans import Plan
from services.runner.domain.environments import Definition
from services.runner.environments import Environments
from services.runner.ports import Progress
from services.runner.sessions.outcome import FileEvent, Outcome, ResultEvent, Verdict
from services.runner.sessions.session import Limits, SessionBrokenError, Tree
from services.runner.workplaces.pool import Pool

TEX_ENVIRONMENT: Final = "tex_environment"
_MEGABYTE: Final = 1024**2

RUN_LIMITS: Final = Limits(
    wall_seconds=300.0,
    cpu_seconds=300.0,
    memory_bytes=2048 * _MEGABYTE,
    file_bytes=64 * _MEGABYTE,
    output_bytes=64 * 1024,
    artefact_bytes=64 * _MEGABYTE,
)
"""Of a model's run: the usual ones of a check."""
TEX_LIMITS: Final = Limits(
    wall_seconds=60.0,
    cpu_seconds=60.0,
    memory_bytes=1024 * _MEGABYTE,
    file_bytes=64 * _MEGABYTE,
    output_bytes=64 * 1024,
    artefact_bytes=192 * _MEGABYTE,
    left_bytes=512 * _MEGABYTE,
)
"""Of setting one document."""
JOIN_LIMITS: Final = replace(TEX_LIMITS, wall_seconds=600.0, cpu_seconds=600.0)
"""Of joining many: the TeX is ours, and every page of every part is read."""
MAXIMUM_DOCUMENT: Final = 64 * _MEGABYTE


@dataclass(frozen=True)
class Done:
    """What came of it."""

    outcome: Outcome
    files: dict[str, bytes] = field(default_factory=dict)
    """Those that it made or changed, by path in the data repository."""

    @property
    def succeeded(self) -> bool:
        """Whether it came to its end."""
        return self.outcome.verdict in {Verdict.SUCCESS, Verdict.INACCURATE}


class Workshop:
    """Workplaces of the pool, used beside the checks."""

    def __init__(self, pool: Pool, environments: Environments) -> None:
        self._pool = pool
        self._environments = environments

    def environment(self, name: str) -> Definition:
        """The definition of an environment. Raises EnvironmentUnavailableError."""
        return self._environments.get(name)

    async def run(
        self,
        definition: Definition,
        plan: Plan,
        *,
        trees: Sequence[Tree],
        limits: Limits,
        progress: Progress,
    ) -> Done:
        """Runs a plan once.

        Raises EnvironmentUnavailableError, or UnavailableError if the workplace broke down.
        """
        try:
            async with self._pool.workplace(definition, progress) as borrowed:
                events = borrowed.workplace.run(
                    plan,
                    trees=trees,
                    limits=limits,
                    seed=1,
                    check=f"documents/{secrets.token_hex(8)}",
                )
                files: dict[str, bytes] = {}
                outcome: Outcome | None = None
                async with contextlib.aclosing(events) as running:  # type: ignore[type-var]  # every implementation is an async generator
                    async for event in running:
                        if isinstance(event, FileEvent):
                            with event.body:
                                files[event.path] = event.body.read()
                        elif isinstance(event, ResultEvent):
                            outcome = event.outcome
                if outcome is None:
                    raise SessionBrokenError("it ended without a result")
                borrowed.cleanliness = outcome.cleanliness
        except SessionBrokenError as error:
            raise UnavailableError(f"{definition.name} broke down: {error}") from error
        return Done(outcome, files)
