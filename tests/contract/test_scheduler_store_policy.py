"""What every store promises of the order of the queue and its pauses, whatever it is made of."""

import dataclasses
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from services.scheduler.domain.check import Check, Verdict
from services.scheduler.domain.queue import Pause, QueueLine, Standing
from services.scheduler.ports.store import Store
from tests.scheduler_stores import (
    KINDS,
    NOW,
    SECOND,
    a_check,
    claim,
    empty_store,
    finished_after,
    given_up,
)


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    async with empty_store(request, folder=tmp_path) as opened:
        yield opened


async def test_within_a_priority_the_lowest_rank_goes_first(store: Store) -> None:
    """Priority decides, then the rank, then who came first."""
    wanted = [
        dataclasses.replace(a_check(f"A000{n}"), rank=rank, priority=priority)
        for n, (rank, priority) in enumerate([(5.0, 0), (1.5, 0), (9.0, 1), (1.5, 0)])
    ]
    ids = [(await store.checks.create(check))[0].id for check in wanted]
    jobs = await store.queue.waiting(now=NOW, window=lambda *_: 9)
    assert [ids[2], ids[1], ids[3], ids[0]] == [job.check for job in jobs]
    assert 1.5 == (await store.checks.get(ids[1])).rank


async def test_where_a_newcomer_joins(store: Store) -> None:
    """The lowest waiting rank is the virtual time; own checks say where the own flow ends."""
    assert Standing() == await _standing(store, requester="me")
    for number, (requester, run, rank) in enumerate(
        [("me", "", 7.0), ("me", "", 9.0), ("me", "r1", 8.0), ("you", "r2", 6.0), ("me", "", 1.0)]
    ):
        check = dataclasses.replace(
            a_check(f"A000{number}"),
            requester=requester,
            run=run,
            rank=rank,
            expected_seconds=2.0,
            pool="other" if number == 4 else "default",
        )
        await store.checks.create(check)
    found = await _standing(store, requester="me")
    assert Standing(virtual_time=6.0, behind=13.0, flows=2, singles=2, waiting=4) == found
    stranger = await _standing(store, requester="")
    assert Standing(virtual_time=6.0, waiting=4) == stranger


async def _standing(store: Store, *, requester: str) -> Standing:
    joining = await store.policy.joining(
        pool="default", requester=requester, entities=(), digests=()
    )
    assert ({}, {}) == (joining.run_times, joining.killers)
    return joining.standing


async def test_all_that_places_newcomers_comes_at_once(store: Store) -> None:
    """Where they join, how long such checks took, and which inputs kill runners."""
    await store.checks.create(dataclasses.replace(a_check("AAAAA"), rank=3.0))
    await finished_after(store, "BBBBB", seconds=2.0, verdict=Verdict.SUCCESS)
    killer = await given_up(store, "CCCCC", reported=False)
    found = await store.policy.joining(
        pool="default",
        requester="",
        entities=["BBBBB", "DDDDD"],
        digests=[killer.inputs_digest, "others"],
    )
    assert (3.0, 1) == (found.standing.virtual_time, found.standing.waiting)
    assert {"BBBBB": [2.0]} == found.run_times
    assert [(killer.inputs_digest, killer.id)] == [(d, c.id) for d, c in found.killers.items()]


async def test_run_times_are_those_of_checks_that_ended_by_themselves(store: Store) -> None:
    """The newest first, no more than asked for; what was killed says nothing."""
    for seconds in (1.0, 2.0, 3.0):
        await finished_after(store, "AAAAA", seconds=seconds, verdict=Verdict.SUCCESS)
    await finished_after(store, "BBBBB", seconds=300.0, verdict=Verdict.TIMED_OUT)
    await finished_after(store, "CCCCC", seconds=0.5, verdict=Verdict.SCRIPT_ERROR)
    found = await store.policy.run_times(["AAAAA", "BBBBB", "CCCCC", "DDDDD"], limit=2)
    assert {"AAAAA": [3.0, 2.0], "CCCCC": [0.5]} == found
    assert {} == await store.policy.run_times([], limit=2)


async def test_lines_of_the_queue(store: Store) -> None:
    """What waits, what was handed on and what runs, by pool and environment."""
    first, _ = await store.checks.create(
        dataclasses.replace(a_check("AAAAA"), expected_seconds=3.0)
    )
    late = dataclasses.replace(a_check("BBBBB"), create_time=NOW + SECOND, expected_seconds=4.0)
    await store.checks.create(late)
    running, _ = await store.checks.create(a_check("CCCCC"))
    await claim(store, running)
    await finished_after(store, "DDDDD", seconds=1.0, verdict=Verdict.SUCCESS)
    jobs = await store.queue.waiting(now=NOW, window=lambda *_: 1)
    await store.queue.mark_published([dataclasses.replace(jobs[0], sequence=1)], now=NOW)
    line = QueueLine(
        pool="default",
        environment=first.environment,
        waiting=2,
        published=1,
        running=1,
        oldest=NOW,
        expected_seconds=7.0,
    )
    assert [line] == await store.policy.lines()


async def test_pauses(store: Store) -> None:
    """A pause is kept until it is ended; a second one of the same place replaces it."""
    everything = Pause(pool="default", environment="", reason="upgrade", create_time=NOW)
    one = Pause(pool="default", environment="x_environment", reason="broken", create_time=NOW)
    await store.policy.pause(one)
    await store.policy.pause(everything)
    again = dataclasses.replace(everything, reason="still", create_time=NOW + SECOND)
    await store.policy.pause(again)
    assert [again, one] == await store.policy.pauses()
    assert await store.policy.resume(pool="default", environment="")
    assert not await store.policy.resume(pool="default", environment="")
    assert [one] == await store.policy.pauses()


async def test_dead_letters_until_they_are_replayed(store: Store) -> None:
    """What was given up is listed, newest first, until a new check stands for it."""
    first = await given_up(store, "AAAAA", reported=False)
    second = await given_up(store, "BBBBB", reported=True)
    await finished_after(store, "CCCCC", seconds=1.0, verdict=Verdict.SUCCESS)
    letters = store.dead_letters
    assert [second.id, first.id] == [c.id for c in await letters.list_page(limit=9, before="")]
    assert [first.id] == [c.id for c in await letters.list_page(limit=9, before=second.id)]
    assert 2 == await letters.count()
    again, _ = await store.checks.create(
        dataclasses.replace(a_check("AAAAA"), inputs_digest="inputs of AAAAA")
    )
    for _ in range(2):
        await letters.replayed(first.id, by=again.id)
    assert [second.id] == [c.id for c in await letters.list_page(limit=9, before="")]


async def test_inputs_that_kill_runners(store: Store) -> None:
    """Only inputs whose every attempt lost its runner are known as such, until replayed."""
    killer = await given_up(store, "AAAAA", reported=False)
    await given_up(store, "BBBBB", reported=True)
    asked = {"inputs of AAAAA", "inputs of BBBBB"}
    many = asked | {f"inputs {number}" for number in range(1000)}
    for digests in (asked, many):
        found = await _killers(store, digests)
        assert {"inputs of AAAAA": killer.id} == {key: check.id for key, check in found.items()}
    assert {} == await _killers(store, {"inputs of BBBBB"})
    await store.dead_letters.replayed(killer.id, by=killer.id)
    assert {} == await _killers(store, asked)


async def _killers(store: Store, digests: set[str]) -> Mapping[str, Check]:
    joining = await store.policy.joining(pool="default", requester="", entities=(), digests=digests)
    return joining.killers


async def test_what_starts_next(store: Store) -> None:
    """Waiting checks in the order of the queue, published or not."""
    low, _ = await store.checks.create(dataclasses.replace(a_check("AAAAA"), rank=2.0))
    high, _ = await store.checks.create(dataclasses.replace(a_check("BBBBB"), rank=1.0))
    running, _ = await store.checks.create(a_check("CCCCC"))
    await claim(store, running)
    assert [high.id, low.id] == [check.id for check in await store.queue.next(limit=9)]
    assert [high.id] == [check.id for check in await store.queue.next(limit=1)]
