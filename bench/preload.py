"""What would be worth importing ahead: `python -m bench.preload REPOSITORY[@REF]`.

Counts what the checkable entities import, their closures included, for each environment, and
measures in the environment's image how long each module takes to import: alone, and beyond what the
definition's `preload` has imported already. The latter, times the part of the entities that import
it, is what a check of an entity drawn by lot would save.
"""

import argparse
import asyncio
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from bench.imports import Importing, entities
from bench.pool import containers
from cli import source
from cli.embedded import catalog_only
from services.runner.domain.environments import Definition
from services.runner.environments import Environments
from services.runner.settings import Settings

_WORTH_SECONDS = 0.005
"""Saved per check of an entity drawn by lot: what is worth the memory of a warm container."""
_TIMING = """
import importlib, json, os, sys, time

def attempt(name):
    begin = time.perf_counter()
    try:
        importlib.import_module(name)
    except BaseException as error:
        return None
    return time.perf_counter() - begin

def apart(name):
    # In a fork: what one import leaves behind must not make the next one quicker.
    reading, writing = os.pipe()
    if os.fork() == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1), os.dup2(quiet, 2)
        os.write(writing, json.dumps(attempt(name)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        seconds = json.loads(answer.read() or "null")
    os.wait()
    return seconds

wanted = json.load(sys.stdin)
rounds = range(3)
def best(name):
    seen = [apart(name) for _ in rounds]
    return None if None in seen else min(seen)

found = {name: {"alone": best(name)} for name in wanted["modules"]}
for name in wanted["preload"]:
    attempt(name)
for name, times in found.items():
    times["loaded"] = name in sys.modules
    times["beyond"] = 0.0 if times["loaded"] or times["alone"] is None else best(name)
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Module:
    """One module in one environment."""

    name: str
    entities: int
    """How many import it."""
    alone: float
    """Seconds, in a new interpreter."""
    beyond: float
    """Seconds, after all of the definition's `preload`; 0 for what is part of it."""
    listed: bool
    """Whether the definition's `preload` names it."""

    def saved(self, total: int) -> float:
        """Seconds that a check would save on average over so many entities if it were preloaded."""
        return self.beyond * self.entities / total


async def timed(
    image: str, modules: Sequence[str], preload: Sequence[str]
) -> dict[str, dict[str, float | None]]:
    """Times of imports in a container of that image; None for what is no module there."""
    process = await asyncio.create_subprocess_exec(
        "docker", "run", "--rm", "-i", "--network", "none",
        "--env", "MPLBACKEND=Agg", "--env", "QT_QPA_PLATFORM=offscreen",
        image, "python3", "-c", _TIMING,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    wanted = json.dumps({"modules": list(modules), "preload": list(preload)})
    out, _ = await process.communicate(wanted.encode())
    if process.returncode:
        raise RuntimeError(f"the imports could not be measured: docker run {process.returncode}")
    found: dict[str, dict[str, float | None]] = json.loads(out.splitlines()[-1])
    return found


async def measure(definition: Definition, found: Sequence[Importing]) -> list[Module]:
    """The modules that these entities import or the definition lists, by what they would save."""
    counts = Counter(name for entity in found for name in entity.modules)
    names = sorted({*counts, *definition.preload})
    backend = containers()
    try:
        digest = await backend.prepare(definition, lambda _message, _fraction: None)
    finally:
        await backend.close()
    times = await timed(digest, names, definition.preload)
    modules = [
        Module(
            name=name,
            entities=counts[name],
            alone=times[name]["alone"] or 0.0,
            beyond=times[name]["beyond"] or 0.0,
            listed=name in definition.preload,
        )
        for name in names
        if times[name]["alone"] is not None  # `from a import b` where b is no module
    ]
    return sorted(modules, key=lambda one: (-one.saved(len(found)), -one.entities, one.name))


def table(definition: Definition, modules: Iterable[Module], *, total: int) -> Table:
    """What is worth a look: what is listed, and what takes a while."""
    shown = Table(title=f"{definition.name}, {total} entities", title_justify="left")
    for header in ("module", "entities", "alone", "beyond preload", "saves per check", "verdict"):
        shown.add_column(header, justify="left" if header in {"module", "verdict"} else "right")
    for module in modules:
        if not module.listed and module.alone < _WORTH_SECONDS:
            continue
        verdict = ""
        if module.listed:
            verdict = "listed" if module.entities else "listed, imported by none"
        elif module.saved(total) >= _WORTH_SECONDS:
            verdict = "worth it"
        elif not module.beyond:
            verdict = "comes with those"
        shown.add_row(
            module.name,
            str(module.entities),
            f"{module.alone * 1000:.0f} ms",
            f"{module.beyond * 1000:.0f} ms",
            f"{module.saved(total) * 1000:.1f} ms",
            verdict,
        )
    return shown


def main() -> None:
    """Parses the command line, reads, measures and reports."""
    parser = argparse.ArgumentParser(prog="python -m bench.preload", description=__doc__)
    parser.add_argument("repository")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ackrep-preload-") as state:
        os.environ["ACKREP_STATE"] = state
        with catalog_only(source.parse(options.repository), notify=lambda _: None) as system:
            found = asyncio.run(entities(system))
    environments = Environments(Settings(token="").environment_folders)
    by_definition: dict[str, list[Importing]] = {}
    for entity in found:
        by_definition.setdefault(environments.get(entity.environment).name, []).append(entity)
    console = Console()
    console = Console(width=max(console.width, 110), highlight=False)
    for name, importing in sorted(by_definition.items()):
        definition = environments.get(name)
        with Console(stderr=True).status(f"importing in {name} …"):
            modules = asyncio.run(measure(definition, importing))
        console.print(table(definition, modules, total=len(importing)))


if __name__ == "__main__":
    main()
