"""Workplaces of both backends for the contract tests, and small models to check in them."""

import io
import os
import tarfile
from collections.abc import Mapping

from services.plans import Folder, plan_of
from services.runner.engine.containers import Bounds
from services.runner.environments import Environments
from services.runner.ports import Backend, Workplace
from services.runner.sessions.outcome import Event, LogEvent, Outcome, ResultEvent
from services.runner.sessions.session import Limits, Tree
from services.runner.workplaces.containers import ContainerBackend
from tests.engine import engine_or_reason
from tests.requirements import need

MEMORY = 256 * 1024**2
SIMULATION = """
from ackrep_core import ResultContainer
def simulate():
    {body}
def evaluate_simulation(data):
    return ResultContainer(success=True, score=0.5)
"""


def containers(*, runner: str = "", incarnation: str = "now") -> ContainerBackend:
    """A backend that keeps its promises in containers."""
    # An engine for each test: closing a backend closes its connections.
    engine, reason = engine_or_reason()
    need(engine, what=f"Docker engine: {reason}")
    assert engine is not None
    return ContainerBackend(
        engine,
        runner=runner or f"test-{os.getpid()}",
        incarnation=incarnation,
        bounds=Bounds(memory_bytes=2 * MEMORY, cpus=1, processes=128, shm_bytes=2**20),
        reason="a test",
    )


def quiet(message: str, fraction: float | None) -> None:
    """Nobody listens."""


async def opened(backend: Backend, environments: Environments) -> Workplace:
    """A workplace of the environment without packages."""
    definition = environments.get("bare_environment")
    digest = await backend.prepare(definition, quiet)
    return await backend.open(definition, digest=digest)


def archive(files: Mapping[str, str]) -> bytes:
    """A tar archive of text files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


async def run(
    workplace: Workplace, body: str, *, limits: Limits | None = None
) -> tuple[Outcome, list[Event]]:
    """Checks a model whose simulation is `body`."""
    files = {
        "metadata.yml": "key: MODEL\n",
        "system_model.py": "",
        "simulation.py": SIMULATION.format(body=body.replace("\n", "\n    ")),
    }
    folder = Folder(key="MODEL", type="system_model", path="m", files=frozenset(files))
    events: list[Event] = [
        event
        async for event in workplace.run(
            plan_of("MODEL", [folder]),
            trees=[Tree(path="m", tar=archive(files))],
            limits=limits or Limits(wall_seconds=30, memory_bytes=2 * MEMORY),
            seed=1,
            check="checks/1",
        )
    ]
    last = events[-1]
    assert isinstance(last, ResultEvent)
    return last.outcome, events


def output(events: list[Event]) -> str:
    """What the entity printed."""
    return "".join(event.text for event in events if isinstance(event, LogEvent))
