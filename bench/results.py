"""Listing and looking back over 100,000 stored results, each figure beside the same SQL alone.

`python -m bench.results [--checks 100000] [--database URL] [--rounds 200]`

A database is filled with finished checks of 1,000 entities in runs of 1,000, with outcomes and
verdicts as a scheduler keeps them. Then a scheduler process of its own, over that database, is
asked over gRPC. The alternative is the one query in SQL that a program without services would send
from this process. Without `--database` it is a new SQLite; a database that is named has to be an
empty one.
"""

import argparse
import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import grpc
from sqlalchemy import Connection, insert, text

from ackrep.scheduler.v1 import check_pb2
from ackrep.scheduler.v1.history_pb2 import (
    GetEntityHistoryRequest,
    GetVerdictMatrixRequest,
    ListEntityHistoryRequest,
)
from ackrep.scheduler.v1.history_pb2_grpc import HistoryServiceStub
from ackrep.scheduler.v1.scheduler_pb2 import ListChecksRequest, ListEntityVerdictsRequest
from ackrep.scheduler.v1.scheduler_pb2_grpc import SchedulerServiceStub
from bench.table import Row, keep, percentile, show
from services import rpc
from services.scheduler.domain.check import Check, Result, State, Verdict
from services.scheduler.domain.names import new_id
from services.scheduler.sql import Database, schema
from services.scheduler.sql.outcomes import keep_outcomes
from services.scheduler.sql.rows import to_micros, values_of
from services.scheduler.sql.verdicts import keep_verdicts

RESULT: Final = Path("build/bench-results.json")
_TOKEN: Final = "bench"  # noqa: S105  # of a scheduler that lives as long as the measurement
_ENTITIES: Final = 1000
_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_START_SECONDS: Final = 60.0
_KEY: Final = "00500"
_NOWHERE: Final = "127.0.0.1:9"
"""Of a catalog and a broker that reading does not need."""

Ask = Callable[[], Awaitable[object]]


def a_check(number: int, run: str) -> Check:
    """A finished check; every seventh entity fails in some runs."""
    entity, edition = number % _ENTITIES, number // _ENTITIES
    failed = entity % 7 == 0 and edition % 3 == 0
    verdict = Verdict.SCRIPT_ERROR if failed else Verdict.SUCCESS
    begin = _BEGIN + timedelta(seconds=number)
    payload = check_pb2.Result(
        verdict=check_pb2.Verdict.ValueType(verdict.value),
        message="ValueError: no such parameter: sigma" if failed else "",
        usage=check_pb2.Usage(wall_seconds=0.25),
        provenance=check_pb2.Provenance(environment_digest="sha256:" + "1" * 64),
    )
    return Check(
        id=new_id(),
        entity=f"{entity:05}",
        revision=f"{edition:040x}",
        commit=f"{edition:040x}",
        environment="demo_environment",
        run=run,
        inputs_digest=f"{number:064x}",
        create_time=begin,
        start_time=begin,
        finish_time=begin + timedelta(seconds=0.25),
        state=State.FINISHED,
        attempt=1,
        finished_by=1,
        change=number + 1,
        result=Result(
            verdict=verdict, message=payload.message, payload=payload.SerializeToString()
        ),
    )


def fill(database: Database, connection: Connection, *, edition: int) -> None:
    """Adds a run over all entities."""
    run = new_id()
    checks = [a_check(edition * _ENTITIES + place, run) for place in range(_ENTITIES)]
    connection.execute(
        insert(schema.runs),
        {
            "id": run,
            "title": "nightly",
            "revision": checks[0].revision,
            "commit": checks[0].commit,
            "create_time": to_micros(checks[0].create_time),
        },
    )
    connection.execute(
        insert(schema.checks), [{**values_of(check), "publications": 0} for check in checks]
    )
    connection.execute(
        insert(schema.results),
        [
            {
                "check_id": check.id,
                "verdict": check.result.verdict.value,
                "message": check.result.message,
                "log": "",
                "payload": check.result.payload,
            }
            for check in checks
            if check.result is not None
        ],
    )
    connection.execute(
        insert(schema.run_checks), [{"run_id": run, "check_id": check.id} for check in checks]
    )
    keep_verdicts(connection, checks, database=database)
    keep_outcomes(connection, checks, database=database)


@contextlib.asynccontextmanager
async def scheduler(url: str, folder: Path) -> AsyncIterator[grpc.aio.Channel]:
    """A scheduler process over a database, without anything around it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    environment = {
        **os.environ,
        "ACKREP_TOKEN": _TOKEN,
        "ACKREP_NATS": f"nats://{_NOWHERE}",
        "ACKREP_SCHEDULER_ADDRESS": address,
        "ACKREP_SCHEDULER_CATALOG": _NOWHERE,
        "ACKREP_SCHEDULER_DATABASE": url,
        "ACKREP_SCHEDULER_ARTEFACTS": str(folder / "artefacts"),
    }
    with (folder / "scheduler.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: ASYNC220  # it is waited for below
            [sys.executable, "-m", "services.scheduler"], env=environment, stdout=log, stderr=log
        )
    try:
        async with rpc.dial(address, token=_TOKEN) as channel:
            await asyncio.wait_for(channel.channel_ready(), _START_SECONDS)
            yield channel
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)


async def seconds_of(ask: Ask, *, rounds: int) -> list[float]:
    """How long each of several equal requests takes, one after the other."""
    found = []
    for _ in range(rounds):
        begin = time.perf_counter()
        await ask()
        found.append(time.perf_counter() - begin)
    return found


def asks_of(channel: grpc.aio.Channel, database: Database) -> list[tuple[str, str, Ask, Ask]]:
    """What is asked for, its goal, how over gRPC, and how in SQL alone."""
    checks, history = SchedulerServiceStub(channel), HistoryServiceStub(channel)

    def sql(statement: str) -> Ask:
        query = text(statement)
        return lambda: database.read(lambda connection: connection.execute(query).all())

    newest = (
        "SELECT c.*, r.* FROM checks c LEFT JOIN results r ON r.check_id = c.id {} "
        "ORDER BY c.id DESC LIMIT {}"
    )
    return [
        (
            "the 50 newest checks",
            "",
            lambda: checks.ListChecks(ListChecksRequest(page_size=50)),
            sql(newest.format("", 50)),
        ),
        (
            "the 50 newest failures",
            "",
            lambda: checks.ListChecks(
                ListChecksRequest(page_size=50, filter="verdict = script_error")
            ),
            sql(newest.format("WHERE c.verdict = 3", 50)),
        ),
        (
            "how each of 1,000 entities is",
            "",
            lambda: checks.ListEntityVerdicts(ListEntityVerdictsRequest(page_size=_ENTITIES)),
            sql("SELECT * FROM entity_verdicts ORDER BY entity"),
        ),
        (
            "the history of one entity in short",
            "",
            lambda: history.GetEntityHistory(GetEntityHistoryRequest(name=f"entities/{_KEY}")),
            sql(newest.format(f"WHERE c.entity = '{_KEY}'", 1)),
        ),
        (
            "its 50 newest results",
            "",
            lambda: history.ListEntityHistory(
                ListEntityHistoryRequest(entity=f"entities/{_KEY}", page_size=50)
            ),
            sql(newest.format(f"WHERE c.entity = '{_KEY}'", 50)),
        ),
        (
            "the matrix of runs and entities, its first page",
            "",
            lambda: history.GetVerdictMatrix(GetVerdictMatrixRequest()),
            sql(
                "SELECT m.run_id, c.entity, c.verdict FROM run_checks m "
                "JOIN checks c ON c.id = m.check_id "
                "WHERE m.run_id IN (SELECT id FROM runs ORDER BY id DESC LIMIT 10)"
            ),
        ),
    ]


def _quantiles(seconds: list[float]) -> str:
    return f"{percentile(seconds, 50):.1f} ms (p99 {percentile(seconds, 99):.1f})"


async def measure(url: str, folder: Path, *, count: int, rounds: int) -> list[Row]:
    """All rows, over a database that is filled first."""
    database = Database(url)
    try:
        await database.prepare()
        for edition in range(count // _ENTITIES):

            def work(connection: Connection, edition: int = edition) -> None:
                fill(database, connection, edition=edition)

            await database.write(work, durable=False)
        rows = []
        kind = "SQLite" if database.is_sqlite else "PostgreSQL"
        async with scheduler(url, folder) as channel:
            for what, goal, ask, alone in asks_of(channel, database):
                await ask()
                ours, other = [], []
                for _ in range(5):  # in turn, so that both meet the same noise
                    ours += await seconds_of(ask, rounds=rounds // 5)
                    other += await seconds_of(alone, rounds=rounds // 5)
                ratio = percentile(ours, 50) / percentile(other, 50)
                label = f"{what}, of {count:,} results in {kind}, beside SQL alone"
                rows.append(Row(label, _quantiles(ours), _quantiles(other), ratio, goal))
        return rows
    finally:
        await database.close()


def main() -> None:
    """Parses the command line, measures and reports."""
    parser = argparse.ArgumentParser(prog="python -m bench.results", description=__doc__)
    parser.add_argument("--checks", type=int, default=100_000)
    parser.add_argument("--database", default="", help="URL of an empty database")
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ackrep-bench-") as scratch:
        url = options.database or f"sqlite:///{scratch}/scheduler.sqlite"
        rows = asyncio.run(measure(url, Path(scratch), count=options.checks, rounds=options.rounds))
    show(rows, title="measured with `python -m bench.results`")
    keep(rows, RESULT)


if __name__ == "__main__":
    main()
