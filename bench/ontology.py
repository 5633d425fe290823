"""Queries over ontology and entities of a large data repository, over gRPC, beside two other ways.

`python -m bench.ontology [--entities 100000] [--rounds 60]`

The question is always how many entities are about a concept or one below it. Ours is the whole
way: gRPC, the process of the graphs, a fork for the query. The alternatives only compute: a
recursive common table expression of SQLite in memory, and rdflib with the same triples.
"""

import argparse
import asyncio
import contextlib
import os
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import rdflib
import yaml

from ackrep.catalog.v1 import catalog_pb2, catalog_pb2_grpc, ontology_pb2, ontology_pb2_grpc
from bench.synthetic import CLASSES, ONTOLOGY_FILE, Synthetic, SyntheticRepository, class_name
from bench.synthetic import ontology as ontology_text
from bench.table import Row, keep, percentile, show
from services import rpc
from services.catalog.__main__ import running
from services.catalog.domain.ontology.concepts import Ontology
from services.catalog.domain.ontology.documents import OntologyFile
from services.catalog.domain.ontology.merging import ontology_of
from services.catalog.domain.ontology.triples import (
    Tagged,
    entity_triples,
    ontology_triples,
    vocabulary_of,
)
from services.catalog.ontology.dialect import parse_ontology
from services.catalog.settings import Settings

RESULT: Final = Path("build/bench-ontology.json")
_TOKEN: Final = "bench"  # noqa: S105  # of a catalog that lives as long as the measurement
_SYNC_SECONDS: Final = 900.0
_RDFLIB_ROUNDS: Final = 5
"""It takes seconds for each."""
PREFIXES: Final = (
    "PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> "
    "PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#> "
    "PREFIX P: <https://ackrep.org/draft/synthetic#> "
)


def transitive(name: str) -> str:
    """Counts by the path over superclasses."""
    return (
        "SELECT (COUNT(DISTINCT ?entity) AS ?count) WHERE { "
        f"?class rdfs:subClassOf* P:{name} . ?tag rdf:type ?class . "
        "?entity P:has_ontology_based_tag ?tag }"
    )


def inferred(name: str) -> str:
    """Counts by the tags that were inferred when the graph was made."""
    return (
        f"SELECT (COUNT(?entity) AS ?count) WHERE {{ ?entity P:has_ontology_based_tag P:i{name} }}"
    )


class Alternatives:
    """The same entities in SQLite and in rdflib.

    Args:
        entities: Those of the repository.
    """

    def __init__(self, entities: Synthetic) -> None:
        ontology = _ontology()
        tagged = [
            Tagged(key, type_, "", tuple(_tags(entities.metadata(number))))
            for number, (key, type_) in enumerate(zip(entities.keys, entities.types, strict=True))
        ]
        begin = time.perf_counter()
        self._tables(ontology, tagged)
        self.sqlite_seconds = time.perf_counter() - begin
        triples = ontology_triples(ontology) + entity_triples(tagged, vocabulary_of(ontology))
        begin = time.perf_counter()
        self._graph = rdflib.Graph().parse(data=triples, format="nt")
        self.rdflib_seconds = time.perf_counter() - begin

    def _tables(self, ontology: Ontology, tagged: Sequence[Tagged]) -> None:
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._database.executescript(
            "CREATE TABLE above (child TEXT, parent TEXT);"
            "CREATE TABLE tags (concept TEXT, entity TEXT);"
        )
        self._database.executemany(
            "INSERT INTO above VALUES (?, ?)",
            [(one.name, above) for one in ontology.concepts.values() for above in one.parents],
        )
        self._database.executemany(
            "INSERT INTO tags VALUES (?, ?)",
            [(tag.removeprefix("ocse:"), one.key) for one in tagged for tag in one.tags],
        )
        self._database.executescript(
            "CREATE INDEX above_parent ON above (parent);"
            "CREATE INDEX tags_concept ON tags (concept, entity);"
        )

    def by_sqlite(self, name: str) -> int:
        """Counts by a recursive common table expression."""
        (count,) = self._database.execute(
            "WITH RECURSIVE below(name) AS (VALUES (?) UNION SELECT child FROM above JOIN below "
            "ON parent = name) "
            "SELECT COUNT(DISTINCT entity) FROM tags JOIN below ON concept = name",
            (name,),
        ).fetchone()
        return int(count)

    def by_rdflib(self, name: str) -> int:
        """Counts by the same SPARQL."""
        (row,) = self._graph.query(PREFIXES + transitive(name))
        assert isinstance(row, rdflib.query.ResultRow)
        return int(row[0])


def _ontology() -> Ontology:
    document = parse_ontology(ontology_text().encode())
    return ontology_of([OntologyFile(path=ONTOLOGY_FILE, id="1", document=document)])


def _tags(metadata: str) -> list[str]:
    begin = metadata.index("tag_list:")
    part = metadata[begin : metadata.index("creator:", begin)]
    return [tag for tag in yaml.load(part, Loader=yaml.CSafeLoader)["tag_list"] if tag]


def timed(work: Callable[[str], int], name: str) -> tuple[float, int]:
    """Seconds that counting takes, and the count."""
    begin = time.perf_counter()
    found = work(name)
    return time.perf_counter() - begin, found


def worker_megabytes() -> float:
    """Resident memory of the process of the graphs, our own child."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            lines = (folder / "status").read_text().splitlines()
            values = dict(line.split(":", 1) for line in lines)
            ours = int(values["PPid"]) == os.getpid()
            if ours and b"ontology.worker" in (folder / "cmdline").read_bytes():
                return int(values["VmRSS"].split()[0]) / 1024
    return float("nan")


async def measure(entities: Synthetic, scratch: Path, *, rounds: int) -> list[Row]:
    """Indexes the repository, and asks each way in turn."""
    repository = scratch / "repository"
    SyntheticRepository(repository, entities)
    settings = Settings(
        token=_TOKEN, source=str(repository), state=scratch / "state", address="127.0.0.1:0"
    )
    async with (
        running(settings) as port,
        rpc.dial(f"127.0.0.1:{port}", token=_TOKEN) as channel,
    ):
        catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
        stub = ontology_pb2_grpc.OntologyServiceStub(channel)
        await catalog.SyncRevision(catalog_pb2.SyncRevisionRequest(), timeout=_SYNC_SECONDS)

        async def ask(query: str) -> tuple[float, int]:
            begin = time.perf_counter()
            answer = await stub.QueryOntology(ontology_pb2.QueryOntologyRequest(query=query))
            return time.perf_counter() - begin, int(answer.rows[0].terms[0].value)

        begin = time.perf_counter()
        await stub.ListConcepts(ontology_pb2.ListConceptsRequest())
        counting = time.perf_counter() - begin
        longest = Longest(catalog)
        load, _ = await ask(inferred(class_name(0)))
        longest.stop()
        other = await asyncio.to_thread(Alternatives, entities)
        seen: dict[str, list[float]] = {name: [] for name in ("path", "tag", "sqlite", "rdflib")}
        chance = random.Random(3)  # noqa: S311  # reproducible on purpose
        for number in range(rounds):
            # The first classes are the general ones, with most below them.
            name = class_name(int(CLASSES * chance.random() ** 2))
            results = {
                "path": await ask(transitive(name)),
                "tag": await ask(inferred(name)),
                "sqlite": timed(other.by_sqlite, name),
            }
            if number < _RDFLIB_ROUNDS:
                results["rdflib"] = timed(other.by_rdflib, name)
            assert len({count for _, count in results.values()}) == 1, (name, results)
            for way, (seconds, _) in results.items():
                seen[way].append(seconds)
        return _rows(
            entities.count,
            seen,
            load=load,
            counting=counting,
            waited=longest.seconds,
            other=other,
        )


class Longest:
    """Asks something small again and again while something else is done.

    Args:
        catalog: Whom to ask.
    """

    def __init__(self, catalog: catalog_pb2_grpc.CatalogServiceStub) -> None:
        self.seconds = 0.0
        self._catalog = catalog
        self._task = asyncio.create_task(self._ask())

    async def _ask(self) -> None:
        while True:
            begin = time.perf_counter()
            await self._catalog.GetRevision(
                catalog_pb2.GetRevisionRequest(name="revisions/current")
            )
            self.seconds = max(self.seconds, time.perf_counter() - begin)

    def stop(self) -> None:
        """Asks no more."""
        self._task.cancel()


def _rows(
    count: int,
    seen: dict[str, list[float]],
    *,
    load: float,
    counting: float,
    waited: float,
    other: Alternatives,
) -> list[Row]:
    def figures(way: str) -> str:
        seconds = seen[way]
        return f"{percentile(seconds, 50):.1f} ms (p99 {percentile(seconds, 99):.1f})"

    def row(what: str, ours: str, alternative: str, name: str) -> Row:
        ratio = percentile(seen[ours], 50) / percentile(seen[alternative], 50)
        return Row(what, figures(ours), f"{figures(alternative)} {name}", ratio, "")

    path = f"SPARQL, entities of a concept by rdfs:subClassOf*, {count:,} entities"
    return [
        row(path, "path", "sqlite", "SQLite CTE"),
        row("the same", "path", "rdflib", "rdflib"),
        row("the same question by inferred tags", "tag", "sqlite", "SQLite CTE"),
        Row(
            "graph loaded, with the first query",
            f"{load:.1f} s, {worker_megabytes():.0f} MB",
            f"{other.rdflib_seconds:.1f} s rdflib",
            load / other.rdflib_seconds,
            "a few seconds",
        ),
        Row("longest call meanwhile", f"{waited * 1000:.0f} ms", "", None, ""),
        Row("concepts with counts, first time", f"{counting:.2f} s", "", None, ""),
    ]


def main() -> None:
    """Parses the command line, measures and reports."""
    parser = argparse.ArgumentParser(prog="python -m bench.ontology", description=__doc__)
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=60, help="queries of each kind")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ackrep-bench-") as scratch:
        entities = Synthetic(options.entities)
        rows = asyncio.run(measure(entities, Path(scratch), rounds=options.rounds))
    show(rows, title=f"measured with `python -m bench.ontology --entities {options.entities}`")
    keep(rows, RESULT)


if __name__ == "__main__":
    main()
