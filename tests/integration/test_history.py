"""Looking back over runs of the 2022 format: groups, matrix, comparison, exchange."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.errors import InvalidArgumentError, NotFoundError, PreconditionError
from services.scheduler.artefacts.files import FileArtefacts
from services.scheduler.domain.check import Run, Verdict
from services.scheduler.domain.comparison import ChangeKind
from services.scheduler.domain.imports import file_name_of, read_file
from services.scheduler.domain.matrix import Row
from services.scheduler.history.comparing import Comparing
from services.scheduler.history.retrospect import Retrospect, span
from services.scheduler.messages import announce
from services.scheduler.ports.store import Store
from services.scheduler.sql import Database, sql_store
from services.scheduler.sql.history import SqlHistory
from tests.nats_servers import NatsServer
from tests.results_files import (
    Entry,
    inaccurate,
    keys,
    missing_module,
    results_file,
    script_error,
    timed_out,
)
from tests.scheduler_stores import a_check, claim, finish
from tests.scheduler_system import System, leasing_system

NOVEMBER = datetime(2022, 11, 4, 10, 49, 11, tzinfo=UTC)
AUGUST = datetime(2022, 8, 9, 9, 59, 34, tzinfo=UTC)
JULY = datetime(2022, 7, 19, 11, 58, 40, tzinfo=UTC)
RECORDED = os.environ.get("ACKREP_TEST_CI_RESULTS", "")
"""Folder of recorded files of the 2022 system; they are no part of this repository."""


class Past:
    """A store with history, and its use cases."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.store: Store = sql_store(database, announce=announce)
        self.retrospect = Retrospect(
            store=self.store,
            history=SqlHistory(database),
            artefacts=FileArtefacts(folder / "artefacts"),
        )

    async def run_at(self, time: datetime) -> str:
        """The id of the run of a time."""
        [run] = await self.retrospect.runs_at(f"{time:%Y-%m-%dT%H:%M}")
        return run.run.id

    async def sizes(self, time: datetime) -> list[int]:
        """How many failures each group of a run has."""
        groups = await self.retrospect.groups(await self.run_at(time))
        return [len(group.members) for group in groups]

    async def changed(self, one: datetime, other: datetime) -> int:
        """How many verdicts differ between two runs."""
        compared = await Comparing(store=self.store).compare(
            base=await self.run_at(one), other=await self.run_at(other)
        )
        return sum(
            change.kind in (ChangeKind.BROKEN, ChangeKind.REPAIRED, ChangeKind.VERDICT)
            for change in compared.changes
        )


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def past(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Past]:
    """An empty store in each database."""
    url = f"sqlite:///{tmp_path / 'scheduler.sqlite'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    database = Database(url)
    await database.prepare()
    try:
        yield Past(database, tmp_path)
    finally:
        await database.close()


@pytest.fixture
def files() -> dict[str, bytes]:
    """Three months in four runs, structured as the recorded ones."""
    broken = [script_error(key) for key in keys(120)]
    missing = [missing_module(key, "scipy.integrate") for key in keys(17, letter="A")]
    others = [missing_module(key, "scipy.signal") for key in keys(4, letter="B")]
    before = [missing_module(key, "plots") for key in keys(29, letter="J")]
    after = [Entry(key) for key in keys(29, letter="J")]
    constant = [Entry("7WIQH"), timed_out("W8WD1")]
    return dict(
        [
            results_file(NOVEMBER, [timed_out("W8WD1"), *broken, Entry("7WIQH")]),
            results_file(AUGUST, [*missing, *others, inaccurate("VVAHU", 0.5)]),
            results_file(JULY, [*constant, *before]),
            results_file(JULY + timedelta(seconds=794), [*constant, *after]),
        ]
    )


async def test_groups_of_runs(past: Past, files: dict[str, bytes]) -> None:
    """One cause is one group, however many entities it breaks; it knows where it was seen first."""
    for name, content in files.items():
        await past.retrospect.import_run(name, content)

    assert await past.sizes(NOVEMBER) == [120, 1]
    assert await past.sizes(AUGUST) == [17, 4, 1]
    [_, late] = await past.retrospect.groups(await past.run_at(NOVEMBER))
    assert late.first_seen.run == await past.run_at(JULY)
    assert (late.entities, late.verdict) == (["W8WD1"], Verdict.TIMED_OUT)
    now = await past.retrospect.groups("")
    assert [len(group.members) for group in now] == [120, 17, 4, 1, 1]
    with pytest.raises(NotFoundError):
        await past.retrospect.groups("0" * 32)


async def test_imported_runs_are_compared(past: Past, files: dict[str, bytes]) -> None:
    """Two imported runs are compared like any others; their columns say what differs."""
    for name, content in files.items():
        await past.retrospect.import_run(name, content)

    assert await past.changed(JULY, JULY + timedelta(seconds=794)) == 29
    history = await past.retrospect.entity("W8WD1")
    assert (history.passed_last, history.check_count) == (None, 3)
    assert history.failing_since is not None
    assert history.failing_since.run == await past.run_at(JULY)
    with pytest.raises(NotFoundError):
        await past.retrospect.entity("ZZZZZ")


async def test_pages_of_the_matrix(past: Past, files: dict[str, bytes]) -> None:
    """Pages leave out and repeat nothing, and keep their columns while new runs begin."""
    for name, content in files.items():
        await past.retrospect.import_run(name, content)
    whole = await past.retrospect.matrix(runs=[], count=3, entities=[], size=0, token="")
    shown = [column.summary.run.create_time for column in whole.columns]
    assert shown == [JULY + timedelta(seconds=794), AUGUST, NOVEMBER]
    assert len(whole.rows) == 120 + 17 + 4 + 1 + 29 + 2

    rows: list[Row] = []
    token = ""
    while True:
        page = await past.retrospect.matrix(runs=[], count=3, entities=[], size=50, token=token)
        assert [column.summary.run.create_time for column in page.columns] == shown
        rows += page.rows
        token = page.next_token
        if not token:
            break
        later = NOVEMBER + timedelta(days=len(rows))
        await past.retrospect.import_run(*results_file(later, [Entry("AAAAA")]))
    assert rows == list(whole.rows)

    [only] = (
        await past.retrospect.matrix(
            runs=[await past.run_at(NOVEMBER)], count=0, entities=["W8WD1"], size=0, token=""
        )
    ).rows
    assert [(column, cell.verdict) for column, cell in only.cells] == [(0, Verdict.TIMED_OUT)]
    with pytest.raises(InvalidArgumentError):
        await past.retrospect.matrix(runs=["0" * 32] * 201, count=0, entities=[], size=0, token="")


async def test_runs_of_our_own_are_exported(past: Past) -> None:
    """What this system ran can be read as a results file, as far as that can say it."""
    checks = [a_check(key, inputs_digest=key) for key in ("AAAAA", "BBBBB", "CCCCC")]
    own = Run(id="f" * 32, title="own", revision="a" * 40, commit="e" * 40, create_time=NOVEMBER)
    await past.store.runs.create(own, checks)
    with pytest.raises(PreconditionError, match="3 checks are open"):
        await past.retrospect.export_run(own.id)
    ways = (Verdict.SUCCESS, Verdict.TIMED_OUT, Verdict.INACCURATE)
    for check, verdict in zip(checks, ways, strict=True):
        await claim(past.store, check)
        await finish(past.store, check, verdict=verdict, message="off by 2", payload=b"")

    name, content = await past.retrospect.export_run(own.id)
    again = read_file(name, content)
    assert (name, again.commit) == (file_name_of(NOVEMBER), "e" * 40)
    assert [(one.entity, one.report.result) for one in again.checks] == [
        ("AAAAA", 0),
        ("BBBBB", 1),
        ("CCCCC", 2),
    ]
    late = "off by 2\nEntity calculation reached timeout (12.5s)."
    assert [one.report.log for one in again.checks] == ["", late, "off by 2"]
    assert tuple(one.verdict for one in again.checks) == ways


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2022-11-04", 86400),
        ("2022-11-04T10", 3600),
        ("2022-11-04 10:49", 60),
        ("2022-11-04T10:49:11Z", 1),
    ],
)
def test_times(text: str, seconds: int) -> None:
    """A time, or its beginning, names a span."""
    start, end = span(text)
    assert start <= NOVEMBER < end
    assert end - start == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "yesterday", "2022-13-01", "2022", "9999-12-31T23:59:60"])
def test_no_times(text: str) -> None:
    """What is no time is refused with an example."""
    with pytest.raises(InvalidArgumentError, match="2022-11-04T10:49"):
        span(text)


@pytest.fixture
async def system(tmp_path: Path, nats_server: NatsServer) -> AsyncIterator[System]:
    """A scheduler over real NATS, without runners."""
    async with leasing_system(tmp_path, nats_server) as running:
        yield running


async def ackrep(system: System, *arguments: str) -> tuple[int, str, str]:
    """Runs the command against a scheduler: exit code, output, errors."""
    address = f"127.0.0.1:{system.scheduler.port}"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cli",
        *("--scheduler", address, "--catalog", system.scheduler.catalog),
        *arguments,
        env={
            **os.environ,
            "ACKREP_TOKEN": system.nats.token,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "COLUMNS": "120",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_the_commands(system: System, tmp_path: Path, files: dict[str, bytes]) -> None:
    """Files are imported, looked at and exported again, byte for byte."""
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name, content in files.items():
        (source / name).write_bytes(content)
    (source / "README.md").write_text("no results")
    bad = source / file_name_of(NOVEMBER + timedelta(days=1))
    bad.write_text("UXMFA: {result: none}\n")

    code, out, err = await ackrep(system, "import-results", str(source))
    assert code == 64
    assert f"{bad.name}:1: UXMFA.result is no integer" in err
    assert "4 runs" in out
    bad.unlink()
    code, out, _ = await ackrep(system, "import-results", str(source))
    assert (code, "nothing new" in out) == (0, True)

    code, out, err = await ackrep(system, "groups", "2022-11-04T10:49", "--excerpts")
    assert code == 0
    assert "120  script error" in out
    assert "ValueError: wrong dimensions" in out
    assert "121 failures, 2 causes" in err
    _, out, _ = await ackrep(system, "groups", "2022-08-09", "--json")
    assert [json.loads(line)["count"] for line in out.splitlines()] == [17, 4, 1]
    code, _, err = await ackrep(system, "groups", "2022-07-19")
    assert (code, "2 runs began at" in err) == (64, True)

    _, out, _ = await ackrep(system, "matrix", "w8wd1", "--json")
    cells = json.loads(out)["cells"]
    assert [cell["verdict"] for cell in cells] == ["timed_out"] * 3
    code, out, _ = await ackrep(system, "matrix", "--failing")
    assert code == 0
    assert "W8WD1  T T   T" in out
    code, out, _ = await ackrep(system, "history", "J0003")
    assert "passed last      2022-07-19 12:15" in out
    _, out, _ = await ackrep(system, "history", "J0003", "--json")
    entity, *points = map(json.loads, out.splitlines())
    assert (entity["key"], entity["checkCount"]) == ("J0003", 2)
    assert [point["verdict"] for point in points] == ["success", "script_error"]

    code, out, _ = await ackrep(system, "export-results", str(target))
    assert code == 0
    assert {file.name: file.read_bytes() for file in target.iterdir()} == files
    changed = target / file_name_of(AUGUST)
    changed.write_text("mine")
    code, _, err = await ackrep(system, "export-results", str(target))
    assert (code, changed.read_text()) == (64, "mine")
    assert "--force" in err
    code, _, _ = await ackrep(
        system, "export-results", "--run", "2022-08-09", "--force", str(target)
    )
    assert (code, changed.read_bytes()) == (0, files[changed.name])


async def recorded_history(past: Past) -> None:
    """What is known of the recorded history comes out of its files."""
    files = {file.name: file.read_bytes() for file in Path(RECORDED).glob("ci_results__*.yaml")}
    assert len(files) > 100
    for name, content in files.items():
        assert (await past.retrospect.import_run(name, content))[1]

    for time, failures, largest in ((NOVEMBER, 121, 120), (AUGUST, 36, 17)):
        sizes = await past.sizes(time)
        assert (sum(sizes), max(sizes)) == (failures, largest)
    other = JULY + timedelta(seconds=794)
    assert await past.changed(JULY, other) == 29
    matrix = await past.retrospect.matrix(
        runs=[await past.run_at(JULY), await past.run_at(other)],
        count=0,
        entities=[],
        size=0,
        token="",
    )
    one, two = matrix.columns
    assert one.summary.run.commit == two.summary.run.commit
    assert one.source is not None
    assert two.source is not None
    assert one.source.core_commit == two.source.core_commit
    assert one.environments != two.environments
    for name, content in files.items():
        assert await past.retrospect.export_run(read_file(name, content).run) == (name, content)


if RECORDED:  # a test only where its files are: what CI has is never skipped
    test_the_recorded_history = recorded_history
