"""Placing checks in the queue: priorities, ranks, refusals and quarantine."""

import dataclasses

import pytest

from services.errors import ResourceExhaustedError
from services.scheduler.checks.placing import Placing
from services.scheduler.domain.check import Basis, Check, Verdict
from services.scheduler.domain.ordering import UNKNOWN_SECONDS, Priority
from services.scheduler.domain.queue import MOST_INTERACTIVE
from services.scheduler.memory.store import memory_store
from services.scheduler.messages import announce
from services.scheduler.ports.store import Store
from tests.scheduler_stores import a_check, a_killer, finished_after


@pytest.fixture
def store() -> Store:
    """An empty store."""
    return memory_store(announce=announce)


async def _single(store: Store, entity: str, *, requester: str = "me", limit: int = 100) -> Check:
    placing = Placing(store=store, pool="default", limit=limit)
    placed = await placing.single(a_check(entity), requester=requester, priority=None)
    return (await store.checks.create(placed))[0]


async def test_single_checks_go_before_runs(store: Store) -> None:
    """Somebody waits for a single check; a run is bulk; a schedule's is background."""
    placing = Placing(store=store, pool="default", limit=100)
    assert Priority.INTERACTIVE == (await _single(store, "AAAAA")).priority
    [bulk] = await placing.of_run([a_check("BBBBB")], requester="me", priority=None)
    assert Priority.BULK == bulk.priority
    [late] = await placing.of_run([a_check("CCCCC")], requester="me", priority=Priority.BACKGROUND)
    assert Priority.BACKGROUND == late.priority


async def test_a_thousand_single_checks_are_bulk(store: Store) -> None:
    """Beyond some, nobody looks at each; another requester's are still waited for."""
    for number in range(MOST_INTERACTIVE):
        await _single(store, f"A{number:04}")
    assert Priority.BULK == (await _single(store, "B0000")).priority
    assert Priority.INTERACTIVE == (await _single(store, "C0000", requester="you")).priority


async def test_single_checks_of_a_requester_queue_up(store: Store) -> None:
    """Each begins where the one before is expected to end; others begin beside the first."""
    first = await _single(store, "AAAAA")
    second = await _single(store, "BBBBB")
    other = await _single(store, "CCCCC", requester="you")
    assert (0.0, UNKNOWN_SECONDS, 0.0) == (first.rank, second.rank, other.rank)


async def test_a_run_starts_with_what_took_longest(store: Store) -> None:
    """Run times of earlier checks decide; they are kept with the check."""
    await finished_after(store, "QUICK", seconds=1.0)
    await finished_after(store, "SLOWW", seconds=60.0)
    placing = Placing(store=store, pool="default", limit=100)
    placed = await placing.of_run([a_check("QUICK"), a_check("SLOWW")], requester="", priority=None)
    assert [60.0, 0.0] == [check.rank for check in placed]
    assert [1.0, 60.0] == [check.expected_seconds for check in placed]


async def test_a_full_queue_refuses(store: Store) -> None:
    """What would make too many wait is refused, and told when to try again."""
    placing = Placing(store=store, pool="default", limit=2)
    await _single(store, "AAAAA", limit=2)
    await _single(store, "BBBBB", limit=2)
    with pytest.raises(ResourceExhaustedError, match="at most 2 may") as refused:
        await _single(store, "CCCCC", limit=2)
    assert int(refused.value.facts["retry_seconds"]) >= 5
    with pytest.raises(ResourceExhaustedError):
        await placing.of_run([a_check("DDDDD")], requester="", priority=None)


async def test_what_kills_runners_is_quarantined(store: Store) -> None:
    """The same inputs are not tried again, unless forced; others are."""
    killer = await a_killer(store, "AAAAA")
    placing = Placing(store=store, pool="default", limit=100)
    forced = dataclasses.replace(
        a_check("AAAAA", inputs_digest=killer.inputs_digest),
        basis=Basis(closure="c", forced=True),
    )
    doubtful = a_check("AAAAA", inputs_digest=killer.inputs_digest)
    again, other = await placing.of_run([doubtful, a_check("BBBBB")], requester="me", priority=None)
    assert again.result is not None
    assert Verdict.INFRASTRUCTURE_ERROR is again.result.verdict
    assert f"checks/{killer.id}" in again.result.message
    assert not other.finished
    assert (await placing.single(doubtful, requester="me", priority=None)).finished
    assert not (await placing.single(forced, requester="me", priority=None)).finished
