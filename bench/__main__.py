"""`make bench`: starts a system of its own, measures, prints a table, keeps build/bench.json."""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import pool, repository
from bench.client import Client, client
from bench.table import Row, compare, keep, milliseconds, show
from cli.embedded import Options, joined
from cli.source import Source
from cli.state import System

RESULT = Path("build/bench.json")
HARDENED = (
    "docker run --rm -i --network none --read-only --tmpfs /tmp --cap-drop ALL "
    f"--security-opt no-new-privileges ackrep/{repository.ENVIRONMENT} python3 -"
).split()


def timed(command: list[str], script: str) -> float:
    """Seconds that a command takes which reads a script from standard input."""
    begin = time.perf_counter()
    subprocess.run(command, input=script.encode(), check=True, capture_output=True)
    return time.perf_counter() - begin


async def single_checks(
    bench: Client, *, key: str, script: str, rounds: int
) -> dict[str, list[float]]:
    """Measures a check, plain Python and `docker run` on the same work, in turn."""
    seen: dict[str, list[float]] = {
        name: [] for name in ("total", "overhead", "waiting", "showing", "plain", "run")
    }
    for _ in range(3):  # warm
        docker = (await bench.check(key)).check.result.provenance.backend == "docker"
    for number in range(rounds):
        one = await bench.check(key)
        seen["total"].append(one.total)
        seen["overhead"].append(one.overhead)
        seen["waiting"].append(one.waiting)
        seen["showing"].append(one.showing)
        if number % 5 == 0:  # the slow alternatives need fewer rounds
            seen["plain"].append(await asyncio.to_thread(timed, [sys.executable, "-"], script))
            if docker:
                seen["run"].append(await asyncio.to_thread(timed, HARDENED, script))
    return seen


async def measure(system: System, *, rounds: int, noop_models: int) -> list[Row]:
    """Measures everything on a running system."""
    async with client(system) as bench:
        noop = await single_checks(
            bench,
            key=repository.noop_key(0),
            script=repository.NOOP_SCRIPT,
            rounds=rounds,
        )
        lorenz = await single_checks(
            bench,
            key=repository.LORENZ_KEY,
            script=repository.LORENZ_SCRIPT,
            rounds=max(10, rounds // 4),
        )
        keys = [repository.noop_key(number) for number in range(noop_models)]
        first = await bench.run(keys)
        elapsed = await bench.run(keys)
    rows = [
        compare(
            "warm check, overhead over own work, beside plain python",
            noop["overhead"],
            noop["plain"],
            goal="≤ 25 ms, p95 ≤ 60",
        ),
        Row("request → running, slot free", milliseconds(noop["waiting"]), "", None, "p95 ≤ 20 ms"),
        Row(
            "finished → visible to a watching client",
            milliseconds(noop["showing"]),
            "",
            None,
            "p95 ≤ 50 ms",
        ),
        compare(
            "Lorenz with plot, whole check, beside plain python",
            lorenz["total"],
            lorenz["plain"],
            goal="≤ 0.2 of plain python",
        ),
        Row(
            f"no-op checks per second, {noop_models} in one run",
            f"{noop_models / elapsed:.0f}/s",
            "",
            None,
            "≥ 60/s",
        ),
        Row(
            "the same, entities that the runner sees for the first time",
            f"{noop_models / first:.0f}/s",
            "",
            None,
            "",
        ),
    ]
    if noop["run"]:
        rows.insert(1, compare("the same, beside docker run", noop["overhead"], noop["run"]))
        rows.insert(5, compare("the same, beside docker run", lorenz["total"], lorenz["run"]))
    return rows


def main() -> None:
    """Parses the command line, measures and reports."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--backend", choices=["auto", "docker", "process"], default="auto")
    parser.add_argument("--rounds", type=int, default=100, help="single checks to time")
    parser.add_argument("--models", type=int, default=200, help="no-op entities in the run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ackrep-bench-") as scratch:
        root = Path(scratch) / "bench_data"
        repository.write(root, noop_models=options.models)
        os.environ["ACKREP_STATE"] = str(Path(scratch) / "state")
        begin = time.perf_counter()
        with joined(
            Source(str(root)), options=Options(backend=options.backend), notify=lambda _: None
        ) as system:
            started = time.perf_counter() - begin
            rows = asyncio.run(measure(system, rounds=options.rounds, noop_models=options.models))
    rows.append(Row("embedded system, start to first page", f"{started:.2f} s", "", None, "≤ 3 s"))
    if options.backend != "process" and pool.has_engine():
        rows += asyncio.run(pool.measure(rounds=max(5, options.rounds // 20)))
    show(rows, title=f"measured with `python -m bench --backend {options.backend}`")
    keep(rows, RESULT)


if __name__ == "__main__":
    main()
