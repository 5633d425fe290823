"""The cold audit: samples are repeated in fresh workplaces, and differences have consequences."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from services.plans import Folder, Plan, plan_of
from services.runner.checks.audit import Audit, Sample, differences
from services.runner.domain.pools import PoolPolicy
from services.runner.memory import MemoryBackend
from services.runner.sessions.outcome import Event, Number, Outcome, ResultEvent, Verdict
from services.runner.sessions.session import Limits, Tree
from services.runner.workplaces.pool import Pool
from tests.runner_builders import definition, until

PLAN = plan_of("MODEL", [Folder(key="MODEL", type="system_model", path="m")])


def outcome(value: float = 1.0, *, verdict: Verdict = Verdict.SUCCESS) -> Outcome:
    number = Number(name="x", dtype="float64", shape=(1,), data=(value,), truncated=False)
    return Outcome(verdict=verdict, score=value, final_state_errors=(value,), numbers=(number,))


@pytest.mark.parametrize(
    ("cold", "words"),
    [
        (outcome(), []),
        (outcome(2.0), ["score", "final_state_errors", "x changed"]),
        (outcome(verdict=Verdict.INACCURATE), ["SUCCESS became INACCURATE"]),
        (Outcome(verdict=Verdict.SUCCESS, score=1.0, final_state_errors=(1.0,)), ["x is gone"]),
    ],
)
def test_differences_are_named(cold: Outcome, words: list[str]) -> None:
    """Verdict, score, errors and every number are compared, exactly."""
    found = differences(outcome(), cold)
    assert len(words) == len(found)
    for word, text in zip(words, found, strict=True):
        assert word in text


def test_what_is_no_number_equals_itself() -> None:
    """NaN in both is no difference; NaN in one of them is."""
    nan = float("nan")
    assert [] == differences(outcome(nan), outcome(nan))
    assert differences(outcome(nan), outcome())


class Idle:
    """Whether the runner has nothing to do, and how often that was asked."""

    def __init__(self) -> None:
        self.now = True
        self.looks = 0

    def __call__(self) -> bool:
        self.looks += 1
        return self.now


@contextlib.asynccontextmanager
async def auditing(
    folder: Path, *, cold: float, every: int = 1
) -> AsyncIterator[tuple[Audit, Pool, Sample, MemoryBackend, Idle]]:
    """An audit over workplaces whose next check gives the score `cold`, and a warm one."""

    def script(plan: Plan, trees: Sequence[Tree]) -> Sequence[Event]:
        return [ResultEvent(outcome=outcome(cold))]

    backend = MemoryBackend(script)
    pool = Pool(backend, policy=PoolPolicy(slots=1))
    environment = definition(folder)
    await pool.warm(environment, lambda *_: None)
    idle = Idle()
    audit = Audit(backend, pool, every=every, idle=idle, look_seconds=0.001)
    (status,) = pool.statuses()
    sample = Sample(
        definition=environment,
        plan=PLAN,
        trees=[],
        limits=Limits(),
        seed=1,
        check="checks/1",
        workplace=status.info.id,
        digest=status.info.environment_digest,
        outcome=outcome(),
    )
    task = asyncio.create_task(audit.run())
    try:
        yield audit, pool, sample, backend, idle
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await pool.close()


async def test_a_difference_ends_the_warm_workplace(tmp_path: Path) -> None:
    """Other numbers in a fresh workplace are kept for people, and the warm one is closed."""
    async with auditing(tmp_path, cold=2.0) as (audit, pool, sample, backend, _):
        audit.offer(sample)
        await until(lambda: audit.differences)
        await until(lambda: all(workplace.closed for workplace in backend.opened))
        assert [] == pool.statuses()
        assert "checks/1 differs in a fresh workplace: score 1.0 became 2.0" in audit.differences[0]


async def test_agreement_changes_nothing(tmp_path: Path) -> None:
    """The warm workplace goes on; the fresh one is closed."""
    async with auditing(tmp_path, cold=1.0) as (audit, pool, sample, backend, _):
        audit.offer(sample)
        await until(lambda: audit.done == 1)
        await until(lambda: backend.opened[-1].closed)
        assert [False, True] == [workplace.closed for workplace in backend.opened]
        assert not audit.differences
        assert 1 == len(pool.statuses())


async def test_audits_are_samples_and_wait_until_nothing_is_to_be_done(tmp_path: Path) -> None:
    """Every n-th comparable check, and only while the runner is idle."""
    async with auditing(tmp_path, cold=1.0, every=2) as (audit, _, sample, backend, idle):
        idle.now = False
        timed_out = Outcome(verdict=Verdict.TIMED_OUT)
        for one in (outcome(), timed_out, timed_out, outcome(), outcome()):
            audit.offer(Sample(**{**sample.__dict__, "outcome": one}))
        await until(lambda: idle.looks > 10)
        assert 1 == len(backend.opened)
        idle.now = True
        await until(lambda: audit.done == 1)
        await until(lambda: backend.opened[-1].closed)
        assert 2 == len(backend.opened)
