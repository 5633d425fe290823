"""Searches over gRPC in a large data repository, beside two ways without an index of our own.

`python -m bench.search [--entities 100000] [--rounds 60]`

Ours is the whole answer: 20 ranked results with snippets, the number of all that match, and facets
over all of them. The alternatives, on the same texts in the same SQLite, without a hop over gRPC
and without snippets: FTS5 with `bm25` over everything that matches and the counts in SQL, and a
scan with LIKE that only counts. Every query is asked once, so that nothing is measured that was
kept the first time.
"""

import argparse
import asyncio
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from ackrep.catalog.v1 import catalog_pb2, catalog_pb2_grpc, search_pb2, search_pb2_grpc
from bench.synthetic import SHARES, Synthetic, SyntheticRepository, class_name, vocabulary
from bench.table import Row, keep, percentile, show
from services import rpc
from services.catalog.__main__ import running
from services.catalog.settings import Settings

RESULT: Final = Path("build/bench-search.json")
GOAL: Final = "p99 ≤ 50 ms"
_TOKEN: Final = "bench"  # noqa: S105  # of a catalog that lives as long as the measurement
_COMMON: Final = 20
"""So many words stand in a large part of all entities."""
_SYNC_SECONDS: Final = 900.0

_MATCHING: Final = "WHERE id IN (SELECT rowid FROM words WHERE words MATCH ?)"
_STATEMENTS: Final = (
    (
        "SELECT rowid, bm25(words, 10, 12, 7, 4, 3.5, 1.5, 1) AS score FROM words "
        "WHERE words MATCH ? ORDER BY score LIMIT 20"
    ),
    f"SELECT type, count(*) FROM entity_versions {_MATCHING} GROUP BY type",  # noqa: S608  # our own words
    (
        f"SELECT creator, count(*) AS n FROM entity_versions {_MATCHING} "  # noqa: S608  # our own words
        "GROUP BY creator ORDER BY n DESC LIMIT 50"
    ),
    (
        "SELECT tag, count(*) AS n FROM entity_tags "  # noqa: S608  # our own words
        f"{_MATCHING.replace('id', 'version', 1)} "
        "GROUP BY tag ORDER BY n DESC LIMIT 50"
    ),
)
"""What one would ask FTS5 for an answer like ours."""

Queries = Mapping[str, Sequence[tuple[str, str]]]
"""By what is measured: query and filter of each search."""


def queries(entities: Synthetic, *, rounds: int) -> Queries:
    """Searches of each kind, the same for the same repository."""
    chance = random.Random(11)  # noqa: S311  # reproducible on purpose
    words = vocabulary()
    common, rare = words[:_COMMON], words[200:]

    def texts(kind: str) -> Iterator[tuple[str, str]]:
        for _ in range(rounds):
            frequent, other, seldom = (
                chance.choice(common),
                chance.choice(common),
                chance.choice(rare),
            )
            cut = chance.randint(1, len(seldom) - 2)
            yield {
                "very common word": (f'"{frequent}"', ""),
                "rare word": (f'"{seldom}"', ""),
                "two words": (f'{frequent} "{other}"', ""),
                "beginning of a word": (seldom[: chance.randint(1, 5)], ""),
                "phrase of common words": (f'"{frequent} {other}"', ""),
                "tag": (f"ocse:{class_name(int(300 * chance.random() ** 2))}", ""),
                "key": (chance.choice(entities.keys), ""),
                "misspelt word (found by ours alone)": (
                    f"{seldom[:cut]}{seldom[cut + 1]}{seldom[cut]}{seldom[cut + 2 :]}",
                    "",
                ),
                "common word, filtered": (f'"{frequent}"', f"type = {chance.choice(SHARES)[0]}"),
                "filter only": ("", f"tag = ocse:{class_name(int(300 * chance.random() ** 2))}"),
            }[kind]

    kinds = (
        "very common word",
        "rare word",
        "two words",
        "beginning of a word",
        "phrase of common words",
        "tag",
        "key",
        "misspelt word (found by ours alone)",
        "common word, filtered",
        "filter only",
    )
    return {kind: list(dict.fromkeys(texts(kind))) for kind in kinds}


class Alternatives:
    """The same texts in FTS5, and plain.

    Args:
        database: The catalog's SQLite file; it is only read.
        scratch: Folder for a file of our own.
    """

    def __init__(self, database: Path, scratch: Path) -> None:
        self._connection = sqlite3.connect(
            scratch / "alternatives.sqlite", uri=True, check_same_thread=False
        )
        self._connection.execute("ATTACH ? AS catalog", (f"file:{database}?mode=ro",))
        columns = "title, key, tags, short_description, creator, notes, path"
        self._connection.execute(
            f"CREATE VIRTUAL TABLE words USING fts5({columns}, tokenize='unicode61 "
            "remove_diacritics 2')"
        )
        begin = time.perf_counter()
        self._connection.execute(
            f"INSERT INTO words (rowid, {columns}) SELECT id, {columns} FROM entity_versions"  # noqa: S608  # our own words
        )
        self._connection.commit()
        self.index_seconds = time.perf_counter() - begin

    def ranked(self, text: str) -> float:
        """Seconds of the best 20 by bm25, and counts by type, creator and tag."""
        words = text.replace("_", " ").replace(":", " ").replace('"', " ").split()
        match = " ".join(f'"{word}"' for word in words) + "*"
        begin = time.perf_counter()
        for statement in _STATEMENTS:
            self._connection.execute(statement, (match,)).fetchall()
        return time.perf_counter() - begin

    def scanned(self, text: str) -> float:
        """Seconds of a scan that counts entities with these texts in title, tags or description."""
        words = text.replace('"', " ").split()
        begin = time.perf_counter()
        self._connection.execute(
            "SELECT count(*) FROM entity_versions WHERE "  # noqa: S608  # our own words
            + " AND ".join("searched LIKE ?" for _ in words),
            [f"%{word.lower()}%" for word in words],
        ).fetchall()
        return time.perf_counter() - begin


def figure(seconds: list[float]) -> str:
    """Median and 99th percentile."""
    return f"{percentile(seconds, 50):.1f} ms (p99 {percentile(seconds, 99):.1f})"


async def measure(
    stub: search_pb2_grpc.SearchServiceStub, alternatives: Alternatives, asked: Queries
) -> list[Row]:
    """Measures every kind of search beside both alternatives, in turn."""
    rows: list[Row] = []
    everything: list[float] = []
    for kind, texts in asked.items():
        ours: list[float] = []
        ranked: list[float] = []
        scanned: list[float] = []
        for query, filter_ in texts:
            begin = time.perf_counter()
            await stub.SearchEntities(search_pb2.SearchEntitiesRequest(query=query, filter=filter_))
            ours.append(time.perf_counter() - begin)
            if query:
                ranked.append(await asyncio.to_thread(alternatives.ranked, query))
                scanned.append(await asyncio.to_thread(alternatives.scanned, query))
        everything += ours
        if not ranked:
            rows.append(Row(f"search: {kind}", figure(ours), "", None, GOAL))
            continue
        ratio = percentile(ours, 50) / percentile(ranked, 50)
        rows.append(Row(f"search: {kind}, beside FTS5", figure(ours), figure(ranked), ratio, GOAL))
        ratio = percentile(ours, 50) / percentile(scanned, 50)
        rows.append(Row("    the same, beside a scan", figure(ours), figure(scanned), ratio, ""))
    rows.append(Row("search: all of these", figure(everything), "", None, GOAL))
    return rows


async def bench(scratch: Path, *, entities: int, rounds: int) -> list[Row]:
    """Indexes a synthetic repository and measures searches in it."""
    synthetic = Synthetic(entities)
    repository = SyntheticRepository(scratch / "data.git", synthetic)
    state = scratch / "state"
    settings = Settings(
        token=_TOKEN, source=str(repository.folder), state=state, address="127.0.0.1:0", ref="main"
    )
    async with (
        running(settings) as port,
        rpc.dial(f"127.0.0.1:{port}", token=_TOKEN) as channel,
    ):
        catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
        await catalog.SyncRevision(catalog_pb2.SyncRevisionRequest(), timeout=_SYNC_SECONDS)
        stub = search_pb2_grpc.SearchServiceStub(channel)
        begin = time.perf_counter()
        await stub.SearchEntities(search_pb2.SearchEntitiesRequest())
        first = time.perf_counter() - begin
        alternatives = await asyncio.to_thread(_alternatives, state / "catalog.sqlite", scratch)
        rows = await measure(stub, alternatives, queries(synthetic, rounds=rounds))
    rows.append(Row("search: the very first one", f"{first * 1e3:.0f} ms", "", None, ""))
    return rows


def _alternatives(database: Path, scratch: Path) -> Alternatives:
    return Alternatives(database, scratch)


def main() -> None:
    """Parses the command line, measures and reports."""
    parser = argparse.ArgumentParser(prog="python -m bench.search", description=__doc__)
    parser.add_argument("--entities", type=int, default=100_000, help="size of the repository")
    parser.add_argument("--rounds", type=int, default=60, help="searches of each kind")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ackrep-bench-") as scratch:
        rows = asyncio.run(bench(Path(scratch), entities=options.entities, rounds=options.rounds))
    show(rows, title=f"searches in {options.entities:,} entities")
    keep(rows, RESULT)


if __name__ == "__main__":
    main()
