"""One session: a container, spoken to in frames."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, Protocol

from services.errors import EnvironmentUnavailableError, InvalidArgumentError, UnavailableError
from services.runner.domain.environments import Definition
from services.runner.ports import Progress
from services.runner.sessions.frames import Decoder, FrameError, encode
from services.runner.sessions.session import Channel
from services.runner.workbench import bundle
from services.runner.workbench.opening import Opening
from services.runner.workplaces.conformance import faults

Frame = tuple[dict[str, Any], bytes]
"""Header and body; `runtime/workbench/__init__.py` lists them."""

_READ_BYTES: Final = 256 * 1024
_HELLO_SECONDS: Final = 60


class Opener(Protocol):
    """Opens sessions, and ends them all with the runner."""

    async def open(
        self, definition: Definition, opening: Opening, progress: Progress
    ) -> "tuple[Workbench, str]":
        """Starts a container that waits for a working copy; it, and its environment's digest.

        Raises ResourceExhaustedError beyond the number of sessions, and
        EnvironmentUnavailableError or UnavailableError if the environment cannot be had.
        """
        ...

    async def close(self) -> None:
        """Ends all sessions; their clients are told why."""
        ...


class Workbench:
    """A container that has said hello.

    Args:
        container: Its name.
        channel: Its stream.
        remove: Removes the container; called once.
        idle_seconds: It ends when neither side has said anything for so long.
    """

    def __init__(
        self, container: str, channel: Channel, *, remove: Callable[[], Awaitable[None]],
        idle_seconds: float,
    ) -> None:  # fmt: skip
        self.container = container
        self.confinement = ""
        """How its program is confined; known after `greet`."""
        self._channel = channel
        self._remove = remove
        self._decoder = Decoder()
        self._ending: asyncio.Task[None] | None = None
        self._reason = ""
        self._idle_seconds = idle_seconds
        self._loop = asyncio.get_running_loop()
        self._active = self._loop.time()
        self._timer = self._loop.call_later(idle_seconds, self._look)

    def _look(self) -> None:
        """Ends what nobody uses: a client may be there, and silent for ever."""
        left = self._active + self._idle_seconds - self._loop.time()
        if left <= 0:
            self.end(
                f"nothing was said in it for {self._idle_seconds:.0f} s "
                "(ACKREP_RUNNER_WORKBENCH_IDLE_SECONDS)"
            )
        else:
            self._timer = self._loop.call_later(left, self._look)

    async def greet(self, configuration: dict[str, Any]) -> None:
        """Sends the runtime and the configuration, and judges what the container is like.

        Raises EnvironmentUnavailableError if it is not tight enough, UnavailableError if it does
        not come up.
        """
        try:
            async with asyncio.timeout(_HELLO_SECONDS):
                await self._channel.write(bundle.greeting())
                await self.send({"type": "config", **configuration})
                header, _ = await self._next()
        except TimeoutError as error:
            raise UnavailableError(f"the container {self.container} says nothing") from error
        if found := faults(header["conformance"]):
            raise EnvironmentUnavailableError(
                "containers are not tight enough for a session here: " + "; ".join(found)
            )
        self.confinement = f"container+{header['rung']}"

    async def send(self, header: dict[str, Any], body: bytes = b"") -> None:
        """Sends a frame. Raises UnavailableError if the session is over."""
        self._active = self._loop.time()
        try:
            await self._channel.write(encode(header, body))
        except (OSError, EOFError) as error:
            raise self._over() from error

    async def frames(self) -> AsyncIterator[Frame]:
        """What it says, until it ends. Raises UnavailableError then."""
        while True:
            yield await self._next()

    async def _next(self) -> Frame:
        try:
            while (frame := self._decoder.next()) is None:
                data = await self._channel.read(_READ_BYTES)
                if not data:
                    raise self._over()
                self._decoder.feed(data)
        except (OSError, FrameError) as error:
            raise UnavailableError(f"the session broke: {error}") from error
        self._active = self._loop.time()
        if frame[0]["type"] == "refused":
            raise InvalidArgumentError(str(frame[0].get("message", "")))
        return frame

    def _over(self) -> UnavailableError:
        said = str(getattr(self._channel, "errors", ""))
        last = said.rpartition("\n")[2]
        why = self._reason or last or "memory may have run out, or somebody removed it"
        return UnavailableError(f"the container of the session ended: {why}")

    def end(self, reason: str = "") -> "asyncio.Task[None]":
        """Ends it with everything in it; the same task however often it is called."""
        if self._ending is None:
            self._reason = reason
            self._timer.cancel()
            self._ending = asyncio.create_task(self._end())
        return self._ending

    async def _end(self) -> None:
        with contextlib.suppress(OSError):
            await self._channel.close()
        await self._remove()
