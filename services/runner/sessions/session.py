"""The host's side of one harness: hand it a check, read what happens.

A backend (a container's attach stream, or a child process) gives a `Channel`; the rest is equal::

    session = await HarnessSession.open(channel, config=HarnessConfig(...))
    session.hello.conformance    # facts about the environment: the runner decides which are fatal
    session.ready.packages       # what is installed
    async for event in session.run(plan, trees=[Tree(path=..., tar=...)], limits=Limits(), seed=7):
        ...                      # PhaseEvent | LogEvent | FileEvent, and at last a ResultEvent
    await session.cancel("...")  # from another task; the outcome is then CANCELLED
    await session.close()

The command that the channel must be connected to is `bundle.command(python, run_root)`:
PID 1 of the container, or a subprocess. Its stdin and stdout are the channel, its stderr is for
the runner's log. One check at a time. A session is not resumed: after `SessionBrokenError`, or
when the events of a check were not read to the end, `broken` is true and the container (process)
must be replaced. Likewise when `outcome.cleanliness.clean` is false.

A container needs (besides what the runner finds right): writable tmpfs at `/run`, `/check`, `/tmp`;
user root with SETUID, SETGID, CHOWN, KILL and DAC_OVERRIDE and nothing else. For a process backend
pass a `HarnessConfig` whose roots lie in a temporary folder, `isolated=False` and `clean=()`; as
root the rung `uid` is taken if those folders and Python's are open to all (0755), else `none`.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import IO, Any, Final, Protocol, Self

from services.plans import Plan
from services.runner.sessions import bundle
from services.runner.sessions.frames import PART, Decoder, FrameError, encode
from services.runner.sessions.outcome import (
    Event,
    FileEvent,
    LogEvent,
    OutcomeError,
    PhaseEvent,
    ResultEvent,
    outcome_of,
    storable,
)

READ_BYTES: Final = 256 * 1024
"""How much is asked of the channel at once."""
GRACE_SECONDS: Final = 30.0
"""How long after a check's time limit its result may come: cleaning, artefacts, a slow machine."""
SPOOL_BYTES: Final = 4 * 1024 * 1024
"""Artefacts up to this size are kept in memory."""


class SessionBrokenError(Exception):
    """The stream to the harness ended or makes no sense: ours to handle, not the entity's."""


class Channel(Protocol):
    """A two-way stream of bytes to a harness."""

    @property
    def ended(self) -> bool:
        """Whether the other side is known to be gone, while nobody reads. False where unknown."""
        ...

    async def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, as soon as there are any; empty at the end of the stream."""
        ...

    async def write(self, data: bytes, /) -> None:
        """Write all of it."""
        ...

    async def close(self) -> None:
        """Close both ways. Idempotent."""
        ...


@dataclass(frozen=True, kw_only=True)
class HarnessConfig:
    """What a harness must know about the environment it is in. Defaults are a container's."""

    data_root: str = "/check/data"
    """Where the closure's folders are laid out."""
    work_root: str = "/check/work"
    """Where a check's home and temporary files are."""
    preload: tuple[str, ...] = ()
    """Modules that the zygote imports."""
    shims: tuple[str, ...] = ()
    """Compatibility added in this environment; stated in every result."""
    unavailable: Mapping[str, str] = field(default_factory=dict)
    """Package to the reason why the environment lacks it."""
    clean: tuple[str, ...] = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue")  # noqa: S108 - emptied
    """Shared places that are emptied after each check. Only in a container: () elsewhere."""
    uids: tuple[int, int] = (20000, 1000)
    """First user id of checks, and how many. Not overlapping between containers, below 65536."""
    isolated: bool = True
    """Whether every process the harness can see belongs to it (its own PID namespace)."""
    zygote: bool = True
    """Fork checks from a warm process. False: a fresh interpreter per check."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of every check."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one check may use. Zero means: not limited by the harness."""

    wall_seconds: float = 180.0
    cpu_seconds: float = 0.0
    memory_bytes: int = 0
    """Address space of each process (RLIMIT_AS); a container's own limit comes on top."""
    file_bytes: int = 1024**3
    """Largest single file."""
    processes: int = 0
    """Of the check's user; only on the `uid` rung."""
    open_files: int = 1024
    output_bytes: int = 2 * 1024**2
    """Output that is kept: its head and its tail."""
    flood_bytes: int = 256 * 1024**2
    """Output at which the check is stopped."""
    artefact_bytes: int = 64 * 1024**2
    """All artefacts together."""
    artefact_count: int = 200
    left_count: int = 10_000
    """Files that a check may leave, artefacts or not."""
    left_bytes: int = 1024**3
    """What the files that it leaves in its folders may hold."""


@dataclass(frozen=True, kw_only=True)
class Tree:
    """One folder of the closure."""

    path: str
    """Repository-relative."""
    tar: bytes
    """A tar archive of what is in it, names relative to `path`. Only files, folders and links."""


@dataclass(frozen=True, kw_only=True)
class Hello:
    """What the supervisor says first."""

    python: str
    runtime_version: str
    conformance: Mapping[str, object]
    """uid, capabilities (effective, as a list), root_writable, interfaces, no_new_privs, pid,
    seccomp; None where the system does not say."""


@dataclass(frozen=True, kw_only=True)
class Ready:
    """What the harness says when it can take checks."""

    confinement: str
    shims: tuple[str, ...]
    packages: Mapping[str, str]
    """Installed distribution to version."""
    preload_failures: Mapping[str, str]
    preload_seconds: float


class HarnessSession:
    """One harness, ready for one check after another. Made by `open`."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._decoder = Decoder()
        self._write_lock = asyncio.Lock()
        self._busy = False
        self._started = False
        self._cancelled: str | None = None
        self.broken = False
        self.checks = 0
        self.hello: Hello
        self.ready: Ready

    @classmethod
    async def open(
        cls, channel: Channel, *, config: HarnessConfig, timeout_seconds: float = 120.0
    ) -> Self:
        """Send the runtime and the configuration; wait until it is ready.

        Raises SessionBrokenError, also when it takes longer than `timeout_seconds`.
        """
        session = cls(channel)
        try:
            async with asyncio.timeout(timeout_seconds):
                await session._start(config)
        except TimeoutError:
            raise await session._break(f"not ready after {timeout_seconds:g} s") from None
        return session

    async def _start(self, config: HarnessConfig) -> None:
        await self._write(bundle.greeting())
        await self._write(encode({"type": "config", **asdict(config)}))
        hello = await self._expect("hello")
        self.hello = Hello(
            python=str(hello["python"]),
            runtime_version=str(hello["runtime_version"]),
            conformance=dict(hello["conformance"]),
        )
        ready = await self._expect("ready")
        self.ready = Ready(
            confinement=str(ready["confinement"]),
            shims=tuple(ready["shims"]),
            packages=dict(ready["packages"]),
            preload_failures=dict(ready["preload_failures"]),
            preload_seconds=float(ready["preload_seconds"]),
        )

    @property
    def ended(self) -> bool:
        """Whether it takes no further check, as far as that can be seen without running one."""
        return self.broken or (not self._busy and self._channel.ended)

    async def run(
        self,
        plan: Plan,
        *,
        trees: Iterable[Tree],
        limits: Limits,
        seed: int,
        check: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Event]:
        """Run one check. The last event is a ResultEvent. Raises SessionBrokenError.

        Args:
            plan: what to run.
            trees: the closure's folders.
            limits: what it may use.
            seed: of the random generators; any non-negative integer.
            check: the check's id, which the harness only repeats.
            environment: more environment variables.
        """
        if self.broken or self._busy:
            raise SessionBrokenError("the session is broken or busy")
        self._busy, self._started, self._cancelled = True, False, None
        finished = False
        files: dict[str, _Incoming] = {}
        try:
            async with asyncio.timeout(GRACE_SECONDS + (limits.wall_seconds or 86400.0)):
                start = {
                    "type": "start",
                    "check": check,
                    "plan": plan.as_json(),
                    "limits": asdict(limits),
                    "seed": seed,
                    "environment": dict(environment or {}),
                }
                await self._send(trees, encode(start))
                self._started = True
                if self._cancelled is not None:
                    await self.cancel(self._cancelled)
            # Counted from here: what was sent before does not use up the check's time.
            deadline = asyncio.get_running_loop().time() + GRACE_SECONDS
            deadline += limits.wall_seconds or 86400.0
            while not finished:
                async with asyncio.timeout_at(deadline):
                    header, body = await self._frame()
                event = await self._event(header, body, files)
                finished = isinstance(event, ResultEvent)
                if finished:
                    # The session is free again before the consumer has seen the result.
                    self._busy = False
                    self.checks += 1
                if event is not None:
                    yield event
        except TimeoutError:
            raise await self._break("no result within the time limit and its grace") from None
        finally:
            for incoming in files.values():
                incoming.body.close()
            if not finished:
                self.broken = True

    async def cancel(self, reason: str = "") -> None:
        """Stop the running check, if there is one; its outcome is then CANCELLED."""
        if not self._busy or self.broken:
            return
        self._cancelled = reason
        # Before its start the harness knows of no check; `run` then tells it.
        if self._started:
            await self._write(encode({"type": "cancel", "reason": reason}))

    async def close(self) -> None:
        """End the harness with everything in it. Idempotent."""
        self.broken = True
        await self._channel.close()

    async def _event(
        self, header: dict[str, Any], body: bytes, files: dict[str, "_Incoming"]
    ) -> Event | None:
        try:
            match header["type"]:
                case "log":
                    return LogEvent(
                        sequence=int(header["sequence"]),
                        stream=str(header["stream"]),
                        time=float(header["time"]),
                        text=body.decode("utf-8", "replace"),
                        dropped=int(header.get("dropped", 0)),
                    )
                case "phase":
                    name = storable(str(header["name"]))
                    return PhaseEvent(name=name, seconds=float(header["seconds"]))
                case "file":
                    return _receive(header, body, files)
                case "result":
                    return ResultEvent(outcome=outcome_of(header))
                case "error":
                    raise await self._break(str(header.get("message", "")))
                case other:
                    raise await self._break(f"an unexpected frame {other!r}")
        except (KeyError, TypeError, ValueError, OutcomeError) as error:
            raise await self._break(f"a frame that cannot be read: {error}") from error

    async def _send(self, trees: Iterable[Tree], start: bytes) -> None:
        """Send all trees and the start frame, small ones together: each write is a long way."""
        waiting = bytearray()
        for tree in trees:
            for begin in range(0, max(1, len(tree.tar)), PART):
                part = tree.tar[begin : begin + PART]
                last = begin + PART >= len(tree.tar)
                waiting += encode({"type": "tree", "path": tree.path, "last": last}, part)
                if len(waiting) >= PART:
                    await self._write(bytes(waiting))
                    waiting.clear()
        await self._write(bytes(waiting + start))

    async def _expect(self, kind: str) -> dict[str, Any]:
        header, _ = await self._frame()
        if header["type"] == "error":
            raise await self._break(str(header.get("message", "")))
        if header["type"] != kind:
            raise await self._break(f"{header['type']!r} instead of {kind!r}")
        return header

    async def _frame(self) -> tuple[dict[str, Any], bytes]:
        try:
            while (frame := self._decoder.next()) is None:
                data = await self._channel.read(READ_BYTES)
                if not data:
                    raise await self._break("the stream ended")
                self._decoder.feed(data)
        except (FrameError, OSError, EOFError) as error:
            raise await self._break(str(error)) from error
        return frame

    async def _write(self, data: bytes) -> None:
        try:
            async with self._write_lock:
                await self._channel.write(data)
        except (OSError, EOFError) as error:
            raise await self._break(f"cannot write: {error}") from error

    async def _break(self, message: str) -> SessionBrokenError:
        self.broken = True
        await self._channel.close()
        return SessionBrokenError(message)


@dataclass
class _Incoming:
    """A file whose parts are coming in."""

    body: IO[bytes]
    digest: Any
    size: int = 0


def _receive(header: dict[str, Any], body: bytes, files: dict[str, _Incoming]) -> FileEvent | None:
    """Take one part; an event when it was the last. Raises ValueError when it is not as told."""
    path = str(header["path"])
    if path not in files:
        spool = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115 - handed on
        files[path] = _Incoming(body=spool, digest=hashlib.sha256())
    incoming = files[path]
    incoming.body.write(body)
    incoming.digest.update(body)
    incoming.size += len(body)
    if not header.get("last", True):
        return None
    del files[path]
    sha256 = incoming.digest.hexdigest()
    if incoming.size != header["size"] or sha256 != header["sha256"]:
        incoming.body.close()
        raise ValueError(f"{path} is not what was announced")
    incoming.body.seek(0)
    return FileEvent(path=path, size=incoming.size, sha256=sha256, body=incoming.body)
