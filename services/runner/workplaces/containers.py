"""The Docker backend: images of environments, and warm containers of them."""

import asyncio
import contextlib
import dataclasses
import logging
import time
import zlib
from collections.abc import Mapping

from services.errors import UnavailableError
from services.runner.domain.engines import EngineAwayError
from services.runner.domain.environments import Definition
from services.runner.domain.images import ENVIRONMENT_LABEL
from services.runner.domain.workplaces import FRESH, uid_range, workplace_name
from services.runner.engine.containers import INCARNATION_LABEL, RUNNER_LABEL, Bounds, Engine
from services.runner.ports import Progress
from services.runner.sessions import bundle
from services.runner.sessions.session import HarnessSession, Limits, SessionBrokenError
from services.runner.workplaces.conformance import (
    LooseContainerError,
    degradations,
    faults,
    outdated,
)
from services.runner.workplaces.harnessed import HarnessWorkplace, config_of, info_of
from services.runner.workplaces.images import ContainerImages

log = logging.getLogger(__name__)

_ENDED_SECONDS = 600.0
_OWN_PROCESSES = 16
"""Of a container's, for the harness: supervisor, zygote, and whoever they start to clean up."""


class ContainerBackend:
    """Runs checks in containers of one engine.

    Args:
        engine: Where.
        runner: Id of the runner, a label of its containers.
        incarnation: Of the runner; containers of other incarnations are removed by `sweep`.
        bounds: What a container may use where the limits of a check say nothing.
        reason: Why this backend is used.
        registry: Where to pull images from; empty: they are built.
        pull_seconds: How long a pull or push of an image may take.
        strict: Whether what is only degraded or outdated is refused as well.

    Raises UnavailableError if it is strict and the engine has known ways out of its containers.
    """

    name = "docker"

    def __init__(
        self, engine: Engine, *, runner: str, incarnation: str, bounds: Bounds, reason: str,
        registry: str = "", pull_seconds: float = 3600.0, strict: bool = False,
    ) -> None:  # fmt: skip
        self.engine = self._engine = engine
        self._runner = runner
        self._incarnation = incarnation
        self.bounds = self._bounds = bounds
        self._images = ContainerImages(engine.images, registry=registry, seconds=pull_seconds)
        self._uids: set[int] = set()
        self._open: set[HarnessWorkplace] = set()
        self._owed: set[str] = set()
        """Containers that could not be removed while the engine was away."""
        self._strict = strict
        warnings = outdated(engine.components)
        if warnings and strict:
            raise UnavailableError(f"the engine at {engine.host} is refused: {'; '.join(warnings)}")
        for warning in warnings:
            log.warning(warning)
        self.reason = "; ".join((reason, *warnings))

    @property
    def engine_version(self) -> str:
        return self._engine.version

    @property
    def images(self) -> ContainerImages:
        return self._images

    async def sweep(self, *, ended_seconds: float = _ENDED_SECONDS) -> int:
        """Removes what earlier incarnations of this runner left, and what killed runners left.

        Returns how many. The latter only once it has ended for so long: who lives still removes it.
        """
        owed = list(self._owed)
        for name in owed:
            await self._engine.remove(name)
            self._owed.discard(name)
        return len(owed) + await self._engine.remove_leftovers(
            runner=self._runner, incarnation=self._incarnation, ended_seconds=ended_seconds
        )

    async def answers(self) -> bool:
        return await self._engine.answers()

    async def digest(self, definition: Definition) -> str:
        image = await self._images.current(definition)
        return image.id if image is not None else ""

    async def prepare(self, definition: Definition, progress: Progress) -> str:
        return await self._images.prepare(definition, progress)

    async def freshen(self, definition: Definition, progress: Progress) -> bool:
        return await self._images.freshen(definition, progress)

    async def open(self, definition: Definition, *, digest: str) -> HarnessWorkplace:
        started = time.monotonic()
        name = workplace_name(definition.name)
        first, count = uid_range(self._uids, prefer=zlib.crc32(self._runner.encode()))
        self._uids.add(first)
        try:
            session = await self._session(definition, name=name, digest=digest, uids=(first, count))
        except BaseException:
            self._uids.discard(first)
            raise
        conformance = session.hello.conformance
        rung = session.ready.confinement
        info = info_of(
            session,
            definition=definition,
            workplace_id=name,
            digest=digest,
            confinement=_confinement(rung),
            started=started,
            remarks=self._degradations(conformance, rung=rung),
        )
        memory = self._bounds.memory_bytes

        async def fit(limits: Limits) -> Limits:
            # The container's limit is the check's: RLIMIT_AS would count what is only reserved.
            nonlocal memory
            wanted = limits.memory_bytes or self._bounds.memory_bytes
            if wanted != memory:
                await self._engine.bound(name, memory_bytes=wanted)
                memory = wanted
            return _fitted(limits, processes=self._bounds.processes)

        async def end() -> None:
            self._uids.discard(first)
            self._open.discard(workplace)
            await self._remove(name)

        async def starved() -> bool:
            with contextlib.suppress(UnavailableError):
                return await self._engine.starved(name)
            return False

        workplace = HarnessWorkplace(session, info=info, fit=fit, end=end, starved=starved)
        self._open.add(workplace)
        return workplace

    async def _session(
        self, definition: Definition, *, name: str, digest: str, uids: tuple[int, int]
    ) -> HarnessSession:
        starting = asyncio.create_task(
            self._engine.start(
                name,
                image=digest,
                command=bundle.command(),
                labels={
                    RUNNER_LABEL: self._runner,
                    INCARNATION_LABEL: self._incarnation,
                    ENVIRONMENT_LABEL: definition.name,
                },
                bounds=self._bounds,
            )
        )
        try:
            channel = await asyncio.shield(starting)
        except asyncio.CancelledError:
            # What a thread asks of the engine cannot be stopped: it is undone when it is there.
            with contextlib.suppress(UnavailableError):
                await (await starting).close()
            await self._remove(name)
            raise
        except EngineAwayError:
            self._owed.add(name)  # it may have been made all the same
            raise
        try:
            session = await HarnessSession.open(channel, config=config_of(definition, uids=uids))
            conformance = session.hello.conformance
            found = faults(conformance)
            if self._strict:
                found += self._degradations(conformance, rung=session.ready.confinement)
            if found:
                raise LooseContainerError(found, environment=definition.name)
        except SessionBrokenError as error:
            await channel.close()
            await self._remove(name)
            said = f" It said: {channel.errors}" if channel.errors else ""
            raise SessionBrokenError(
                f"the container {name} did not start: {error}.{said}"
            ) from error
        except BaseException:
            await channel.close()
            await self._remove(name)
            raise
        return session

    def _degradations(self, conformance: Mapping[str, object], *, rung: str) -> tuple[str, ...]:
        return degradations(
            conformance,
            rung=rung,
            memory_bytes=self._bounds.memory_bytes,
            processes=self._bounds.processes,
        )

    async def _remove(self, name: str) -> None:
        try:
            await self._engine.remove(name)
        except UnavailableError as error:
            # A container without its stream ends by itself; what is left of it is swept.
            self._owed.add(name)
            log.warning(f"cannot remove the container {name}: {error.message}")

    async def close(self) -> None:
        for workplace in list(self._open):
            await workplace.close()
        await self._engine.close()


def _confinement(rung: str) -> str:
    if rung == "none":
        return f"container+{FRESH}"
    return f"container+{rung}" if "uid" in rung.split("+") else f"container+{rung}+{FRESH}"


def _fitted(limits: Limits, *, processes: int) -> Limits:
    """What is left to the harness, and never so many processes that it has none for itself."""
    most = processes - _OWN_PROCESSES
    return dataclasses.replace(
        limits, memory_bytes=0, processes=min(limits.processes or most, most)
    )
