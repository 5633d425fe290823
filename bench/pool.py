"""How long a workplace takes to start: `python -m bench.pool [--rounds N]`.

From nothing to a container that can take checks, with everything imported that the environment
wants ahead, beside `docker run` of the same image that imports the same and does nothing else.
"""

import argparse
import asyncio
import secrets
import time
from pathlib import Path

from bench.table import Row, compare, keep, show
from services.errors import UnavailableError
from services.runner.domain.environments import Definition
from services.runner.engine.containers import Bounds, find_engine
from services.runner.environments import Environments
from services.runner.settings import Settings
from services.runner.workplaces.containers import ContainerBackend

RESULT = Path("build/bench_pool.json")
# Its root is writable: with a read-only one matplotlib would look for all fonts each time.
_DOCKER_RUN = ["docker", "run", "--rm", "--network", "none", "--env", "MPLBACKEND=Agg"]


def containers() -> ContainerBackend:
    """The backend as a runner has it by default. Raises UnavailableError without an engine."""
    settings = Settings(token="")
    return ContainerBackend(
        find_engine(),
        runner=f"bench-{secrets.token_hex(4)}",
        incarnation="bench",
        bounds=Bounds(
            memory_bytes=settings.memory_bytes,
            cpus=settings.cpus,
            processes=settings.processes,
            shm_bytes=settings.shm_bytes,
            disk_bytes=settings.disk_bytes,
        ),
        reason="measured",
    )


def has_engine() -> bool:
    """Whether a Docker engine answers."""
    try:
        find_engine()
    except UnavailableError:
        return False
    return True


async def started(backend: ContainerBackend, definition: Definition, *, digest: str) -> float:
    """Seconds from nothing to a container that can take checks."""
    begin = time.perf_counter()
    workplace = await backend.open(definition, digest=digest)
    seconds = time.perf_counter() - begin
    await workplace.close()
    return seconds


async def docker_run(digest: str, statement: str) -> float:
    """Seconds that `docker run` takes for a Python statement."""
    begin = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *_DOCKER_RUN, digest, "python3", "-c", statement, stdout=asyncio.subprocess.DEVNULL
    )
    if code := await process.wait():
        raise RuntimeError(f"docker run ended with {code}")
    return time.perf_counter() - begin


async def measure(*, rounds: int) -> list[Row]:
    """One row for each environment of this installation, in turn with its alternative.

    Raises UnavailableError without an engine.
    """
    rows = []
    backend = containers()
    try:
        for definition in Environments(Settings(token="").environment_folders).all():
            digest = await backend.prepare(definition, lambda _message, _fraction: None)
            statement = f"import {', '.join(definition.preload) or 'sys'}"
            ours, alternative = [], []
            for number in range(rounds + 1):
                seconds = await started(backend, definition, digest=digest)
                other = await docker_run(digest, statement)
                if number:  # the first one fills the page cache
                    ours.append(seconds)
                    alternative.append(other)
            what = f"start of a container that takes checks, {definition.name}, beside docker run"
            rows.append(compare(what, ours, alternative))
    finally:
        await backend.close()
    return rows


def main() -> None:
    """Parses the command line, measures and reports."""
    parser = argparse.ArgumentParser(prog="python -m bench.pool", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="containers of each environment")
    options = parser.parse_args()
    rows = asyncio.run(measure(rounds=options.rounds))
    show(rows, title=f"measured with `python -m bench.pool --rounds {options.rounds}`")
    keep(rows, RESULT)


if __name__ == "__main__":
    main()
