"""What a copy of the scheduler's store promises, from and into each kind of database."""

import asyncio
import contextlib
import dataclasses
import itertools
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from services.errors import InvalidArgumentError, PreconditionError, UnavailableError
from services.scheduler.backup import archive
from services.scheduler.backup.creation import Backup
from services.scheduler.backup.manifest import DamagedBackupError
from services.scheduler.backup.snapshots import contents, snapshot_of
from services.scheduler.domain.check import Check, State
from services.scheduler.domain.listing import CheckFilter
from services.scheduler.sql import schema
from tests.postgres import PostgresServer
from tests.scheduler_backups import Kept, copied, filled, opened, restored
from tests.scheduler_stores import NOW, a_check, claim

ENGINES = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))


@pytest.fixture(params=ENGINES)
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    """A store of each kind with a bit of everything in it."""
    url = f"sqlite:///{tmp_path / 'scheduler.sqlite'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    found = await opened(url, tmp_path / "artefacts")
    await filled(found)
    yield found
    await found.database.close()


@pytest.fixture(params=ENGINES)
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind, beside the one that is copied."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'target.sqlite'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


async def every_check(kept: Kept) -> dict[str, Check]:
    found = await kept.store.checks.list_page(CheckFilter(), limit=1000, before="")
    return {check.id: check for check in found}


async def test_what_was_copied_comes_back(kept: Kept, target: str, tmp_path: Path) -> None:
    """From any database into any: every row and file is as it was, but for what was running."""
    await copied(kept, tmp_path / "copy.tar")
    before = await every_check(kept)

    proof = await restored(
        tmp_path / "copy.tar", url=target, artefacts=tmp_path / "new", scratch=tmp_path / "scratch"
    )

    again = await opened(target, tmp_path / "new")
    try:
        after = await every_check(again)
        assert (9, 1, 1) == (proof.checks, proof.runs, proof.requeued)
        finished = {key: check for key, check in before.items() if check.finished}
        assert 6 == len(finished)
        assert finished == {key: after[key] for key in finished}
        assert before.keys() == after.keys()
        for check in finished.values():
            assert check.result is not None
            text = [chunk async for chunk in again.files.read(check.result.log)]
            assert [f"log of {check.id}".encode()] == text
        tables = await kept.database.write(contents)
        copy = await again.database.write(contents)
        same = {"results", "check_artefacts", "entity_verdicts", "runs", "run_checks", "runners"}
        assert {name: tables[name] for name in same} == {name: copy[name] for name in same}
        created, new = await again.store.checks.create(a_check("FFFFF"))
        assert new
        assert created.change > max(check.change for check in before.values())
    finally:
        await again.database.close()


async def test_what_was_running_waits_again(kept: Kept, target: str, tmp_path: Path) -> None:
    """Its lease ends, its attempts stay counted, and none of them as failed; nothing is twice."""
    [(_, held)] = await kept.store.runners.held()
    await copied(kept, tmp_path / "copy.tar")
    await restored(
        tmp_path / "copy.tar", url=target, artefacts=tmp_path / "new", scratch=tmp_path / "scratch"
    )

    again = await opened(target, tmp_path / "new")
    try:
        check = await again.store.checks.get(held)
        assert (State.QUEUED, 1, 0, None) == (
            check.state,
            check.attempt,
            check.failures,
            check.lease,
        )
        jobs = await again.store.queue.waiting(now=NOW, window=lambda *_: 10)
        assert 3 == len(jobs) == len({job.check for job in jobs})
        assert 2 == (await claim(again.store, check)).after.attempt
    finally:
        await again.database.close()


async def test_what_happens_meanwhile_is_not_in_it(kept: Kept, tmp_path: Path) -> None:
    """Checks finish while a copy is made; the copy is of one moment, with all of its files."""
    done: asyncio.Queue[Check] = asyncio.Queue()
    stop = asyncio.Event()

    async def work() -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            done.put_nowait(await kept.checked(f"G{number:04d}", f"plot {number}".encode()))

    async def another() -> None:
        while not done.empty():
            done.get_nowait()
        await done.get()

    async with asyncio.TaskGroup() as group:
        group.create_task(work())
        for number in range(3):
            await asyncio.wait_for(
                copied(kept, tmp_path / f"copy{number}.tar", meanwhile=another), 60
            )
        stop.set()
    total = len(await every_check(kept))

    for number in range(3):
        proof = await restored(
            tmp_path / f"copy{number}.tar",
            url=f"sqlite:///{tmp_path / f'target{number}.sqlite'}",
            artefacts=tmp_path / f"new{number}",
            scratch=tmp_path / f"scratch{number}",
        )
        assert () == proof.missing
        again = await opened(f"sqlite:///{tmp_path / f'target{number}.sqlite'}", tmp_path / "x")
        rows = await again.database.read(_files)
        await again.database.close()
        assert 9 <= proof.checks <= total - 4  # the first one may have finished before
        for sha256 in rows:
            assert (tmp_path / f"new{number}" / sha256[:2] / sha256).is_file()


def _files(connection: Connection) -> list[str]:
    return list(connection.execute(select(schema.check_artefacts.c.sha256)).scalars())


async def test_a_target_that_is_not_empty_is_left_alone(kept: Kept, tmp_path: Path) -> None:
    """Neither a database with rows nor a folder with files is written to."""
    await copied(kept, tmp_path / "copy.tar")
    with pytest.raises(PreconditionError, match=r"not empty: there are rows in .*checks"):
        await restored(
            tmp_path / "copy.tar",
            url=kept.url,
            artefacts=tmp_path / "new",
            scratch=tmp_path / "scratch",
        )
    with pytest.raises(PreconditionError, match="artefacts is not empty"):
        await restored(
            tmp_path / "copy.tar",
            url=f"sqlite:///{tmp_path / 'empty.sqlite'}",
            artefacts=tmp_path / "artefacts",
            scratch=tmp_path / "scratch",
        )
    count = select(func.count()).select_from(schema.checks)
    assert 9 == await kept.database.read(lambda c: c.execute(count).scalar_one())


async def test_a_lost_file_is_told(kept: Kept, tmp_path: Path) -> None:
    """A file that the store has lost does not stop the copy, and is not passed over in silence."""
    digest = await kept.put(b"a plot")
    kept.files.path(digest).unlink()

    manifest = await copied(kept, tmp_path / "copy.tar")
    proof = await restored(
        tmp_path / "copy.tar",
        url=f"sqlite:///{tmp_path / 'target.sqlite'}",
        artefacts=tmp_path / "new",
        scratch=tmp_path / "scratch",
    )

    assert (digest,) == manifest.missing == proof.missing


async def test_nothing_is_removed_while_a_copy_is_made(kept: Kept, tmp_path: Path) -> None:
    """Retention waits for copies, and goes on after them; nothing is left of the copying."""
    digest = await kept.put(b"old")
    parts = kept.backup().create()
    await anext(parts)

    assert [] == await kept.files.remove([digest], unused_since=2e9)
    await parts.aclose()

    assert [digest] == await kept.files.remove([digest], unused_since=2e9)
    assert [] == [*(kept.folder / "incoming").iterdir()]


@pytest.mark.parametrize("kept", ["sqlite"], indirect=True)
async def test_a_copy_of_an_older_version_is_upgraded(kept: Kept, tmp_path: Path) -> None:
    """Tables that there were none of then are there after it was brought back, with their rows."""

    class Older:
        async def write(self, target: Path) -> None:
            await snapshot_of(kept.url).write(target)
            with contextlib.closing(sqlite3.connect(target)) as connection:
                connection.execute("drop table entity_verdicts")
                connection.execute("drop table pauses")
                connection.execute("vacuum")

    backup = Backup(snapshot=Older(), artefacts=kept.files, clock=lambda: NOW, version="0.0.1")
    parts = [part async for part in backup.create()]
    (tmp_path / "copy.tar").write_bytes(b"".join(p for p in parts if isinstance(p, bytes)))
    url = f"sqlite:///{tmp_path / 'target.sqlite'}"

    proof = await restored(
        tmp_path / "copy.tar", url=url, artefacts=tmp_path / "new", scratch=tmp_path / "scratch"
    )

    assert ("0.0.1", 9) == (proof.version, proof.checks)
    again = await opened(url, tmp_path / "new")
    try:
        wanted = await kept.store.verdicts.list_page(limit=100)
        assert wanted == await again.store.verdicts.list_page(limit=100)
    finally:
        await again.database.close()


@pytest.mark.parametrize("kept", ["sqlite"], indirect=True)
async def test_a_copy_of_a_newer_version_is_refused(kept: Kept, tmp_path: Path) -> None:
    """The target stays empty, and the message says what to do."""

    class Newer:
        async def write(self, target: Path) -> None:
            await snapshot_of(kept.url).write(target)
            with contextlib.closing(sqlite3.connect(target)) as connection, connection:
                connection.execute("update alembic_version set version_num = '9999_tomorrow'")

    backup = Backup(snapshot=Newer(), artefacts=kept.files, clock=lambda: NOW, version="9.9.9")
    parts = [part async for part in backup.create()]
    (tmp_path / "copy.tar").write_bytes(b"".join(p for p in parts if isinstance(p, bytes)))

    with pytest.raises(PreconditionError, match="of a newer version of ACKREP"):
        await restored(
            tmp_path / "copy.tar",
            url=f"sqlite:///{tmp_path / 'target.sqlite'}",
            artefacts=tmp_path / "new",
            scratch=tmp_path / "scratch",
        )


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysql://host/name",
        "sqlite:////no/such/folder/x",
        "postgresql://x@127.0.0.1:1/x",
    ],
)
async def test_a_target_that_cannot_be_used_is_said(url: str, tmp_path: Path) -> None:
    """What is wrong with a database is an error of ours, in one line."""
    (tmp_path / "copy.tar").write_bytes(b"")
    with pytest.raises((InvalidArgumentError, UnavailableError)) as raised:
        await restored(
            tmp_path / "copy.tar", url=url, artefacts=tmp_path / "new", scratch=tmp_path / "scratch"
        )
    assert 1 == len(raised.value.message.splitlines())


@pytest.mark.parametrize("kept", ["sqlite"], indirect=True)
async def test_each_byte_counts(kept: Kept, tmp_path: Path) -> None:
    """A copy with any byte changed, missing or added is refused, and the member is named."""
    manifest = await copied(kept, tmp_path / "copy.tar")
    whole = (tmp_path / "copy.tar").read_bytes()
    assert len(whole) == archive.length(manifest)
    places = _places(whole, manifest)
    assert len(places) > 60

    for position, name in places:
        damaged = bytearray(whole)
        damaged[position] ^= 0x20
        with pytest.raises(DamagedBackupError, match=name):
            _read_all(bytes(damaged), tmp_path)
    for cut in (0, 100, 5000, len(whole) - 1):
        with pytest.raises(DamagedBackupError, match=r"ends within|damaged"):
            _read_all(whole[:cut], tmp_path)
    with pytest.raises(DamagedBackupError, match="the end of the file"):
        _read_all(whole + b"\0", tmp_path)
    _read_all(whole, tmp_path)


def _places(whole: bytes, manifest: Any) -> list[tuple[int, str]]:
    """Bytes all over a copy: in each header, file and filling, and the member that each is of."""
    first = len(archive.beginning(manifest))
    manifest_size = len(manifest.encoded())
    found = [(0, "begins"), (520, r"manifest\.(json|sha256)"), (1000, "manifest.sha256")]
    found += [(1024 + 10, "manifest.json"), (1536 + 40, "manifest.json")]
    found += [(1536 + manifest_size - 1, "manifest.json")]
    place = first
    for member in manifest.members:
        end = place + 512 + member.size
        inside = [place + 3, place + 150, place + 511]
        inside += [place + 512, (place + 512 + end) // 2, end - 1] if member.size else []
        inside += [end] if member.size % 512 else []
        found += [(one, member.name) for one in inside]
        place = end + len(archive.padding(member.size))
    return [*found, (place + 5, "end of the file"), (len(whole) - 1, "end of the file")]


def _read_all(content: bytes, folder: Path) -> None:
    (folder / "damaged.tar").write_bytes(content)
    with (folder / "damaged.tar").open("rb") as file:
        for _, chunks in archive.Reader(file).members():
            for _ in chunks:
                pass


@pytest.mark.parametrize("kept", ["sqlite"], indirect=True)
async def test_rows_that_changed_are_noticed(kept: Kept, tmp_path: Path) -> None:
    """Rows that are not those of the manifest are refused, even where each digest is right."""
    manifest = await copied(kept, tmp_path / "copy.tar")
    whole = (tmp_path / "copy.tar").read_bytes()
    runs = dataclasses.replace(manifest.tables["runs"], rows=2)
    other = dataclasses.replace(manifest, tables={**manifest.tables, "runs": runs})
    members = whole[len(archive.beginning(manifest)) :]
    (tmp_path / "copy.tar").write_bytes(archive.beginning(other) + members)

    with pytest.raises(DamagedBackupError, match="the rows of the table runs"):
        await restored(
            tmp_path / "copy.tar",
            url=f"sqlite:///{tmp_path / 'target.sqlite'}",
            artefacts=tmp_path / "new",
            scratch=tmp_path / "scratch",
        )
