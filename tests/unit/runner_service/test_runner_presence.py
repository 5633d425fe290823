"""An engine that is away, or hangs: checks go back to the queue, and none are taken meanwhile."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from services.errors import EnvironmentUnavailableError, UnavailableError
from services.plans import Plan
from services.runner.domain.engines import EngineAwayError
from services.runner.domain.pools import PoolPolicy
from services.runner.memory import MemoryBackend
from services.runner.sessions.outcome import Event, Verdict
from services.runner.sessions.session import SessionBrokenError, Tree
from services.runner.workplaces.pool import Pool
from services.runner.workplaces.presence import Presence
from tests.runner_builders import assignment, definition, small_runner, until


class FakeEngine:
    """An engine that answers or does not."""

    def __init__(self) -> None:
        self.here = True
        self.asked = 0

    async def answers(self) -> bool:
        """Whether it is there."""
        self.asked += 1
        return self.here


async def _forever() -> None:
    await asyncio.Event().wait()


async def _fails() -> None:
    raise EnvironmentUnavailableError("no such Python")


def quiet(message: str, fraction: float | None) -> None:
    """Nobody listens."""


def silent(plan: Plan, trees: Sequence[Tree]) -> Sequence[Event]:
    """A check whose stream ends without a result."""
    return []


# The engine itself


async def test_an_engine_that_serves_is_never_asked() -> None:
    """What goes well, or fails for its own reasons, costs no question."""
    engine = FakeEngine()
    presence = Presence(engine.answers)
    assert "done" == await presence.while_here(asyncio.sleep(0, "done"))
    with pytest.raises(EnvironmentUnavailableError, match="no such Python"):
        await presence.while_here(_fails())
    assert presence.here
    assert 0 == engine.asked


async def test_work_is_given_up_when_the_engine_does_not_answer() -> None:
    """Who has waited for long asks, and hears of it together with all the others."""
    engine = FakeEngine()
    engine.here = False
    presence = Presence(engine.answers, doubt_seconds=0.01)
    others = Presence(engine.answers, doubt_seconds=3600)
    async with asyncio.timeout(5):
        with pytest.raises(EngineAwayError, match="does not answer"):
            await presence.while_here(_forever())
        assert not presence.here
        with pytest.raises(EngineAwayError):
            await presence.while_here(_forever())
        waiting = asyncio.create_task(others.while_here(_forever(), otherwise=SessionBrokenError))
        await asyncio.sleep(0)  # it begins to wait
        others.lose()
        with pytest.raises(SessionBrokenError):
            await waiting
    presence.close()
    others.close()


async def test_slow_work_goes_on_while_the_engine_answers() -> None:
    """Building an image takes as long as it takes."""
    engine = FakeEngine()
    presence = Presence(engine.answers, doubt_seconds=0.001)
    built = asyncio.Event()
    building = asyncio.create_task(presence.while_here(built.wait()))
    await until(lambda: engine.asked > 3)
    built.set()
    assert await building
    assert presence.here


async def test_what_is_trusted_is_not_doubted() -> None:
    """While a check may run nobody asks, and that others have lost the engine does not end it."""
    engine = FakeEngine()
    presence = Presence(engine.answers, doubt_seconds=0.001)
    ended = asyncio.Event()
    running = asyncio.create_task(presence.while_here(ended.wait(), trusting=3600))
    await asyncio.sleep(0)  # it begins to run
    engine.here = False
    assert not await presence.asked()
    assert 1 == engine.asked
    ended.set()
    assert await running
    presence.close()


async def test_cancelling_ends_the_work() -> None:
    """An attempt that is abandoned leaves nothing behind, and is not taken for a lost engine."""
    presence = Presence(FakeEngine().answers)
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await _forever()
        finally:
            ended.set()

    waiting = asyncio.create_task(presence.while_here(work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the work has begun
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended.is_set()
    assert presence.here


async def test_it_is_asked_until_it_answers() -> None:
    """Listeners hear of its return once for each loss."""
    engine = FakeEngine()
    presence = Presence(engine.answers)
    returns: list[bool] = []
    presence.when_back(lambda: returns.append(presence.here))
    for _ in range(2):
        engine.here = False
        presence.lose()
        presence.lose()
        with pytest.raises(EngineAwayError):
            presence.require()
        engine.here = True
        async with asyncio.timeout(5):
            await presence.back()
        presence.require()
    assert [True, True] == returns


# The pool


async def test_a_lost_engine_is_no_fault_of_the_environment(tmp_path: Path) -> None:
    """Neither preparing nor starting is held back after the engine has come back."""
    backend = MemoryBackend()
    pool = Pool(backend, policy=PoolPolicy())
    demo = definition(tmp_path)
    backend.away = True
    with pytest.raises(EngineAwayError):
        await pool.prepare(demo, quiet)
    assert "absent" == (await pool.status(demo)).state
    backend.away = False
    await pool.presence.back()
    await pool.prepare(demo, quiet)
    backend.away = True
    for _ in range(5):
        with pytest.raises(EngineAwayError):
            await pool.warm(demo, quiet)
    assert 1 == backend.tried  # once it is known to be away, nothing is tried
    backend.away = False
    await pool.presence.back()
    async with pool.workplace(demo, quiet) as borrowed:
        assert not borrowed.workplace.broken
    await pool.close()


async def test_a_workplace_that_goes_down_with_its_engine_is_no_trouble(tmp_path: Path) -> None:
    """A stream that breaks while a container starts is looked into before it counts."""
    backend = MemoryBackend()
    pool = Pool(backend, policy=PoolPolicy())
    demo = definition(tmp_path)
    await pool.prepare(demo, quiet)
    backend.broken_starts = 1
    backend.moving.clear()
    starting = asyncio.create_task(pool.warm(demo, quiet))
    await until(lambda: backend.tried == 1)
    backend.answering = False
    backend.moving.set()
    with pytest.raises(EngineAwayError):
        await starting
    backend.answering = True
    await pool.presence.back()
    status = await pool.status(demo)
    assert ("ready", "") == (status.state, status.message)
    await pool.close()


async def test_upkeep_rests_while_the_engine_is_away(tmp_path: Path) -> None:
    """Afterwards it sweeps what could not be removed meanwhile."""
    backend = MemoryBackend()
    pool = Pool(backend, policy=PoolPolicy())
    demo = definition(tmp_path)
    await pool.warm(demo, quiet)
    backend.opened[0].broken = True
    backend.away = True
    pool.presence.lose()
    await pool.tidy()
    assert not backend.opened[0].closed
    backend.away = False
    await pool.presence.back()
    await pool.tidy()
    await until(lambda: backend.opened[0].closed and backend.swept == 1)
    await pool.close()


# Checks


async def test_a_check_without_an_engine_goes_back_to_the_queue(tmp_path: Path) -> None:
    """It is no failed attempt; no job is taken until the engine answers, and then it is run."""
    async with small_runner(tmp_path) as runner:
        runner.backend.away = True
        runner.add(assignment())
        await until(lambda: runner.dispatch.released)
        assert "there is no engine" == runner.dispatch.released["checks/1"]
        assert {} == runner.dispatch.reports
        await until(lambda: runner.dispatch.resting)
        assert not runner.worker.taking
        later = runner.add(assignment("checks/2"))
        await until(lambda: runner.backend.asked >= 2)
        assert "checks/2" not in runner.dispatch.claimed
        assert later.answer in {"", "later"}
        runner.backend.away = False
        await until(lambda: runner.worker.taking)
        if later.answer:
            runner.jobs.put("checks/2")
        report = await runner.dispatch.report("checks/2")
        assert Verdict.SUCCESS == report.outcome.verdict
        runner.dispatch.claimed.pop("checks/1")
        runner.add(assignment(attempt=2))
        await runner.dispatch.report("checks/1")
        await until(lambda: not runner.dispatch.resting)


async def test_a_broken_workplace_makes_the_engine_asked(tmp_path: Path) -> None:
    """A check that breaks down with its engine counts; the next one is not taken any more."""
    async with small_runner(tmp_path) as runner:
        await runner.pool.warm(definition(tmp_path / "environments"), quiet)
        runner.backend.script = silent
        runner.backend.answering = False
        runner.add(assignment())
        report = await runner.dispatch.report("checks/1")
        assert Verdict.INFRASTRUCTURE_ERROR == report.outcome.verdict
        await until(lambda: not runner.worker.taking)
        assert {} == runner.dispatch.released
        runner.backend.answering = True
        await until(lambda: runner.worker.taking)


async def test_a_check_whose_engine_hangs_goes_back_to_the_queue(tmp_path: Path) -> None:
    """A workplace that does not come up in time is asked about, and not waited for."""
    async with small_runner(tmp_path, doubt_seconds=0.01) as runner:
        runner.backend.moving.clear()
        runner.add(assignment())
        await until(lambda: runner.dispatch.released)
        assert {} == runner.dispatch.reports
        runner.backend.moving.set()
        await until(lambda: runner.worker.taking)
        runner.dispatch.claimed.clear()
        runner.add(assignment(attempt=2))
        report = await runner.dispatch.report("checks/1")
        assert Verdict.SUCCESS == report.outcome.verdict


async def test_a_check_that_runs_in_an_engine_that_hangs_fails(tmp_path: Path) -> None:
    """Beyond its limit the engine is asked: this attempt has run, so it counts."""
    async with small_runner(tmp_path, doubt_seconds=0.01) as runner:
        await runner.pool.warm(definition(tmp_path / "environments"), quiet)
        runner.backend.moving.clear()
        runner.add(assignment(seconds=0.05))
        report = await runner.dispatch.report("checks/1")
        assert Verdict.INFRASTRUCTURE_ERROR == report.outcome.verdict
        assert "does not answer" in report.outcome.message
        assert {} == runner.dispatch.released
        runner.backend.moving.set()


async def test_a_check_is_not_handed_back_for_ever(tmp_path: Path) -> None:
    """One that was taken many times fails, and so uses up its attempts."""
    async with small_runner(tmp_path) as runner:
        runner.backend.away = True
        runner.add(assignment(attempt=21))
        report = await runner.dispatch.report("checks/1")
        assert Verdict.INFRASTRUCTURE_ERROR == report.outcome.verdict
        assert {} == runner.dispatch.released


async def test_handing_back_waits_for_the_scheduler(tmp_path: Path) -> None:
    """The check is not left to its lease because the scheduler is away for a moment."""
    async with small_runner(tmp_path) as runner:
        runner.backend.away = True
        runner.dispatch.refusals = 3
        runner.add(assignment())
        await until(lambda: runner.dispatch.released)
        assert 0 == runner.dispatch.refusals


async def test_an_environment_that_cannot_be_had_is_a_failure(tmp_path: Path) -> None:
    """What the engine says of an image is an answer; it is not handed back."""
    async with small_runner(tmp_path) as runner:
        runner.backend.failure = UnavailableError("the Docker engine failed: no such image")
        runner.add(assignment())
        report = await runner.dispatch.report("checks/1")
        assert Verdict.INFRASTRUCTURE_ERROR == report.outcome.verdict
        assert {} == runner.dispatch.released
        assert runner.worker.taking
