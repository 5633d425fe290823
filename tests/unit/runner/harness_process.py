"""A real harness in a child process, and small entities to run in it."""

import asyncio
import contextlib
import io
import shutil
import sys
import tarfile
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.plans import Folder, Plan, plan_of
from services.runner.sessions import bundle
from services.runner.sessions.outcome import (
    FileEvent,
    LogEvent,
    Outcome,
    PhaseEvent,
    ResultEvent,
)
from services.runner.sessions.session import HarnessConfig, HarnessSession, Limits, Tree

EVALUATE = """
from ackrep_core import ResultContainer
def evaluate_simulation(data):
    return ResultContainer(success=data is not False, score=1.0)
"""
"""The end of a simulation.py whose `simulate` decides."""


class ProcessChannel:
    """The stdin and stdout of a child process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @property
    def ended(self) -> bool:
        return self.process.returncode is not None

    async def read(self, size: int, /) -> bytes:
        assert self.process.stdout is not None
        return await self.process.stdout.read(size)

    async def write(self, data: bytes, /) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        await self.process.stdin.drain()

    async def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


@dataclass
class Seen:
    """All that came of one check."""

    outcome: Outcome
    files: dict[str, bytes] = field(default_factory=dict)
    stdout: str = ""
    stderr: str = ""
    sequences: list[int] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)
    dropped: int = 0


@contextlib.asynccontextmanager
async def harness(
    *,
    python: str = sys.executable,
    preload: tuple[str, ...] = (),
    shims: tuple[str, ...] = (),
    zygote: bool = True,
    unavailable: Mapping[str, str] | None = None,
) -> AsyncIterator[HarnessSession]:
    """A session with a harness in a folder of its own, which is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ackrep-harness-"))
    folder.chmod(0o755)  # open to all, so that as root each check can get a user of its own
    process = await asyncio.create_subprocess_exec(
        *bundle.command(python, str(folder / "run")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    channel = ProcessChannel(process)
    config = HarnessConfig(
        data_root=str(folder / "data"),
        work_root=str(folder / "work"),
        preload=preload,
        shims=shims,
        unavailable=unavailable or {},
        clean=(),
        isolated=False,
        zygote=zygote,
    )
    try:
        session = await HarnessSession.open(channel, config=config, timeout_seconds=60)
        try:
            yield session
        finally:
            await session.close()
    finally:
        await channel.close()
        shutil.rmtree(folder, ignore_errors=True)


def tree(path: str, files: Mapping[str, str]) -> Tree:
    """A folder of the closure with these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content.encode())
            archive.addfile(member, io.BytesIO(content.encode()))
    return Tree(path=path, tar=buffer.getvalue())


def model(simulation: str, *, end: str = EVALUATE) -> tuple[Plan, list[Tree]]:
    """A system model with this simulation.py."""
    folder = Folder(
        key="MODEL", type="system_model", path="system_models/m", metadata={"key": "MODEL"}
    )
    contents = {"system_model.py": "", "simulation.py": simulation + end}
    return plan_of("MODEL", [folder]), [tree(folder.path, contents)]


async def check(
    session: HarnessSession,
    what: tuple[Plan, list[Tree]],
    *,
    limits: Limits | None = None,
    seed: int = 1,
) -> Seen:
    """Run one check to its end."""
    plan, trees = what
    seen: Seen | None = None
    files: dict[str, bytes] = {}
    texts = {"stdout": "", "stderr": "", "system": ""}
    sequences: list[int] = []
    phases: list[str] = []
    dropped = 0
    limits = limits or Limits(wall_seconds=60)
    async for event in session.run(plan, trees=trees, limits=limits, seed=seed):
        match event:
            case LogEvent():
                texts[event.stream] += event.text
                sequences.append(event.sequence)
                dropped += event.dropped
            case FileEvent():
                with event.body:
                    files[event.path] = event.body.read()
            case PhaseEvent():
                phases.append(event.name)
            case ResultEvent():
                seen = Seen(
                    outcome=event.outcome,
                    files=files,
                    stdout=texts["stdout"],
                    stderr=texts["stderr"],
                    sequences=sequences,
                    phases=phases,
                    dropped=dropped,
                )
    assert seen is not None
    return seen
