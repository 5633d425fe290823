"""A workplace over a harness session: what both backends hand out."""

import platform
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from services.plans import Plan
from services.runner.domain.environments import Definition
from services.runner.domain.workplaces import WorkplaceInfo
from services.runner.sessions.outcome import Cleanliness, Event, Outcome, ResultEvent, Verdict
from services.runner.sessions.session import (
    HarnessConfig,
    HarnessSession,
    Limits,
    SessionBrokenError,
    Tree,
)


class HarnessWorkplace:
    """One container or process with a harness in it.

    Args:
        session: Ready for checks.
        info: What is known of it.
        fit: Called with the limits before each check; adapts the container's own.
        end: Removes the container or process. Idempotent; never raises.
        starved: Says, once its stream is broken, whether that was for want of memory.
    """

    def __init__(
        self,
        session: HarnessSession,
        *,
        info: WorkplaceInfo,
        fit: Callable[[Limits], Awaitable[Limits]],
        end: Callable[[], Awaitable[None]],
        starved: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self._session = session
        self._info = info
        self._fit = fit
        self._end = end
        self._starved = starved
        self._closed = False

    @property
    def info(self) -> WorkplaceInfo:
        return self._info

    @property
    def broken(self) -> bool:
        return self._session.ended

    async def run(
        self, plan: Plan, *, trees: Iterable[Tree], limits: Limits, seed: int, check: str
    ) -> AsyncIterator[Event]:
        fitted = await self._fit(limits)
        try:
            async for event in self._session.run(
                plan, trees=trees, limits=fitted, seed=seed, check=check
            ):
                yield event
        except SessionBrokenError:
            # The check is to go first when memory runs out; if all went, it was the check still.
            if self._starved is None or not await self._starved():
                raise
            yield ResultEvent(outcome=_starved_outcome(self._info))

    async def cancel(self, reason: str) -> None:
        await self._session.cancel(reason)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._session.close()
        await self._end()


def _starved_outcome(info: WorkplaceInfo) -> Outcome:
    return Outcome(
        verdict=Verdict.LIMIT_EXCEEDED,
        limit="memory",
        message="exceeded the limit of memory: its container ended with it",
        confinement=info.confinement,
        cleanliness=Cleanliness(oom_kills=1, zygote_alive=False),
    )


def config_of(definition: Definition, **roots: object) -> HarnessConfig:
    """What the harness must know of an environment; `roots` are further fields."""
    return HarnessConfig(
        preload=definition.preload,
        shims=definition.shims,
        unavailable=definition.unavailable,
        **roots,  # type: ignore[arg-type]  # the callers name fields of HarnessConfig
    )


def info_of(
    session: HarnessSession,
    *,
    definition: Definition,
    workplace_id: str,
    digest: str,
    confinement: str,
    started: float,
    remarks: tuple[str, ...] = (),
) -> WorkplaceInfo:
    """What a ready session tells about its workplace; `started` as of `time.monotonic()`."""
    failures = tuple(
        f"{module} could not be imported ahead: {why}"
        for module, why in session.ready.preload_failures.items()
    )
    return WorkplaceInfo(
        id=workplace_id,
        environment=definition.name,
        environment_digest=digest,
        confinement=confinement,
        python=session.hello.python,
        packages=tuple(
            f"{name}=={version}"
            for name, version in sorted(
                session.ready.packages.items(), key=lambda item: item[0].lower()
            )
        ),
        shims=session.ready.shims,
        machine=platform.machine(),
        start_seconds=time.monotonic() - started,
        remarks=(*remarks, *failures),
        preload_failures=failures,
    )
