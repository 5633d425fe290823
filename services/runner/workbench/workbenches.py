"""Opens sessions, so many at once, and ends them all with the runner."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from services.errors import ResourceExhaustedError, UnavailableError
from services.runner.domain.environments import Definition
from services.runner.domain.images import ENVIRONMENT_LABEL
from services.runner.domain.workplaces import workplace_name
from services.runner.engine.containers import (
    INCARNATION_LABEL,
    RUNNER_LABEL,
    Bounds,
    Engine,
)
from services.runner.ports import Progress
from services.runner.sessions.session import HarnessConfig
from services.runner.workbench import bundle
from services.runner.workbench.images import JupyterImages
from services.runner.workbench.opening import Opening, Program
from services.runner.workbench.workbench import Workbench

log = logging.getLogger(__name__)

FIRST_UID: Final = 15_000
"""User id of the first session; below those of checks, another one for each session."""
FILE_BYTES: Final = 64 * 1024**2
COLLECTED_BYTES: Final = 256 * 1024**2
COLLECTED_FILES: Final = 5_000
"""What is brought back at most: of one file, of all, and how many."""

Prepare = Callable[[Definition, Progress], Awaitable[str]]


class Workbenches:
    """The sessions of one runner.

    Args:
        engine: Where their containers run.
        runner: Id of the runner, a label of its containers.
        incarnation: Of the runner; see `Engine.remove_earlier`.
        bounds: What a container may use: that of a check.
        most: Sessions at once.
        prepare: Makes an environment ready and returns its digest.
        idle_seconds: A session in which nothing was said for so long is ended.
    """

    def __init__(
        self, engine: Engine, *, runner: str, incarnation: str, bounds: Bounds, most: int,
        prepare: Prepare, idle_seconds: float,
    ) -> None:  # fmt: skip
        self._engine = engine
        self._labels = {RUNNER_LABEL: runner, INCARNATION_LABEL: incarnation}
        self._bounds = bounds
        self._most = most
        self._prepare = prepare
        self._idle_seconds = idle_seconds
        self._images = JupyterImages(engine.images)
        self._taken: set[int] = set()
        self._open: set[Workbench] = set()
        self._closed = False

    async def open(
        self, definition: Definition, opening: Opening, progress: Progress
    ) -> tuple[Workbench, str]:
        number = next((one for one in range(self._most) if one not in self._taken), None)
        if number is None:
            raise ResourceExhaustedError(
                f"this runner has {self._most} sessions open already "
                "(ACKREP_RUNNER_WORKBENCHES); end one of them first"
            )
        self._taken.add(number)
        try:
            digest = await self._prepare(definition, progress)
            image = digest
            if opening.program is Program.JUPYTER:
                image = await self._images.image(definition, digest, progress)
            progress("starting a container", None)
            return await self._start(definition, image, number), digest
        except BaseException:
            self._taken.discard(number)
            raise

    async def _start(self, definition: Definition, image: str, number: int) -> Workbench:
        name = workplace_name(definition.name)
        starting = asyncio.create_task(
            self._engine.start(
                name,
                image=image,
                command=bundle.command(),
                labels={**self._labels, ENVIRONMENT_LABEL: definition.name},
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

        async def remove() -> None:
            await self._remove(name)
            # Last: until then `close` waits for it.
            self._open.discard(workbench)
            self._taken.discard(number)

        workbench = Workbench(name, channel, remove=remove, idle_seconds=self._idle_seconds)
        self._open.add(workbench)
        try:
            if self._closed:
                raise UnavailableError("the runner stops")
            await workbench.greet(
                {
                    "uid": FIRST_UID + number,
                    "data_root": HarnessConfig.data_root,
                    "work_root": HarnessConfig.work_root,
                    "environment": definition.name,
                    "shims": list(definition.shims),
                    "data_bytes": self._bounds.disk_bytes // 2,
                    "file_bytes": FILE_BYTES,
                    "collected_bytes": COLLECTED_BYTES,
                    "collected_files": COLLECTED_FILES,
                }
            )
        except BaseException:
            await asyncio.shield(workbench.end())
            raise
        return workbench

    async def _remove(self, name: str) -> None:
        try:
            await self._engine.remove(name)
        except UnavailableError as error:
            # The next incarnation sweeps it; a container without its stream ends by itself.
            log.warning(f"cannot remove the container {name}: {error.message}")

    async def close(self) -> None:
        self._closed = True
        await asyncio.gather(*(one.end("the runner stops") for one in list(self._open)))
