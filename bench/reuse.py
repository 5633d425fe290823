"""Checks a whole data repository, then again with nothing changed: what a reused result costs.

`python -m bench.reuse [REPOSITORY[@REF]] [--backend docker|process] [--rounds 10]`

Everything runs once; then the same is asked for again, one by one and all at once, over the wire
and with the command. The alternative beside each is what running it took. Without a repository it
is one of 60 checks that do next to nothing. Exits with 1 if anything ran that need not have.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from ackrep.scheduler.v1.check_pb2 import Check
from ackrep.scheduler.v1.scheduler_pb2 import CreateCheckRequest, CreateRunRequest, WatchRunRequest
from ackrep.scheduler.v1.scheduler_pb2_grpc import SchedulerServiceStub
from bench import repository as bench_repository
from bench.table import Row, compare, keep, show
from bench.whole import check_all, prepare, settings
from cli import source
from cli.embedded import Options, joined
from cli.state import System
from services.rpc import dial

_CALL_SECONDS = 60.0
ROOT = Path(__file__).parents[1]
RESULT = Path("build/bench-reuse.json")
_CHECKS = 60


async def single(system: System, keys: list[str], *, rounds: int) -> tuple[list[float], int]:
    """Seconds of each check that is created, and how many of them had to run."""
    seconds: list[float] = []
    ran = 0
    async with dial(system.scheduler, token=system.token) as channel:
        scheduler = SchedulerServiceStub(channel)
        for _ in range(rounds):
            for key in keys:
                begin = time.perf_counter()
                check = await scheduler.CreateCheck(
                    CreateCheckRequest(entity=f"entities/{key}"), timeout=_CALL_SECONDS
                )
                seconds.append(time.perf_counter() - begin)
                ran += not check.reused_from
    return seconds, ran


async def everything(system: System, *, rounds: int) -> tuple[list[float], int]:
    """Seconds of each run over everything until its last verdict, and how many checks ran."""
    seconds: list[float] = []
    ran = 0
    async with dial(system.scheduler, token=system.token) as channel:
        scheduler = SchedulerServiceStub(channel)
        for _ in range(rounds):
            checks: dict[str, Check] = {}
            begin = time.perf_counter()
            run = await scheduler.CreateRun(CreateRunRequest(), timeout=_CALL_SECONDS)
            async for event in scheduler.WatchRun(WatchRunRequest(name=run.name)):
                checks[event.check.name] = event.check
            seconds.append(time.perf_counter() - begin)
            ran += sum(not check.reused_from for check in checks.values())
    return seconds, ran


def command(repository: str, *, rounds: int) -> list[float]:
    """Seconds of `ackrep check --all` as a process, beside a system that is up."""
    seconds: list[float] = []
    for _ in range(rounds):
        begin = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "cli", "--repository", repository, "check", "--all"],
            cwd=ROOT,
            env=os.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds.append(time.perf_counter() - begin)
        if "nothing had to run" not in done.stdout:
            raise RuntimeError(f"something ran: {done.stdout}\n{done.stderr}")
    return seconds


def measure(system: System, repository: str, *, backend: str, rounds: int) -> tuple[list[Row], int]:
    """Everything once, then everything again; the rows, and how many checks ran needlessly."""
    asyncio.run(prepare(system))
    first = asyncio.run(check_all(system, name=backend, slots=2))
    keys = sorted(first.checks)
    ran_alone = [
        (check.finish_time.ToMicroseconds() - check.start_time.ToMicroseconds()) / 1e6
        for check in first.checks.values()
    ]
    asyncio.run(single(system, keys, rounds=1))
    alone, needless = asyncio.run(single(system, keys, rounds=rounds))
    whole, more = asyncio.run(everything(system, rounds=rounds))
    typed = command(repository, rounds=min(rounds, 5))
    count = len(keys)
    return [
        compare("a check, asked for alone", alone, ran_alone, goal="≤ 5 ms"),
        compare(f"a run of {count} checks", whole, [first.seconds], goal="≤ 1 s"),
        compare(f"`ackrep check --all` of {count}", typed, [first.seconds], goal="≤ 1 s"),
    ], needless + more


def main() -> None:
    """Parses the command line, measures, prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.reuse", description=__doc__)
    parser.add_argument("repository", nargs="?", default="")
    parser.add_argument("--backend", choices=["docker", "process"], default="process")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ackrep-reuse-") as scratch:
        asked = options.repository
        if not asked:
            asked = str(Path(scratch) / "bench_data")
            bench_repository.write(Path(asked), noop_models=_CHECKS - 1)  # and the Lorenz system
        with (
            settings({"ACKREP_STATE": str(Path(scratch) / "state")}),
            joined(
                source.parse(asked),
                options=Options(backend=options.backend, slots=2),
                notify=lambda _: None,
            ) as system,
        ):
            rows, needless = measure(system, asked, backend=options.backend, rounds=options.rounds)
    keep(rows, RESULT)
    show(rows, title=f"Reused results, beside running the checks ({options.backend})")
    if needless:
        Console(stderr=True).print(f"{needless} checks ran that need not have", style="red")
    sys.exit(bool(needless))


if __name__ == "__main__":
    main()
