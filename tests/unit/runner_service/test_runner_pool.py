"""Warm workplaces."""

import asyncio
from pathlib import Path

import pytest

from services.errors import EnvironmentUnavailableError, UnavailableError
from services.runner.domain.environments import Definition
from services.runner.domain.pools import PoolPolicy
from services.runner.memory import MemoryBackend, MemoryWorkplace
from services.runner.sessions.outcome import Cleanliness
from services.runner.workplaces.pool import Pool
from tests.runner_builders import definition, until


def quiet(message: str, fraction: float | None) -> None:
    """Nobody listens."""


async def test_one_is_reused_and_the_next_is_started_ahead(tmp_path: Path) -> None:
    """A clean workplace takes the next check; with two slots a second one is made ready."""
    backend = MemoryBackend()
    pool = Pool(backend, policy=PoolPolicy(slots=2))
    demo = definition(tmp_path)
    seen = []
    for _ in range(3):
        async with pool.workplace(demo, quiet) as borrowed:
            borrowed.cleanliness = Cleanliness()
            seen.append(borrowed.workplace.info.id)
        await until(lambda: len(pool.statuses()) == 2)
    assert 2 == len(backend.opened)
    assert set(seen) <= {one.info.id for one in backend.opened}
    assert 3 == sum(status.checks_run for status in pool.statuses())
    await pool.close()
    assert all(one.closed for one in backend.opened)
    assert backend.closed


async def test_an_unclean_one_is_closed_and_replaced(tmp_path: Path) -> None:
    """After a stray process the workplace takes no further check."""
    backend = MemoryBackend()
    pool = Pool(backend, policy=PoolPolicy(slots=1))
    demo = definition(tmp_path)
    async with pool.workplace(demo, quiet) as borrowed:
        borrowed.cleanliness = Cleanliness(processes_killed=1)
    await until(lambda: backend.opened[0].closed)
    async with pool.workplace(demo, quiet) as borrowed:
        assert borrowed.workplace is not backend.opened[0]
        borrowed.cleanliness = Cleanliness()
    await pool.close()


async def test_an_abandoned_one_is_closed(tmp_path: Path) -> None:
    """A borrower that fails leaves a workplace that nobody gets again."""
    backend = MemoryBackend()
    pool = Pool(backend, policy=PoolPolicy(slots=1))
    with pytest.raises(ValueError, match="x"):
        async with pool.workplace(definition(tmp_path), quiet):
            raise ValueError("x")
    await until(lambda: backend.opened[0].closed)
    await pool.close()


async def test_preparing_is_shared(tmp_path: Path) -> None:
    """Two callers share one preparation, both hear of it, and one may give up."""
    backend = MemoryBackend()
    backend.prepared.clear()
    pool = Pool(backend, policy=PoolPolicy())
    demo = definition(tmp_path)
    heard: list[str] = []
    impatient = asyncio.create_task(pool.prepare(demo, quiet))
    await until(lambda: backend.preparations == 1)
    patient = asyncio.create_task(pool.prepare(demo, lambda message, _: heard.append(message)))
    await until(lambda: bool(heard))
    assert "preparing" == (await pool.status(demo)).state
    impatient.cancel()
    backend.prepared.set()
    assert "sha256:1" == await patient
    assert 1 == backend.preparations
    assert "ready" == (await pool.status(demo)).state
    await pool.close()


async def test_a_failure_is_not_tried_again_at_once(tmp_path: Path) -> None:
    """What cannot be made fails all its callers with the reason, without being made again."""
    backend = MemoryBackend()
    backend.failure = EnvironmentUnavailableError("no such Python")
    pool = Pool(backend, policy=PoolPolicy())
    demo = definition(tmp_path)
    for _ in range(3):
        with pytest.raises(EnvironmentUnavailableError, match="no such Python"):
            await pool.prepare(demo, quiet)
    assert 1 == backend.preparations
    status = await pool.status(demo)
    assert ("failed", "no such Python") == (status.state, status.message)
    await pool.close()


async def test_a_loose_container_takes_no_check(tmp_path: Path) -> None:
    """An environment whose containers are not tight enough is failed, and says why."""
    backend = MemoryBackend()
    backend.loose = EnvironmentUnavailableError("its root file system is writable")
    pool = Pool(backend, policy=PoolPolicy())
    demo = definition(tmp_path)
    for _ in range(2):
        with pytest.raises(EnvironmentUnavailableError, match="writable"):
            await pool.warm(demo, quiet)
    status = await pool.status(demo)
    assert ("failed", "its root file system is writable") == (status.state, status.message)
    await pool.close()


async def test_a_start_that_fails_is_tried_again(tmp_path: Path) -> None:
    """A workplace that does not come up is started anew, a few times."""
    backend = MemoryBackend()
    backend.broken_starts = 1
    pool = Pool(backend, policy=PoolPolicy())
    async with pool.workplace(definition(tmp_path), quiet) as borrowed:
        assert not borrowed.workplace.broken
    backend.broken_starts = 100
    with pytest.raises(UnavailableError, match="does not come up"):
        await pool.warm(definition(tmp_path, "b_environment"), quiet)
    await pool.close()


async def test_the_number_of_workplaces_is_bounded(tmp_path: Path) -> None:
    """Beyond the bound, the longest idle workplace of another environment makes room."""
    backend = MemoryBackend()
    pool = Pool(backend, policy=PoolPolicy(slots=1, spare=1))
    for name in ("a_environment", "b_environment", "c_environment"):
        async with pool.workplace(definition(tmp_path, name), quiet) as borrowed:
            borrowed.cleanliness = Cleanliness()
    assert backend.opened[0].closed or "retiring" in {s.state for s in pool.statuses()}
    assert 2 == sum(status.state == "idle" for status in pool.statuses())
    await pool.close()


async def test_idle_and_outdated_ones_are_closed(tmp_path: Path) -> None:
    """What nobody used for long goes, and what has an old digest is not handed out."""
    backend = MemoryBackend()
    pool = Pool(backend, policy=PoolPolicy(idle_seconds=0.05))
    demo = definition(tmp_path)
    await pool.warm(demo, quiet)
    upkeep = asyncio.create_task(pool.maintain())
    await until(lambda: backend.opened[0].closed)
    upkeep.cancel()
    await pool.close()


async def test_a_caller_that_leaves_wastes_no_start(tmp_path: Path) -> None:
    """A workplace that was started for somebody who left serves the next."""
    backend = MemoryBackend()
    pool = Pool(backend, policy=PoolPolicy())
    demo = definition(tmp_path)

    async def borrow() -> None:
        async with pool.workplace(demo, quiet):
            pass

    leaving = asyncio.create_task(borrow())
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    async with pool.workplace(demo, quiet) as borrowed:
        borrowed.cleanliness = Cleanliness()
    await until(lambda: all(s.state == "idle" for s in pool.statuses()))
    assert 1 >= len(backend.opened) - 1
    await pool.close()


async def test_closing_does_not_wait_for_what_is_starting(tmp_path: Path) -> None:
    """A workplace that takes long to get ready does not keep a runner from stopping."""
    backend = MemoryBackend()
    opening = asyncio.Event()

    async def slow(definition: Definition, *, digest: str) -> MemoryWorkplace:
        opening.set()
        await asyncio.Event().wait()
        raise AssertionError

    backend.open = slow  # type: ignore[method-assign]
    pool = Pool(backend, policy=PoolPolicy(slots=1))
    warming = asyncio.create_task(pool.warm(definition(tmp_path), quiet))
    await opening.wait()
    async with asyncio.timeout(5):
        await pool.close()
    assert backend.closed
    with pytest.raises(asyncio.CancelledError):
        await warming
