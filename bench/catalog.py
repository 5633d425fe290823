"""Indexing and looking up synthetic data repositories, each figure beside its alternative.

`python -m bench.catalog [--entities 1000 10000 100000] [--rounds 5] [--look-ups 2000]`

A cold index is everything from a bare repository to a stored revision: importing, reading, parsing,
checking, writing. (Full text is indexed after it; see `bench.search`.) Its alternative is the
obvious program: PyYAML's SafeLoader and one INSERT after the other, each a transaction, on a sample
of the same files and without a check of anything. An incremental index follows a commit that
changes 10 entities; its alternative is indexing the whole revision again. A look-up is `GetEntity`
over gRPC with metadata, relations and files; its alternative is the one query in SQL that fetches
the row.
"""

import argparse
import asyncio
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml

from ackrep.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from bench.synthetic import Synthetic, SyntheticRepository
from bench.table import Row, keep, percentile, show
from services import rpc
from services.catalog.__main__ import running
from services.catalog.app import Catalog
from services.catalog.index.sql import opened
from services.catalog.metadata.parsing import parse_metadata
from services.catalog.ontology.dialect import parse_ontology
from services.catalog.settings import Settings
from services.catalog.sources.git import Git
from services.catalog.sources.local import source_of
from services.catalog.sources.objects import GitObjects

RESULT: Final = Path("build/bench-catalog.json")
_TOKEN: Final = "bench"  # noqa: S105  # of a catalog that lives as long as the measurement
_SAMPLE: Final = 300
_CHANGED: Final = 10
_GOALS: Final = {1_000: "≤ 0.5 s", 100_000: "≤ 20 s"}
_FIND: Final = (
    "SELECT v.* FROM placements p JOIN entity_versions v ON v.id = p.version "
    "WHERE p.key = ? AND p.first <= ? AND p.last >= ?"
)


def naive_seconds(entities: Synthetic, folder: Path) -> float:
    """Seconds for each entity of a program without any care, from a sample."""
    sample = random.Random(3).sample(range(entities.count), min(_SAMPLE, entities.count))  # noqa: S311  # reproducible
    texts = [entities.metadata(number) for number in sample]
    with sqlite3.connect(folder / "naive.sqlite", isolation_level=None) as database:
        database.execute("CREATE TABLE entity (key TEXT PRIMARY KEY, name TEXT, metadata TEXT)")
        begin = time.perf_counter()
        for text in texts:
            values = yaml.load(text, Loader=yaml.SafeLoader)
            row = (str(values["key"]), str(values["name"]), repr(values))
            database.execute("INSERT INTO entity VALUES (?, ?, ?)", row)
        return (time.perf_counter() - begin) / len(texts)


def cold_seconds(source: Path, state: Path) -> float:
    """Seconds of a first index in a process of its own, as a service begins."""
    output = subprocess.run(
        [sys.executable, "-m", "bench.catalog", "--cold", str(source), str(state)],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(output.stdout.split()[-1])


async def index_once(source: Path, state: Path) -> float:
    """Indexes a source; returns how long it took."""
    async with _opened(source, state) as catalog:
        begin = time.perf_counter()
        await catalog.sync()
        return time.perf_counter() - begin


class _opened:  # noqa: N801  # reads as the context manager that it is
    """A catalog of a source, without the service around it."""

    def __init__(self, source: Path, state: Path) -> None:
        self._source, self._state = source, state

    async def __aenter__(self) -> Catalog:
        self._state.mkdir(exist_ok=True)
        git = Git(self._state)
        await git.open()
        self._objects = GitObjects(git)
        self._store = opened(f"sqlite+aiosqlite:///{self._state / 'catalog.sqlite'}")
        return Catalog(
            source=source_of(str(self._source), ref="main", git=git, timeout=600.0),
            objects=self._objects,
            store=await self._store.__aenter__(),
            parse=parse_metadata,
            parse_ontology=parse_ontology,
        )

    async def __aexit__(self, *error: object) -> None:
        await self._store.__aexit__(None, None, None)
        await self._objects.close()


async def incremental_seconds(
    repository: SyntheticRepository, state: Path, *, rounds: int
) -> list[float]:
    """Seconds from a commit of 10 changed entities to the revision that can be asked for."""
    chance = random.Random(5)  # noqa: S311  # reproducible on purpose
    found = []
    async with _opened(repository.folder, state) as catalog:
        await catalog.sync()
        # After a restart the contents are read again with the first change.
        for edition in range(1, rounds + 2):
            changed = chance.sample(range(repository.entities.count), _CHANGED)
            await asyncio.to_thread(repository.change, changed, edition=edition)
            begin = time.perf_counter()
            await catalog.sync()
            found.append(time.perf_counter() - begin)
    return found[1:]


async def look_up_seconds(
    repository: SyntheticRepository, state: Path, *, rounds: int
) -> tuple[list[float], list[float]]:
    """Seconds of look-ups over gRPC, and of the query alone."""
    chance = random.Random(9)  # noqa: S311  # reproducible on purpose
    keys = chance.choices(repository.entities.keys, k=rounds)
    settings = Settings(
        token=_TOKEN,
        source=str(repository.folder),
        ref="main",
        state=state,
        address="127.0.0.1:0",
    )
    ours = []
    async with running(settings) as port, rpc.dial(f"127.0.0.1:{port}", token=_TOKEN) as channel:
        stub = catalog_pb2_grpc.CatalogServiceStub(channel)
        await stub.SyncRevision(catalog_pb2.SyncRevisionRequest(), timeout=900.0)
        for key in keys:
            begin = time.perf_counter()
            await stub.GetEntity(catalog_pb2.GetEntityRequest(name=f"entities/{key}"))
            ours.append(time.perf_counter() - begin)
    return ours, await asyncio.to_thread(_sql_seconds, state, keys)


def _sql_seconds(state: Path, keys: Sequence[str]) -> list[float]:
    found = []
    with sqlite3.connect(state / "catalog.sqlite") as database:
        number = database.execute("SELECT number FROM current_revision").fetchone()[0]
        for key in keys:
            begin = time.perf_counter()
            row = database.execute(_FIND, (key, number, number)).fetchone()
            found.append(time.perf_counter() - begin)
            assert row is not None
    return found


def _quantiles(seconds: list[float]) -> str:
    return f"{percentile(seconds, 50):.2f} ms (p99 {percentile(seconds, 99):.2f})"


def measure(count: int, *, rounds: int, look_ups: int) -> list[Row]:
    """All rows of one size."""
    shown = f"{count:,} entities"
    with tempfile.TemporaryDirectory(prefix="ackrep-bench-") as scratch:
        folder = Path(scratch)
        repository = SyntheticRepository(folder / "data.git", Synthetic(count))
        naive = naive_seconds(repository.entities, folder) * count
        cold = cold_seconds(repository.folder, folder / "state")
        changes = asyncio.run(incremental_seconds(repository, folder / "state", rounds=rounds))
        ours, alone = asyncio.run(look_up_seconds(repository, folder / "state", rounds=look_ups))
    best = min(changes)
    return [
        Row(
            f"cold index of {shown}, beside SafeLoader and single INSERTs",
            f"{cold:.2f} s ({count / cold:.0f}/s)",
            f"{naive:.1f} s (sample)",
            cold / naive,
            _GOALS.get(count, ""),
        ),
        Row(
            f"index of {_CHANGED} changes in {shown}, beside the whole again",
            f"{percentile(changes, 50):.0f} ms (best {best * 1000:.0f})",
            f"{cold:.2f} s",
            percentile(changes, 50) / 1000 / cold,
            "≤ 150 ms" if count == 100_000 else "",
        ),
        Row(
            f"entity by key among {shown} over gRPC, beside SQL alone",
            _quantiles(ours),
            _quantiles(alone),
            percentile(ours, 50) / percentile(alone, 50),
            "",
        ),
    ]


def main() -> None:
    """Parses the command line, measures and reports."""
    parser = argparse.ArgumentParser(prog="python -m bench.catalog", description=__doc__)
    parser.add_argument("--entities", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=5, help="incremental indexes to time")
    parser.add_argument("--look-ups", type=int, default=2000, help="entities to look up")
    parser.add_argument("--cold", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cold:
        print(asyncio.run(index_once(*options.cold)))
        return
    rows = [
        row
        for count in options.entities
        for row in measure(count, rounds=options.rounds, look_ups=options.look_ups)
    ]
    show(rows, title="measured with `python -m bench.catalog`")
    keep(rows, RESULT)


if __name__ == "__main__":
    main()
