"""What every history promises: in memory, over SQLite, over PostgreSQL."""

import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from ackrep.scheduler.v1 import check_pb2
from services.errors import PreconditionError
from services.scheduler.domain import machine
from services.scheduler.domain.check import Check, Result, Run, Verdict
from services.scheduler.domain.history import Sighting
from services.scheduler.domain.imports import read_file
from services.scheduler.domain.names import new_id
from services.scheduler.history import exchange
from services.scheduler.memory.history import MemoryHistory
from services.scheduler.memory.store import memory_store
from services.scheduler.messages import announce
from services.scheduler.ports.history import History, ImportedRun
from services.scheduler.ports.store import Store
from services.scheduler.sql import Database, sql_store
from services.scheduler.sql.history import SqlHistory
from tests.results_files import Entry, results_file, script_error, timed_out
from tests.scheduler_stores import KINDS, NOW, SECOND, a_check, claim, finish


@dataclass
class Kept:
    """A store and its history."""

    store: Store
    history: History
    database: Database | None = None

    async def checked(self, entity: str, verdict: Verdict, **fields: object) -> Check:
        """Runs a check of an entity to a verdict."""
        check, _ = await self.store.checks.create(a_check(entity, inputs_digest=new_id()))
        await claim(self.store, check)
        result = check_pb2.Result(verdict=verdict.value, **fields)  # type: ignore[arg-type]
        return await finish(self.store, check, verdict=verdict, payload=result.SerializeToString())

    async def run_of(self, *checks: Check) -> Run:
        """Makes a run of new checks."""
        run = Run(id=new_id(), title="", revision="a" * 40, commit="", create_time=NOW)
        await self.store.runs.create(run, checks)
        return run

    async def imported(self, name: str, content: bytes) -> bool:
        """Imports a file."""
        file = read_file(name, content)
        source = ImportedRun(
            run=file.run,
            file_name=name,
            content_digest=file.digest,
            core_commit=file.core_commit,
            build_url=file.build_url,
        )
        checks = exchange.checks_of(file)
        return await self.history.add(source, content, run=exchange.run_of(file), checks=checks)


@pytest.fixture(params=KINDS)
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    """An empty store of each kind."""
    if request.param == "memory":
        store = memory_store(announce=announce)
        yield Kept(store, MemoryHistory(store))
        return
    url = f"sqlite:///{tmp_path / 'scheduler.sqlite'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    database = Database(url)
    await database.prepare()
    try:
        yield Kept(sql_store(database, announce=announce), SqlHistory(database), database)
    finally:
        await database.close()


def told(sightings: list[Sighting]) -> list[tuple[str, str, str]]:
    """Check, entity and title of each."""
    return [(one.check, one.entity, one.outcome.title) for one in sightings]


async def test_failures_of_now_and_of_a_run(kept: Kept) -> None:
    """Failures are those of a run, or of the newest check of each entity."""
    await kept.checked("AAAAA", Verdict.SCRIPT_ERROR, message="ValueError: old")
    await kept.checked("AAAAA", Verdict.SUCCESS)
    await kept.checked("BBBBB", Verdict.SUCCESS)
    newest = await kept.checked("BBBBB", Verdict.SCRIPT_ERROR, message="ValueError: 'new'")
    limit = await kept.checked("CCCCC", Verdict.LIMIT_EXCEEDED, message="memory")
    broken = machine.broken(a_check("DDDDD"), message="dangling reference", now=NOW)
    run = await kept.run_of(broken, a_check("EEEEE"))

    assert told(await kept.history.failures("")) == [
        (newest.id, "BBBBB", "ValueError: 'new'"),
        (limit.id, "CCCCC", "memory"),
        (broken.id, "DDDDD", "dangling reference"),
    ]
    assert told(await kept.history.failures(run.id)) == [(broken.id, "DDDDD", "dangling reference")]


async def test_first_seen(kept: Kept) -> None:
    """A cause is found where it was first seen, of whatever entity."""
    first = await kept.checked("AAAAA", Verdict.SCRIPT_ERROR, message="ValueError: no 'x'")
    other = await kept.checked("AAAAA", Verdict.SCRIPT_ERROR, message="ValueError: no 'y'")
    await kept.checked("BBBBB", Verdict.SCRIPT_ERROR, message="ValueError: no 'x'")
    causes = {one.outcome.fingerprint for one in await kept.history.failures("")}

    seen = await kept.history.first_seen(sorted(causes))
    assert {one.check for one in seen.values()} == {first.id, other.id}
    assert await kept.history.first_seen([]) == {}


async def test_one_cause_in_all_runs(kept: Kept) -> None:
    """Every check that ever failed so: how many, which entities, from when to when, which runs."""
    start = NOW.replace(microsecond=0)
    for number in range(3):
        entries = [script_error("BBBBB"), script_error("AAAAA")][number % 2 :]
        await kept.imported(
            *results_file(start + timedelta(minutes=number), [Entry("CCCCC"), *entries])
        )
    await kept.checked("DDDDD", Verdict.SCRIPT_ERROR, message="KeyError: 'another cause'")
    runs = await kept.history.runs_between(start, start + timedelta(hours=1), limit=9)
    causes = await kept.history.causes(runs)
    (fingerprint, _) = next(iter(set(causes.values())))

    assert {fingerprint} == {one for one, _ in causes.values()}
    assert 5 == len(causes)
    found = await kept.history.cause(fingerprint, runs=2)
    assert found is not None
    assert (5, ("AAAAA", "BBBBB")) == (found.count, found.entities)
    assert ((runs[0], 2), (runs[1], 1)) == found.runs
    assert (runs[2], runs[0]) == (found.first_seen.run, found.last_seen.run)
    assert await kept.history.cause("0" * 32, runs=2) is None
    assert {} == await kept.history.causes([])


async def test_an_entity_that_passed_and_fails(kept: Kept) -> None:
    """Passed last, failing since; what says nothing about the entity is passed over."""
    nothing = await kept.history.entity("AAAAA")
    await kept.checked("AAAAA", Verdict.SCRIPT_ERROR, message="before")
    passed = await kept.checked("AAAAA", Verdict.SUCCESS)
    since = await kept.checked("AAAAA", Verdict.INACCURATE, message="off")
    newest = await kept.checked("AAAAA", Verdict.TIMED_OUT)
    lost = Result(verdict=Verdict.INFRASTRUCTURE_ERROR, message="lost")
    ended = machine.broken(a_check("AAAAA", inputs_digest="ours"), message="", now=NOW)
    ours, _ = await kept.store.checks.create(dataclasses.replace(ended, result=lost))
    stopped, _ = await kept.store.checks.create(a_check("AAAAA"))
    await kept.store.checks.update(stopped.id, partial(machine.cancel, now=NOW))
    trial = a_check("AAAAA", environment="demo_environment@sha256:1", inputs_digest="trial")
    await kept.store.checks.create(machine.broken(trial, message="trial", now=NOW))
    await kept.store.checks.create(a_check("AAAAA", inputs_digest="open"))

    found = await kept.history.entity("AAAAA")
    assert found.newest is not None
    assert found.passed_last is not None
    assert found.failing_since is not None
    assert found.newest.check == newest.id
    assert found.passed_last.check == passed.id
    assert found.failing_since.check == since.id
    assert found.check_count == 7
    assert (nothing.newest, nothing.passed_last, nothing.check_count) == (None, None, 0)

    pages, before = [], ""
    while page := await kept.history.sightings("AAAAA", limit=3, before=before):
        pages += [one.check for one in page]
        before = page[-1].check
    assert len(pages) == len(set(pages)) == 7
    assert pages == sorted(pages, reverse=True)
    assert ours.id in pages


async def test_an_entity_that_passes_fails_since_never(kept: Kept) -> None:
    """After a success nothing is failing, whatever was before."""
    await kept.checked("AAAAA", Verdict.SCRIPT_ERROR)
    await kept.checked("AAAAA", Verdict.SUCCESS)

    assert (await kept.history.entity("AAAAA")).failing_since is None


async def test_what_a_result_says(kept: Kept) -> None:
    """Run time, largest error and environment are at hand without reading the result."""
    await kept.checked(
        "AAAAA",
        Verdict.SUCCESS,
        quantities=[
            check_pb2.Quantity(name="final_state_errors", values=[0.5, -2.0, float("nan")]),
            check_pb2.Quantity(name="other", values=[9.0]),
        ],
        usage=check_pb2.Usage(wall_seconds=1.25),
        provenance=check_pb2.Provenance(environment_digest="sha256:12"),
    )
    [found] = await kept.history.sightings("AAAAA", limit=9, before="")

    outcome = found.outcome
    assert (outcome.seconds, outcome.error) == (1.25, 2.0)
    assert outcome.environment_digest == "sha256:12"
    assert (outcome.fingerprint, outcome.title) == ("", "")
    assert (found.time, found.commit) == (NOW + 3 * SECOND, "c" * 40)


async def test_imports_are_runs(kept: Kept) -> None:
    """An imported run is a run with finished checks, of which nothing is announced or queued."""
    name, content = results_file(NOW, [Entry("AAAAA"), script_error("BBBBB"), timed_out("CCCCC")])
    waiting = len(await kept.store.outbox.pending(limit=99))

    assert await kept.imported(name, content)
    assert not await kept.imported(name, content)
    assert not await kept.imported(name, content.replace(b"5.5", b"5.5   "))
    with pytest.raises(PreconditionError, match="from other content"):
        await kept.imported(name, content.replace(b"5.5", b"5.6"))

    run = read_file(name, content).run
    summary = await kept.store.runs.get(run)
    assert dict(summary.verdicts) == {
        Verdict.SUCCESS: 1,
        Verdict.SCRIPT_ERROR: 1,
        Verdict.TIMED_OUT: 1,
    }
    assert summary.finished
    assert len(await kept.store.outbox.pending(limit=99)) == waiting
    assert await kept.store.queue.waiting(now=NOW, window=lambda *_: 9) == []
    assert [one.entity for one in await kept.history.failures(run)] == ["BBBBB", "CCCCC"]
    assert await kept.history.content(run) == content
    source = (await kept.history.imported([run, "0" * 32]))[run]
    assert (source.file_name, source.core_commit) == (name, "c" * 40)
    assert await kept.history.content("0" * 32) is None


async def test_imports_of_the_past_do_not_hide_the_present(kept: Kept) -> None:
    """An imported check says how an entity is only where there is no newer one."""
    now = await kept.checked("AAAAA", Verdict.SUCCESS)
    old = NOW - timedelta(days=900)
    await kept.imported(*results_file(old, [script_error("AAAAA"), script_error("BBBBB")]))

    verdicts = {one.entity: one for one in await kept.store.verdicts.list_page(limit=9)}
    assert verdicts["AAAAA"].check == now.id
    assert verdicts["BBBBB"].verdict is Verdict.SCRIPT_ERROR
    assert [one.entity for one in await kept.history.failures("")] == ["BBBBB"]
    history = await kept.history.entity("AAAAA")
    assert (history.check_count, history.failing_since) == (2, None)


async def test_the_same_inputs_are_not_an_import(kept: Kept) -> None:
    """A check is never answered by an imported one."""
    await kept.imported(*results_file(NOW, [Entry("AAAAA")]))
    [old] = await kept.history.sightings("AAAAA", limit=1, before="")
    made, created = await kept.store.checks.create(a_check("AAAAA"))

    assert created
    assert not made.finished
    assert made.id != old.check


async def test_a_file_without_checks(kept: Kept) -> None:
    """A run that checked nothing is a run too."""
    name, content = results_file(NOW, [])
    assert await kept.imported(name, content)

    assert (await kept.store.runs.get(read_file(name, content).run)).check_count == 0


async def test_runs_beside_each_other(kept: Kept) -> None:
    """Keys, cells and environments of several runs."""
    start = NOW.replace(microsecond=0)
    times = [start, start + timedelta(minutes=13)]
    for number, time in enumerate(times):
        entries = [
            Entry("AAAAA", env_version=f"demo:{number}"),
            (script_error if number else Entry)("BBBBB"),
        ]
        await kept.imported(*results_file(time, entries))
    runs = await kept.history.runs_between(start, start + timedelta(hours=1), limit=9)
    mixed = await kept.run_of(a_check("ZZZZZ"))

    assert len(runs) == 2
    assert runs == sorted(runs, reverse=True)
    every = [*runs, mixed.id]
    assert await kept.history.keys(every, entities=[], after="", limit=9) == [
        "AAAAA",
        "BBBBB",
        "ZZZZZ",
    ]
    assert await kept.history.keys(every, entities=[], after="AAAAA", limit=1) == ["BBBBB"]
    assert await kept.history.keys(every, entities=["ZZZZZ", "AAAAA"], after="", limit=9) == [
        "AAAAA",
        "ZZZZZ",
    ]
    cells = await kept.history.cells(every, entities=["BBBBB", "ZZZZZ"])
    assert {(cell.run, cell.entity, cell.verdict) for cell in cells} == {
        (runs[0], "BBBBB", Verdict.SCRIPT_ERROR),
        (runs[1], "BBBBB", Verdict.SUCCESS),
        (mixed.id, "ZZZZZ", None),
    }
    environments = await kept.history.environments(every)
    assert ("demo", "demo:1") in environments[runs[0]]
    assert mixed.id not in environments
    assert await kept.history.cells(every, entities=[]) == []


async def test_outcomes_that_are_missing_are_made_anew(kept: Kept) -> None:
    """What an older version did not keep, or kept by another method, is caught up."""
    if kept.database is None:
        assert await kept.history.catch_up(limit=9) == 0
        return
    for number in range(5):
        await kept.checked("AAAAA", Verdict.SCRIPT_ERROR, message=f"ValueError: no 'x{number}'")
    before = await kept.history.sightings("AAAAA", limit=9, before="")
    assert await kept.history.catch_up(limit=9) == 0
    for statement in (
        "delete from outcomes where title like '%x0%' or title like '%x1%'",
        "update outcomes set method = 0, fingerprint = 'old' where title like '%x2%'",
    ):
        await kept.database.write(partial(_execute, statement=statement))

    assert await kept.history.catch_up(limit=2) == 2
    assert await kept.history.catch_up(limit=2) == 1
    assert await kept.history.catch_up(limit=2) == 0
    assert await kept.history.sightings("AAAAA", limit=9, before="") == before


def _execute(connection: Connection, *, statement: str) -> None:
    connection.execute(text(statement))
