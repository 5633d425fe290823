"""Processes killed, stopped and emptied while checks run: nothing lost, nothing twice.

The long form is `make chaos`; see docs/chaos.md.
"""

import os
import secrets
from pathlib import Path

import pytest

from tests.chaos import plan, story

pytestmark = pytest.mark.timeout(400)

_CHECKS = 36
_DISTURBANCES = 10


def _seed(other: int) -> int:
    """`ACKREP_CHAOS_SEED`, of a run that failed or `random`; else always the same."""
    asked = os.environ.get("ACKREP_CHAOS_SEED", "")
    if asked == "random":
        return secrets.randbelow(1_000_000)
    return int(asked) if asked else other


async def test_every_check_ends_exactly_once(tmp_path: Path) -> None:
    """Over SQLite: two runners, ten disturbances, each invariant looked up in SQL and on disk."""
    url = f"sqlite:///{tmp_path / 'scheduler.sqlite'}"
    await _survives(tmp_path, _seed(11), database=url, synchronous=url)


@pytest.mark.postgres
async def test_every_check_ends_exactly_once_over_postgresql(
    tmp_path: Path, postgres_url: str
) -> None:
    """The same over PostgreSQL, with another plan."""
    synchronous = postgres_url.replace("+asyncpg", "+psycopg")
    await _survives(tmp_path, _seed(12), database=postgres_url, synchronous=synchronous)


async def _survives(folder: Path, seed: int, *, database: str, synchronous: str) -> None:
    chaos = plan.draw(seed, checks=_CHECKS, disturbances=_DISTURBANCES)
    print(chaos)
    report = await story.run(
        chaos, folder, database=database, synchronous=synchronous, backend="process", say=print
    )
    print(report)
    assert [] == report.broken, f"replay it with ACKREP_CHAOS_SEED={seed}"
    assert _CHECKS == sum(report.verdicts.values())


def test_the_same_seed_gives_the_same_plan() -> None:
    """A run that failed can be replayed from its seed, and every plan has the worst in it."""
    one = plan.draw(7, checks=60, disturbances=20)
    assert one == plan.draw(7, checks=60, disturbances=20)
    assert one != plan.draw(8, checks=60, disturbances=20)
    assert 60 == len(set(one.keys))
    happens = {(step.action, step.target) for step, _ in one.steps}
    assert {(plan.Action.DELETE, "JOBS"), (plan.Action.DELETE, "EVENTS")} <= happens
    assert plan.Action.STOP in {action for action, _ in happens}
