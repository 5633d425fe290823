"""Retention over a real store and real files, through months of a clock that we turn."""

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from services.errors import ArtefactExpiredError, NotFoundError
from services.scheduler.artefacts.files import FileArtefacts
from services.scheduler.artefacts.retention import ExplainedArtefacts, Sweeper, Swept
from services.scheduler.domain import machine
from services.scheduler.domain.check import Artefact, Check, Result, Verdict
from services.scheduler.domain.machine import Retries
from services.scheduler.domain.names import new_id
from services.scheduler.domain.retention import RetentionPolicy
from services.scheduler.messages import announce
from services.scheduler.ports.store import Store
from services.scheduler.sql import Database, sql_store
from tests.scheduler_stores import a_check

DAY = timedelta(days=1)
POLICY = RetentionPolicy(age=30 * DAY, grace=DAY)


class Years:
    """A scheduler's store, its files, and the time."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.store = store
        self.files = FileArtefacts(folder, clock=self._seconds)
        self.artefacts = ExplainedArtefacts(self.files, retention=store.retention)

    def _seconds(self) -> float:
        return self.now.timestamp()

    async def upload(self, content: bytes) -> str:
        """Stores a file as a runner does: only if it is asked for."""
        digest = hashlib.sha256(content).hexdigest()

        async def chunks() -> AsyncIterator[bytes]:
            yield content

        if await self.artefacts.missing([digest]):
            await self.artefacts.put(digest, size=len(content), chunks=chunks())
        return digest

    async def check(
        self, entity: str, content: bytes, verdict: Verdict = Verdict.SUCCESS
    ) -> tuple[Check, str]:
        """Checks an entity, which leaves one file; a minute goes by."""
        check, _ = await self.store.checks.create(a_check(entity, create_time=self.now))
        digest = await self.upload(content)
        return await self.finish(check, digest, len(content), verdict), digest

    async def finish(
        self, check: Check, digest: str, size: int, verdict: Verdict = Verdict.SUCCESS
    ) -> Check:
        """Ends a check that waits."""
        claim = partial(
            machine.claim,
            runner="one",
            incarnation="first",
            claim_id=new_id(),
            now=self.now,
            lease_for=DAY,
        )
        await self.store.checks.update(check.id, claim)
        self.now += timedelta(minutes=1)
        file = Artefact(sha256=digest, path="plot.png", size=size, content_type="image/png")
        result = Result(verdict=verdict, message="", artefacts=(file,))
        finish = partial(
            machine.finish,
            attempt=1,
            result=result,
            last_sequence=1,
            now=self.now,
            retries=Retries(),
        )
        return (await self.store.checks.update(check.id, finish)).after

    async def sweep(self, policy: RetentionPolicy = POLICY) -> Swept:
        """Makes a pass."""
        sweeper = Sweeper(
            retention=self.store.retention, files=self.files, clock=lambda: self.now, policy=policy
        )
        return await sweeper.run_once()

    async def has(self, digest: str) -> bool:
        """Whether a file can be read."""
        try:
            async for _ in self.artefacts.read(digest):
                pass
        except NotFoundError:
            return False
        return True


@pytest.fixture
async def years(tmp_path: Path) -> AsyncIterator[Years]:
    """An empty system on New Year's Day."""
    database = Database(f"sqlite:///{tmp_path / 'scheduler.sqlite'}")
    await database.prepare()
    yield Years(sql_store(database, announce=announce), tmp_path / "artefacts")
    await database.close()


async def test_old_plots_go_and_results_stay(years: Years) -> None:
    """After months only the last success and the first failure after it have their plots."""
    history = []
    verdicts = [Verdict.SUCCESS] * 3 + [Verdict.SCRIPT_ERROR] * 3
    for number, verdict in enumerate(verdicts):
        history.append(await years.check("AAAAA", f"plot {number}".encode(), verdict))
        years.now += 10 * DAY
    years.now += 200 * DAY
    results = [(await years.store.checks.get(check.id)).result for check, _ in history]

    assert Swept(expired=4) == await years.sweep()

    assert [False, False, True, True, False, False] == [
        await years.has(digest) for _, digest in history
    ]
    assert results == [(await years.store.checks.get(check.id)).result for check, _ in history]
    with pytest.raises(ArtefactExpiredError, match=r"was removed on 2026-09-1\d.*--force"):
        async for _ in years.artefacts.read(history[0][1]):
            pass
    assert Swept() == await years.sweep()


async def test_a_plot_that_is_made_again_is_there_again(years: Years) -> None:
    """The same bytes come back with a new check, and stay as long as any other."""
    _, digest = await years.check("AAAAA", b"same")
    await years.check("AAAAA", b"other")
    years.now += 40 * DAY
    assert Swept(expired=1) == await years.sweep()
    assert not await years.has(digest)

    await years.check("BBBBB", b"same")

    assert await years.has(digest)
    years.now += 400 * DAY
    assert Swept() == await years.sweep()
    assert await years.has(digest)
    await years.check("BBBBB", b"better")
    years.now += 400 * DAY
    assert Swept(expired=1) == await years.sweep()
    assert not await years.has(digest)


async def test_what_a_check_is_about_to_use_stays(years: Years) -> None:
    """A runner that was told it need not upload a file finds it there when it finishes."""
    _, digest = await years.check("AAAAA", b"same")
    await years.check("AAAAA", b"other")
    waiting, _ = await years.store.checks.create(a_check("BBBBB"))
    years.now += 40 * DAY
    assert [] == await years.artefacts.missing([digest])
    fresh = await years.upload(b"of an attempt that runs")

    assert Swept() == await years.sweep()

    assert await years.has(digest)
    assert await years.has(fresh)
    await years.finish(waiting, digest, 4)
    years.now += 2 * DAY
    assert Swept(unknown=1) == await years.sweep()
    assert await years.has(digest)
    assert not await years.has(fresh)


async def test_the_oldest_go_for_room(years: Years) -> None:
    """Above the size that was set, plots go by age until there is room."""
    history = [await years.check(f"A{number:04d}", bytes(1000 + number)) for number in range(6)]
    for number in range(6):
        await years.check(f"A{number:04d}", b"small")
    years.now += 2 * DAY
    policy = RetentionPolicy(size=3500, grace=DAY)

    assert Swept(expired=3) == await years.sweep(policy)

    assert [False] * 3 + [True] * 3 == [await years.has(digest) for _, digest in history]


async def test_a_pass_that_was_interrupted_is_made_up_for(years: Years) -> None:
    """A process that is killed between mark and file, or within a file, leaves nothing wrong."""
    _, first = await years.check("AAAAA", b"one")
    _, second = await years.check("AAAAA", b"two")
    await years.check("AAAAA", b"three")
    years.now += 40 * DAY
    await years.store.retention.mark_removed([first, second], chosen=years.now, now=years.now)
    aside = years.files.path(second).parents[1] / "removing" / second
    years.files.path(second).replace(aside)

    assert await years.has(first)
    assert not await years.has(second)
    FileArtefacts(years.files.path(second).parents[1])  # a process that starts puts it back
    assert await years.has(second)
    years.files.path(second).replace(aside)
    assert Swept(expired=1) == await years.sweep()
    assert Swept(expired=1) == await years.sweep()

    assert not await years.has(first)
    assert not await years.has(second)
    assert not aside.exists()


async def test_an_unknown_file_is_told_as_before(years: Years) -> None:
    """What never was there is no expired artefact."""
    with pytest.raises(NotFoundError) as raised:
        async for _ in years.artefacts.read("0" * 64):
            pass
    assert not isinstance(raised.value, ArtefactExpiredError)
