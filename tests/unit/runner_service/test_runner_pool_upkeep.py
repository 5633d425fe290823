"""What a pool does by itself: keeps warm, replaces, holds back, refreshes."""

import asyncio
from pathlib import Path

import pytest

from services.errors import EnvironmentUnavailableError, UnavailableError
from services.runner.domain.pools import PoolPolicy, Warmth
from services.runner.memory import MemoryBackend
from services.runner.sessions.outcome import Cleanliness
from services.runner.workplaces import places, preparations, upkeep
from services.runner.workplaces.pool import Pool
from tests.runner_builders import definition, until


def quiet(message: str, fraction: float | None) -> None:
    """Nobody listens."""


def kept_warm(minimum: int, maximum: int = 0, **facts: float) -> PoolPolicy:
    """A policy that keeps so many of the demo environment."""
    warmth = Warmth(minimum=minimum, maximum=maximum)
    return PoolPolicy(slots=2, spare=2, warm={"demo_environment": warmth}, **facts)  # type: ignore[arg-type]


def idle(pool: Pool) -> int:
    """How many workplaces wait for a check."""
    return sum(status.state == "idle" for status in pool.statuses())


async def settled(pool: Pool, count: int) -> None:
    """Waits until there are so many idle ones, and nothing that is being closed."""
    await until(lambda: idle(pool) == count == len(pool.statuses()))


async def test_the_minimum_is_there_before_anybody_asks(tmp_path: Path) -> None:
    """All of them when the environment was made ready, and again after one was replaced."""
    backend = MemoryBackend()
    pool = Pool(backend, policy=kept_warm(3))
    demo = definition(tmp_path)
    await pool.warm(demo, quiet)
    assert 3 == idle(pool) == len(backend.opened)
    async with pool.workplace(demo, quiet) as borrowed:
        borrowed.cleanliness = Cleanliness(processes_killed=1)
    await settled(pool, 3)
    assert 4 == len(backend.opened)
    await pool.close()


async def test_the_minimum_is_not_closed_for_being_idle(tmp_path: Path) -> None:
    """What is beyond it goes after the idle time; what is kept warm stays, for hours."""
    backend = MemoryBackend()
    pool = Pool(backend, policy=kept_warm(1, idle_seconds=0.0))
    demo = definition(tmp_path)
    await pool.warm(demo, quiet)
    async with pool.workplace(demo, quiet) as one, pool.workplace(demo, quiet) as other:
        one.cleanliness = other.cleanliness = Cleanliness()
    await settled(pool, 2)
    for _ in range(3):
        await pool.tidy()
        await settled(pool, 1)
    assert 2 == len(backend.opened), "none was started in place of one that is still there"
    await pool.close()


async def test_the_maximum_holds_whoever_asks(tmp_path: Path) -> None:
    """With one at most, the second check waits for the first one's workplace."""
    backend = MemoryBackend()
    pool = Pool(backend, policy=kept_warm(0, 1))
    demo = definition(tmp_path)
    said: list[str] = []

    async def second() -> str:
        async with pool.workplace(demo, lambda message, _: said.append(message)) as borrowed:
            borrowed.cleanliness = Cleanliness()
            return borrowed.workplace.info.id

    async with pool.workplace(demo, quiet) as borrowed:
        borrowed.cleanliness = Cleanliness()
        waiting = asyncio.create_task(second())
        await until(lambda: "waiting for a workplace of demo_environment" in said)
        assert 1 == len(pool.statuses())
    async with asyncio.timeout(2):
        assert borrowed.workplace.info.id == await waiting
    assert 1 == len(backend.opened)
    await pool.close()


async def test_what_is_kept_warm_makes_room_last(tmp_path: Path) -> None:
    """Another environment first takes the place of one that is only idle; the bound stays."""
    backend = MemoryBackend()
    warm = {"a_environment": Warmth(minimum=1)}
    pool = Pool(backend, policy=PoolPolicy(slots=1, spare=1, warm=warm))
    await pool.warm(definition(tmp_path, "a_environment"), quiet)
    await pool.warm(definition(tmp_path, "b_environment"), quiet)
    await pool.warm(definition(tmp_path, "c_environment"), quiet)
    await settled(pool, 2)
    kept = {status.info.environment for status in pool.statuses()}
    assert {"a_environment", "c_environment"} == kept
    await pool.close()


async def test_two_that_wait_start_two(tmp_path: Path) -> None:
    """As many are started as checks wait, not one for each look."""
    backend = MemoryBackend()
    pool = Pool(backend, policy=PoolPolicy(slots=2, spare=4))
    demo = definition(tmp_path)
    async with pool.workplace(demo, quiet) as one, pool.workplace(demo, quiet) as other:
        assert one.workplace is not other.workplace
        assert 2 == len(backend.opened)
    await pool.close()


async def test_starts_that_fail_are_held_back(tmp_path: Path) -> None:
    """After a few tries the check is told why; the engine is not asked again before the pause."""
    backend = MemoryBackend()
    backend.broken_starts = 1000
    pool = Pool(backend, policy=kept_warm(2))
    demo = definition(tmp_path)
    with pytest.raises(UnavailableError, match=r"no workplace comes up \(3 times.*does not come"):
        await pool.warm(demo, quiet)
    tries = 1000 - backend.broken_starts
    assert 3 == tries
    for _ in range(20):
        await pool.tidy()
        with pytest.raises(UnavailableError, match="next try in"):
            await pool.warm(demo, quiet)
    assert tries == 1000 - backend.broken_starts
    status = await pool.status(demo)
    assert "failed" == status.state
    assert "does not come up" in status.message
    assert "next try in" in status.message
    await pool.close()


async def test_trouble_ends_with_the_first_check_that_ends(tmp_path: Path) -> None:
    """A start that fails delays the next a little, and is forgotten once a check has run."""
    backend = MemoryBackend()
    backend.broken_starts = 1
    pool = Pool(backend, policy=PoolPolicy())
    demo = definition(tmp_path)
    async with pool.workplace(demo, quiet) as borrowed:
        status = await pool.status(demo)
        assert "ready" == status.state
        assert "does not come up" in status.message
        borrowed.cleanliness = Cleanliness()
    status = await pool.status(demo)
    assert ("ready", "") == (status.state, status.message)
    await pool.close()


async def test_trouble_ends_when_nothing_fails_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any check too: where one is there, and no start has failed for some time."""
    backend = MemoryBackend()
    backend.broken_starts = 1
    pool = Pool(backend, policy=kept_warm(1))
    demo = definition(tmp_path)
    await pool.warm(demo, quiet)
    await pool.tidy()
    assert "does not come up" in (await pool.status(demo)).message
    monkeypatch.setattr(places, "STEADY_SECONDS", -1.0)
    await pool.tidy()
    assert "" == (await pool.status(demo)).message
    await pool.close()


async def test_those_that_end_before_a_check_are_a_crash_loop(tmp_path: Path) -> None:
    """Workplaces that come up and end by themselves are replaced ever more slowly."""
    backend = MemoryBackend()
    pool = Pool(backend, policy=kept_warm(1))
    demo = definition(tmp_path)
    await pool.warm(demo, quiet)
    for _ in range(50):
        for one in backend.opened:
            one.broken = True
        await pool.tidy()
        await asyncio.sleep(0)
    assert 3 >= len(backend.opened)
    status = await pool.status(demo)
    assert "failed" == status.state
    assert "ended before it ran a check" in status.message
    await pool.close()


async def test_one_that_ended_is_replaced_before_a_check_gets_it(tmp_path: Path) -> None:
    """An idle workplace that somebody killed takes no check, and no check fails for it."""
    backend = MemoryBackend()
    pool = Pool(backend, policy=PoolPolicy())
    demo = definition(tmp_path)
    async with pool.workplace(demo, quiet) as borrowed:
        borrowed.cleanliness = Cleanliness()
    backend.opened[0].broken = True
    async with pool.workplace(demo, quiet) as borrowed:
        assert backend.opened[1] is borrowed.workplace
        borrowed.cleanliness = Cleanliness()
    await until(lambda: backend.opened[0].closed)
    await pool.close()


async def test_a_newer_image_drains_the_old_ones(tmp_path: Path) -> None:
    """Idle ones go at once, a busy one after its check; what is kept warm is of the new one."""
    backend = MemoryBackend()
    pool = Pool(backend, policy=kept_warm(2, refresh_seconds=1e-9))
    demo = definition(tmp_path)
    await pool.warm(demo, quiet)
    async with pool.workplace(demo, quiet) as borrowed:
        old = borrowed.workplace
        backend.newer["demo_environment"] = "sha256:2"
        await pool.tidy()
        await until(lambda: backend.freshened == 1)
        await pool.tidy()
        assert "sha256:1" == old.info.environment_digest
        assert not borrowed.abandoned
        borrowed.cleanliness = Cleanliness()
        await until(lambda: sum(one.closed for one in backend.opened) == 1)
    assert "the environment has a new digest" == borrowed.retired
    await pool.tidy()
    await settled(pool, 2)
    assert {"sha256:2"} == {status.info.environment_digest for status in pool.statuses()}
    await pool.close()


async def test_a_registry_that_is_away_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The image at hand goes on; that there was no answer is logged."""
    backend = MemoryBackend()
    backend.unreachable = UnavailableError("no answer from the registry")
    pool = Pool(backend, policy=kept_warm(1, refresh_seconds=1e-9))
    demo = definition(tmp_path)
    await pool.warm(demo, quiet)
    await pool.tidy()
    await until(lambda: "no answer from the registry" in caplog.text)
    assert "ready" == (await pool.status(demo)).state
    assert 1 == idle(pool)
    await pool.close()


async def test_without_a_schedule_nobody_asks(tmp_path: Path) -> None:
    """Refreshing is off at 0, and not due right after an environment was made ready."""
    for seconds in (0.0, 3600.0):
        backend = MemoryBackend()
        pool = Pool(backend, policy=kept_warm(1, refresh_seconds=seconds))
        await pool.warm(definition(tmp_path), quiet)
        await pool.tidy()
        await pool.close()
        assert 0 == backend.freshened


async def test_an_image_that_was_made_anew_drains_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edited recipe is noticed: what ran goes, and the new one is made ready and warm."""
    monkeypatch.setattr(preparations, "DIGEST_SECONDS", 0.0)
    backend = MemoryBackend()
    pool = Pool(backend, policy=kept_warm(1))
    await pool.warm(definition(tmp_path), quiet)
    del backend.digests["demo_environment"]
    await pool.tidy()
    await until(lambda: backend.preparations == 2 and backend.opened[0].closed)
    await pool.tidy()
    await settled(pool, 1)
    await pool.close()


async def test_what_cannot_be_prepared_is_not_hammered(tmp_path: Path) -> None:
    """An environment that is to be warm and cannot be is tried again, but not at each look."""
    backend = MemoryBackend()
    backend.failure = EnvironmentUnavailableError("no such package")
    pool = Pool(backend, policy=kept_warm(1))
    demo = definition(tmp_path)
    with pytest.raises(EnvironmentUnavailableError):
        await pool.warm(demo, quiet)
    for _ in range(5):
        await pool.tidy()
    assert 1 == backend.preparations
    await pool.close()


async def test_what_killed_runners_left_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only at start: now and then."""
    backend = MemoryBackend()
    pool = Pool(backend, policy=PoolPolicy())
    await pool.tidy()
    assert 0 == backend.swept
    monkeypatch.setattr(upkeep, "SWEEP_SECONDS", -1.0)
    await pool.tidy()
    await until(lambda: backend.swept == 1)
    await pool.close()
