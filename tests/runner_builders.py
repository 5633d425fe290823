"""Values and a small runner in memory that the runner's tests share."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ackrep.scheduler.v1 import check_pb2
from services.runner.checks.attempt import Surroundings
from services.runner.checks.slots import Slots
from services.runner.checks.trees import TreeCache
from services.runner.checks.worker import Worker
from services.runner.domain.attempts import Assignment, CheckLimits
from services.runner.domain.environments import Definition
from services.runner.domain.pools import PoolPolicy
from services.runner.environments import Environments
from services.runner.memory import (
    MemoryBackend,
    MemoryDispatch,
    MemoryEvents,
    MemoryJob,
    MemoryJobs,
    MemoryRepository,
)
from services.runner.ports import ClosureFolder, Registration
from services.runner.workplaces.pool import Pool
from services.runner.workplaces.presence import DOUBT_SECONDS, Presence

MODEL = {
    "metadata.yml": b"key: MODEL\n",
    "system_model.py": b"x = 1\n",
    "simulation.py": b"y = 2\n",
}
OTHER = {"metadata.yml": b"key: OTHER\n", "data.csv": b"1,2\n"}

TOML = """name = "{name}"
aliases = {aliases}
python = "{python}"
requirements = "requirements_{name}.txt"
dockerfile = "Dockerfile_{name}"
preload = []
shims = []
"""


def _sha1(content: bytes) -> "hashlib._Hash":
    return hashlib.sha1(content, usedforsecurity=False)


def git_tree(files: Mapping[str, bytes]) -> str:
    """Git tree id of a flat folder, computed as git does it."""
    body = b"".join(
        b"100644 %s\0%s" % (name.encode(), _sha1(b"blob %d\0" % len(c) + c).digest())
        for name, c in sorted(files.items())
    )
    return _sha1(b"tree %d\0" % len(body) + body).hexdigest()


def folder_of_trees(folders: Mapping[str, Mapping[str, bytes]]) -> str:
    """Git tree id of a repository whose folders lie at its top."""
    body = b"".join(
        b"40000 %s\0%s" % (name.encode(), bytes.fromhex(git_tree(files)))
        for name, files in sorted(folders.items())
    )
    return _sha1(b"tree %d\0" % len(body) + body).hexdigest()


def write_definition(
    folder: Path,
    name: str = "demo_environment",
    *,
    aliases: tuple[str, ...] = (),
    python: str = ">=3.11",
    requirements: str = "",
) -> Path:
    """Writes a definition with the files it names."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(TOML.format(name=name, aliases=list(aliases), python=python))
    (folder / f"requirements_{name}.txt").write_text(requirements)
    (folder / f"Dockerfile_{name}").write_text("FROM debian:bookworm-slim\n")
    return path


def definition(folder: Path, name: str = "demo_environment") -> Definition:
    """A definition whose files are there."""
    write_definition(folder, name)
    return Environments([folder]).get(name)


def assignment(
    check: str = "checks/1",
    *,
    environment: str = "demo_environment",
    attempt: int = 1,
    seconds: float = 5,
) -> Assignment:
    """A lease of a check of the entity MODEL."""
    revision = f"revisions/{folder_of_trees({'models': MODEL, 'others': OTHER})}"
    message = check_pb2.Check(
        name=check,
        attempt=attempt,
        entity="entities/MODEL",
        revision=revision,
        environment=f"environments/{environment}",
    )
    return Assignment(
        check=check,
        attempt=attempt,
        entity="entities/MODEL",
        revision=revision,
        environment=f"environments/{environment}",
        limits=CheckLimits(wall_seconds=seconds),
        seed=7,
        message=message.SerializeToString(),
    )


def repository() -> MemoryRepository:
    """A catalog with the model MODEL, and another folder that it does not refer to."""
    trees = {
        git_tree(MODEL): MODEL,
        git_tree(OTHER): OTHER,
        folder_of_trees({"models": MODEL, "others": OTHER}): {
            **{f"models/{name}": content for name, content in MODEL.items()},
            **{f"others/{name}": content for name, content in OTHER.items()},
        },
    }
    closure = [ClosureFolder(key="MODEL", type="system_model", path="models", tree=git_tree(MODEL))]
    return MemoryRepository({"entities/MODEL": closure}, trees)


@dataclass
class SmallRunner:
    """A worker and everything in memory around it."""

    worker: Worker
    pool: Pool
    backend: MemoryBackend
    dispatch: MemoryDispatch
    jobs: MemoryJobs
    events: MemoryEvents
    slots: Slots
    catalog: MemoryRepository

    def add(self, one: Assignment) -> MemoryJob:
        """A job for a check that can be claimed."""
        self.dispatch.assignments[one.check] = one
        return self.jobs.put(one.check)

    def sent(self) -> list[check_pb2.CheckEvent]:
        """The events that reached the broker."""
        return [check_pb2.CheckEvent.FromString(data) for _, data in self.events.sent]


@contextlib.asynccontextmanager
async def small_runner(
    folder: Path, *, slots: int = 1, doubt_seconds: float = DOUBT_SECONDS
) -> AsyncIterator[SmallRunner]:
    """Runs a worker over memory while the block runs."""
    write_definition(folder / "environments")
    backend, dispatch, jobs, events = (
        MemoryBackend(),
        MemoryDispatch(),
        MemoryJobs(),
        MemoryEvents(),
    )
    presence = Presence(backend.answers, doubt_seconds=doubt_seconds)
    pool = Pool(backend, policy=PoolPolicy(slots=slots), presence=presence)
    catalog = repository()
    capacity = Slots(slots, waiting=2)
    worker = Worker(
        Surroundings(
            runner="runners/r",
            dispatch=dispatch,
            repository=catalog,
            trees=TreeCache(folder / "trees", repository=catalog, disk_bytes=10**6),
            pool=pool,
            environments=Environments([folder / "environments"]),
            sink=events,
        ),
        jobs=jobs,
        registration=Registration(
            runner="runners/r",
            incarnation="i",
            pool="default",
            slots=slots,
            backend="memory",
            runtime_version="v",
            host="h",
        ),
        slots=capacity,
    )
    await worker.register()
    loops = [asyncio.create_task(worker.pull()), asyncio.create_task(worker.beat())]
    try:
        yield SmallRunner(
            worker, pool, backend, dispatch, jobs, events, slots=capacity, catalog=catalog
        )
    finally:
        loops[0].cancel()
        await worker.hand_back(seconds=0)
        loops[1].cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await pool.close()


async def until(condition: object, *, seconds: float = 5.0) -> None:
    """Waits until a function of no arguments is true. AssertionError if it never is."""
    assert callable(condition)
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # any condition: there is no event for it
            await asyncio.sleep(0.002)
