"""Checks a whole data repository with each backend and prints a Markdown table.

`python -m bench.whole REPOSITORY[@REF] [--backend docker] [--backend process] [--twice]`

With `--twice` everything is checked four times with each backend: warm, warm again, cold (each
check in a workplace of its own), and cold with nothing imported ahead; verdicts and numbers are
compared exactly. It then exits with 1 if anything differs.
"""

import argparse
import asyncio
import contextlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ackrep.catalog.v1.catalog_pb2 import ListEntitiesRequest
from ackrep.catalog.v1.catalog_pb2_grpc import CatalogServiceStub
from ackrep.runner.v1.environment_pb2 import PrepareEnvironmentRequest
from ackrep.runner.v1.environment_pb2_grpc import EnvironmentServiceStub
from ackrep.scheduler.v1.check_pb2 import Check, Verdict
from ackrep.scheduler.v1.scheduler_pb2 import CreateRunRequest, WatchRunRequest
from ackrep.scheduler.v1.scheduler_pb2_grpc import SchedulerServiceStub
from bench.comparison import Comparison, word
from cli import source
from cli.embedded import Options, joined
from cli.source import Source
from cli.state import System
from services.rpc import dial
from services.runner.settings import Settings

_CALL_SECONDS = 60.0
_BLOCK = re.DOTALL | re.MULTILINE
_COLD = {"ACKREP_RUNNER_CHECKS_PER_WORKPLACE": "1"}


@dataclass(frozen=True)
class Whole:
    """One run over everything, with one backend."""

    name: str
    """The backend, and how: `docker`, `docker cold`, ..."""
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
    def container_seconds(self) -> float:
        """How long checks waited for a workplace, all together."""
        phases = [phase for check in self.checks.values() for phase in check.result.phases]
        return sum(p.duration.ToNanoseconds() / 1e9 for p in phases if p.name == "container")

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


async def prepare(system: System) -> dict[str, str]:
    """Makes the environments ready; titles of the checkable entities by key."""
    titles, environments = await titles_and_environments(system)
    async with dial(system.runner, token=system.token) as channel:
        for name in sorted(environments):
            async for _ in EnvironmentServiceStub(channel).PrepareEnvironment(
                PrepareEnvironmentRequest(name=name)
            ):
                pass
    return titles


async def check_all(system: System, *, name: str, slots: int) -> Whole:
    """Checks every entity once."""
    checks: dict[str, Check] = {}
    async with dial(system.scheduler, token=system.token) as channel:
        scheduler = SchedulerServiceStub(channel)
        begin = time.perf_counter()
        run = await scheduler.CreateRun(CreateRunRequest(force=True), timeout=_CALL_SECONDS)
        async for event in scheduler.WatchRun(WatchRunRequest(name=run.name)):
            checks[event.check.entity.removeprefix("entities/")] = event.check
        seconds = time.perf_counter() - begin
    return Whole(name, slots, seconds, checks)


def markdown(wholes: list[Whole], titles: dict[str, str]) -> str:
    """The table, and below it what the runs took."""
    heads = [cell for whole in wholes for cell in (whole.name, "own s")]
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
            f"- {whole.name}, {whole.slots} slots: {passed} of {len(whole.checks)} succeed; "
            f"wall time {whole.seconds:.1f} s, sum of own run times {whole.own_seconds:.1f} s, "
            f"bound {whole.bound:.1f} s, wall / bound {whole.seconds / whole.bound:.2f}, "
            f"waiting for workplaces {whole.container_seconds:.1f} s"
        )
    for whole in wholes:
        for key, check in sorted(whole.checks.items()):
            if check.verdict != Verdict.VERDICT_SUCCESS:
                lines += ["", f"- {whole.name}, {key}: {check.result.message}"]
    return "\n".join(lines)


@contextlib.contextmanager
def settings(values: Mapping[str, str]) -> Iterator[None]:
    """Sets environment variables while the block runs: services that it starts inherit them."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def bare_environments(folder: Path) -> Path:
    """Copies this installation's environments into a folder, without what they import ahead."""
    copied = folder / "environments"
    (installed,) = Settings(token="").environment_folders
    shutil.copytree(installed, copied, dirs_exist_ok=True)
    for path in copied.glob("*.toml"):
        text, count = re.subn(r"^preload = \[.*?\]", "preload = []", path.read_text(), flags=_BLOCK)
        if count != 1:
            raise ValueError(f"{path.name} has {count} lists of what to preload")
        path.write_text(text)
    return copied


def wholes_of(
    where: Source, *, backend: str, slots: int, names: list[str], more: Mapping[str, str]
) -> tuple[list[Whole], dict[str, str]]:
    """Runs everything once for each name in a system of its own; also the entities' titles."""
    with (
        tempfile.TemporaryDirectory(prefix="ackrep-whole-") as state,
        settings({"ACKREP_STATE": state, **more}),
        Console(stderr=True).status(f"checking everything: {', '.join(names)} …"),
        joined(
            where, options=Options(backend=backend, slots=slots), notify=lambda _: None
        ) as system,
    ):
        titles = asyncio.run(prepare(system))
        wholes = [asyncio.run(check_all(system, name=name, slots=slots)) for name in names]
    return wholes, titles


def plans_of(backend: str, *, twice: bool, scratch: Path) -> list[tuple[list[str], dict[str, str]]]:
    """Systems to start: the names of the runs in each, and its settings."""
    if not twice:
        return [([backend], {})]
    bare = {"ACKREP_RUNNER_ENVIRONMENTS": str(bare_environments(scratch))}
    return [
        ([f"{backend} warm", f"{backend} warm again"], {}),
        ([f"{backend} cold"], _COLD),
        ([f"{backend} cold, no preload"], _COLD | bare),
    ]


def main() -> None:
    """Parses the command line, checks with each backend, prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.whole", description=__doc__)
    parser.add_argument("repository")
    parser.add_argument("--backend", action="append", choices=["docker", "process"])
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--twice", action="store_true", help="warm, warm again, and cold; compare")
    options = parser.parse_args()
    where = source.parse(options.repository)
    wholes: list[Whole] = []
    titles: dict[str, str] = {}
    compared: list[Comparison] = []
    for backend in options.backend or ["docker", "process"]:
        found: list[Whole] = []
        with tempfile.TemporaryDirectory(prefix="ackrep-whole-") as scratch:
            plans = plans_of(backend, twice=options.twice, scratch=Path(scratch))
            for names, more in plans:
                some, titles = wholes_of(
                    where, backend=backend, slots=options.slots, names=names, more=more
                )
                found += some
        if options.twice:
            compared.append(Comparison([(one.name, one.checks) for one in found]))
        wholes += found
    text = "\n\n".join([markdown(wholes, titles), *(one.markdown() for one in compared)])
    Console(width=200, highlight=False, markup=False, soft_wrap=True).print(text)
    sys.exit(any(one.rows for one in compared))


if __name__ == "__main__":
    main()
