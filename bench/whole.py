"""Checks a whole data repository with each backend and prints a Markdown table.

`python -m bench.whole REPOSITORY[@REF] [--backend docker] [--backend process]`
"""

import argparse
import asyncio
import os
import tempfile
import time
from dataclasses import dataclass

from rich.console import Console

from ackrep.catalog.v1.catalog_pb2 import ListEntitiesRequest
from ackrep.catalog.v1.catalog_pb2_grpc import CatalogServiceStub
from ackrep.runner.v1.environment_pb2 import PrepareEnvironmentRequest
from ackrep.runner.v1.environment_pb2_grpc import EnvironmentServiceStub
from ackrep.scheduler.v1.check_pb2 import Check, Verdict
from ackrep.scheduler.v1.scheduler_pb2 import CreateRunRequest, WatchRunRequest
from ackrep.scheduler.v1.scheduler_pb2_grpc import SchedulerServiceStub
from cli import source
from cli.embedded import Options, joined
from cli.state import System
from services.rpc import dial

_CALL_SECONDS = 60.0


@dataclass(frozen=True)
class Whole:
    """One run over everything, with one backend."""

    backend: str
    slots: int
    seconds: float
    """From the request until the last verdict; environments were ready before."""
    checks: dict[str, Check]
    """By key."""

    @property
    def own_seconds(self) -> float:
        """Sum of the entities' own run times."""
        return sum(check.result.usage.wall_seconds for check in self.checks.values())

    @property
    def longest(self) -> float:
        """The longest own run time."""
        return max(check.result.usage.wall_seconds for check in self.checks.values())

    @property
    def bound(self) -> float:
        """No schedule is quicker: own times over slots, or the longest of them."""
        return max(self.own_seconds / self.slots, self.longest)


async def titles_and_environments(system: System) -> tuple[dict[str, str], set[str]]:
    """Titles of the checkable entities by key, and the environments they run in."""
    async with dial(system.catalog, token=system.token) as channel:
        answer = await CatalogServiceStub(channel).ListEntities(
            ListEntitiesRequest(page_size=1000, filter="checkable = true"), timeout=_CALL_SECONDS
        )
    return (
        {entity.key: entity.title for entity in answer.entities},
        {entity.environment for entity in answer.entities if entity.environment},
    )


async def check_all(system: System, *, backend: str, slots: int) -> tuple[Whole, dict[str, str]]:
    """Makes the environments ready, then checks every entity once."""
    titles, environments = await titles_and_environments(system)
    async with dial(system.runner, token=system.token) as channel:
        for name in sorted(environments):
            async for _ in EnvironmentServiceStub(channel).PrepareEnvironment(
                PrepareEnvironmentRequest(name=name)
            ):
                pass
    checks: dict[str, Check] = {}
    async with dial(system.scheduler, token=system.token) as channel:
        scheduler = SchedulerServiceStub(channel)
        begin = time.perf_counter()
        run = await scheduler.CreateRun(CreateRunRequest(force=True), timeout=_CALL_SECONDS)
        async for event in scheduler.WatchRun(WatchRunRequest(name=run.name)):
            checks[event.check.entity.removeprefix("entities/")] = event.check
        seconds = time.perf_counter() - begin
    return Whole(backend, slots, seconds, checks), titles


def word(check: Check) -> str:
    """A verdict as people read it, e.g. `script error`."""
    return Verdict.Name(check.verdict).removeprefix("VERDICT_").lower().replace("_", " ")


def markdown(wholes: list[Whole], titles: dict[str, str]) -> str:
    """The table, and below it what the runs took."""
    heads = [cell for whole in wholes for cell in (whole.backend, "own s")]
    lines = [
        "| key | entity | " + " | ".join(heads) + " |",
        "|---|---|" + "---|---:|" * len(wholes),
    ]
    for key, title in sorted(titles.items()):
        cells = []
        for whole in wholes:
            check = whole.checks[key]
            cells += [word(check), f"{check.result.usage.wall_seconds:.2f}"]
        lines.append(f"| {key} | {title} | " + " | ".join(cells) + " |")
    for whole in wholes:
        passed = sum(c.verdict == Verdict.VERDICT_SUCCESS for c in whole.checks.values())
        lines.append("")
        lines.append(
            f"- {whole.backend}, {whole.slots} slots: {passed} of {len(whole.checks)} succeed; "
            f"wall time {whole.seconds:.1f} s, sum of own run times {whole.own_seconds:.1f} s, "
            f"bound {whole.bound:.1f} s, wall / bound {whole.seconds / whole.bound:.2f}"
        )
    for whole in wholes:
        for key, check in sorted(whole.checks.items()):
            if check.verdict != Verdict.VERDICT_SUCCESS:
                lines += ["", f"- {whole.backend}, {key}: {check.result.message}"]
    return "\n".join(lines)


def main() -> None:
    """Parses the command line, checks with each backend, prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.whole", description=__doc__)
    parser.add_argument("repository")
    parser.add_argument("--backend", action="append", choices=["docker", "process"])
    parser.add_argument("--slots", type=int, default=2)
    options = parser.parse_args()
    where = source.parse(options.repository)
    wholes: list[Whole] = []
    titles: dict[str, str] = {}
    console = Console(stderr=True)
    for backend in options.backend or ["docker", "process"]:
        with tempfile.TemporaryDirectory(prefix="ackrep-whole-") as state:
            os.environ["ACKREP_STATE"] = state
            wishes = Options(backend=backend, slots=options.slots)
            with (
                console.status(f"checking everything with {backend} …"),
                joined(where, options=wishes, notify=lambda _: None) as system,
            ):
                whole, titles = asyncio.run(check_all(system, backend=backend, slots=options.slots))
        wholes.append(whole)
    Console(width=200, highlight=False, markup=False).print(markdown(wholes, titles))


if __name__ == "__main__":
    main()
