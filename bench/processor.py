"""Processor time of each service per check: what is left when a machine is busy.

`python -m bench.processor [--checks 100] [--backend docker|process]`

No-op checks one by one, each watched by a client, then all as one run, then reused results. Unlike
durations, these figures hold beside other work, within a tenth or so; idle cost is in them.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench import repository
from bench.client import client
from bench.sse import load, process_of
from bench.table import Row, keep, show
from cli.embedded import Options, joined
from cli.source import Source
from cli.state import System

RESULT = Path("build/bench-processor.json")
_SERVICES = ("services.scheduler", "services.runner", "services.catalog", "gateway")


async def measure(system: System, *, checks: int) -> list[Row]:
    """Milliseconds per check of each service."""
    keys = [repository.noop_key(number) for number in range(checks)]
    processes = {name: process_of(name, parent=system.pid) for name in _SERVICES}
    rows = []

    async def cost(what: str, work: Callable[[], Awaitable[object]]) -> None:
        before = {name: load(process).processor for name, process in processes.items()}
        await work()
        used = {
            name.rpartition(".")[2]: (load(process).processor - before[name]) * 1000 / checks
            for name, process in processes.items()
        }
        told = ", ".join(f"{name} {value:.1f}" for name, value in used.items())
        rows.append(Row(f"{what}, ms of processor", told, "", None, ""))

    async with client(system) as bench:
        await bench.run(keys)  # warm

        async def single() -> None:
            for key in keys:
                await bench.check(key)

        async def reused() -> None:
            for key in keys:
                await bench.reused(key)

        await cost("a watched check", single)
        await cost("a check within a run", lambda: bench.run(keys))
        await cost("a reused result", reused)
    return rows


def main() -> None:
    """Measures, prints and keeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checks", type=int, default=100)
    parser.add_argument("--backend", choices=["docker", "process"], default="process")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ackrep-bench-") as folder:
        os.environ["ACKREP_STATE"] = f"{folder}/state"
        root = Path(folder) / "bench_data"
        repository.write(root, noop_models=arguments.checks)
        options = Options(backend=arguments.backend)
        with joined(Source(str(root)), options=options, notify=lambda _: None) as system:
            rows = asyncio.run(measure(system, checks=arguments.checks))
    show(rows, title="Processor time per check")
    keep(rows, RESULT)


if __name__ == "__main__":
    main()
