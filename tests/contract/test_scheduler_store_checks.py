"""What every store promises of checks and runs: in memory, over SQLite, over PostgreSQL."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from services.errors import NotClaimableError, NotFoundError, StaleAttemptError
from services.scheduler.domain import machine
from services.scheduler.domain.check import Artefact, Run, State, Verdict
from services.scheduler.domain.listing import CheckFilter
from services.scheduler.domain.names import new_id
from services.scheduler.ports.store import Store
from tests.scheduler_stores import (
    KINDS,
    NOW,
    RETRIES,
    SECOND,
    a_check,
    claim,
    empty_store,
    finish,
    without_change,
)


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    async with empty_store(request, folder=tmp_path) as opened:
        yield opened


# Checks -------------------------------------------------------------------------------------------


async def test_a_check_comes_back_as_it_was_created(store: Store) -> None:
    """All of a check is kept, to the microsecond; creating it is announced once."""
    wanted = a_check()
    created, is_new = await store.checks.create(wanted)
    assert (wanted, True) == (without_change(created), is_new)
    assert created == await store.checks.get(wanted.id)
    [message] = await store.outbox.pending(limit=10)
    assert f"{wanted.id}/0/1" == message.message_id


async def test_unknown_check_is_not_found(store: Store) -> None:
    """Looking up or changing a check that does not exist says so."""
    with pytest.raises(NotFoundError):
        await store.checks.get(new_id())
    with pytest.raises(NotFoundError):
        await store.checks.update(new_id(), lambda check: check)


async def test_equal_active_check_is_returned(store: Store) -> None:
    """While a check is not finished, another one with the same inputs is not made."""
    first, _ = await store.checks.create(a_check())
    again, is_new = await store.checks.create(a_check())
    assert (first, False) == (again, is_new)
    await claim(store, first)
    again, is_new = await store.checks.create(a_check())
    assert (first.id, State.PREPARING, False) == (again.id, again.state, is_new)
    await finish(store, first)
    another, is_new = await store.checks.create(a_check())
    assert is_new
    assert first.id != another.id


async def test_a_check_that_is_being_stopped_is_not_joined(store: Store) -> None:
    """Who asks after a cancellation was asked for gets a check of their own, alone or in a run."""
    stopped, _ = await store.checks.create(a_check())
    await claim(store, stopped)
    await store.checks.update(stopped.id, partial(machine.cancel, now=NOW))
    fresh, is_new = await store.checks.create(a_check())
    assert (True, State.QUEUED) == (is_new, fresh.state)
    again, is_new = await store.checks.create(a_check())
    assert (fresh.id, False) == (again.id, is_new)
    run = Run(id=new_id(), title="all", revision="a" * 40, commit="", create_time=NOW)
    await store.runs.create(run, [a_check()])
    assert [fresh.id] == [check.id for check in await store.runs.changes(run.id, after=0, limit=9)]
    lost = partial(machine.lose, attempt=1, reason="gone", now=NOW, retries=RETRIES)
    ended = (await store.checks.update(stopped.id, lost)).after
    assert ended.result is not None
    assert Verdict.CANCELLED == ended.result.verdict
    assert fresh == await store.checks.get(fresh.id)


async def test_many_equal_requests_at_once_make_one_check(store: Store) -> None:
    """Of requests that race, one makes the check and all get it."""
    made = await asyncio.gather(*(store.checks.create(a_check()) for _ in range(20)))
    assert 1 == sum(is_new for _, is_new in made)
    assert 1 == len({check.id for check, _ in made})


async def test_a_request_id_makes_one_check(store: Store) -> None:
    """Repeating a request gives the check of the first one, even when that is finished."""
    first, _ = await store.checks.create(a_check(), request_id="r1")
    await claim(store, first)
    await finish(store, first)
    again, is_new = await store.checks.create(a_check("BBBBB"), request_id="r1")
    assert (first.id, False) == (again.id, is_new)


async def test_a_whole_life_is_kept(store: Store) -> None:
    """Claim, start and finish are kept with lease, times, result and final event."""
    check, _ = await store.checks.create(a_check())
    claimed = (await claim(store, check)).after
    assert without_change(claimed) == without_change(await store.checks.get(check.id))
    started = await store.checks.update(
        check.id, partial(machine.start, attempt=1, now=NOW + 2 * SECOND)
    )
    assert NOW + 2 * SECOND == started.after.start_time
    file = Artefact(sha256="f" * 64, path="AAAAA/plot.png", size=3, content_type="image/png")
    await finish(store, check, artefacts=(file,), log="e" * 64)
    kept = await store.checks.get(check.id)
    assert (State.FINISHED, 1, 1, 8) == (
        kept.state,
        kept.attempt,
        kept.finished_by,
        kept.final_sequence,
    )
    assert kept.result is not None
    assert (Verdict.SUCCESS, "e" * 64, b"\x28\x01") == (
        kept.result.verdict,
        kept.result.log,
        kept.result.payload,
    )
    assert file == await store.checks.artefact("f" * 64)
    log = await store.checks.artefact("e" * 64)
    assert log is not None
    assert "application/x-ndjson" == log.content_type
    assert await store.checks.artefact("0" * 64) is None
    assert [f"{check.id}/0/1", f"{check.id}/1/8"] == [
        message.message_id for message in await store.outbox.pending(limit=10)
    ]


async def test_what_raises_changes_nothing(store: Store) -> None:
    """A transition that is refused leaves the check, its change number and the outbox alone."""
    check, _ = await store.checks.create(a_check())
    await claim(store, check)
    before = await store.checks.get(check.id)
    with pytest.raises(StaleAttemptError):
        await finish(store, check, attempt=2)
    with pytest.raises(NotClaimableError):
        await claim(store, check)
    assert before == await store.checks.get(check.id)
    assert 1 == len(await store.outbox.pending(limit=10))


async def test_failed_attempts_are_kept_in_order(store: Store) -> None:
    """Why attempts ended is told oldest first, with runner and time."""
    check, _ = await store.checks.create(a_check())
    for attempt, reason in enumerate(("gone", "gone again"), start=1):
        await claim(store, dataclasses.replace(check))
        await store.checks.update(
            check.id,
            partial(
                machine.lose,
                attempt=attempt,
                reason=reason,
                now=NOW - attempt * timedelta(days=1),
                retries=RETRIES,
            ),
        )
    kept = await store.checks.get(check.id)
    assert ([1, 2], ["gone", "gone again"], ["one", "one"], 2) == (
        [past.attempt for past in kept.failed_attempts],
        [past.reason for past in kept.failed_attempts],
        [past.runner for past in kept.failed_attempts],
        kept.failures,
    )
    assert NOW - timedelta(days=1) == kept.failed_attempts[0].end_time


async def test_racing_claims_make_one_attempt(store: Store) -> None:
    """Of runners that claim the same check at once, exactly one gets it."""
    check, _ = await store.checks.create(a_check())
    claims = await asyncio.gather(*(claim(store, check) for _ in range(10)), return_exceptions=True)
    assert 9 == sum(isinstance(outcome, NotClaimableError) for outcome in claims)
    assert 1 == (await store.checks.get(check.id)).attempt


async def test_changes_are_numbered_upwards(store: Store) -> None:
    """Each change has its own number, larger than all before."""
    numbers = []
    for entity in ("AAAAA", "BBBBB"):
        check, _ = await store.checks.create(a_check(entity))
        numbers.append((await store.checks.get(check.id)).change)
        await claim(store, check)
        numbers.append((await store.checks.get(check.id)).change)
    assert sorted(set(numbers)) == numbers


async def test_lists_are_newest_first_and_page_on(store: Store) -> None:
    """Pages follow each other without gap or repetition."""
    ids = [(await store.checks.create(a_check(f"A000{n}")))[0].id for n in range(5)]
    first = await store.checks.list_page(CheckFilter(), limit=3, before="")
    rest = await store.checks.list_page(CheckFilter(), limit=3, before=first[-1].id)
    assert ids[::-1] == [check.id for check in [*first, *rest]]


async def test_lists_are_filtered(store: Store) -> None:
    """Each condition leaves the checks that meet it."""
    done, _ = await store.checks.create(a_check("AAAAA"))
    await claim(store, done)
    await finish(store, done)
    queued, _ = await store.checks.create(a_check("BBBBB", revision="b" * 40))
    run = Run(id=new_id(), title="", revision="a" * 40, commit="", create_time=NOW)
    await store.runs.create(run, [a_check("BBBBB", revision="b" * 40)])
    for condition, expected in (
        (CheckFilter(entity="AAAAA"), done.id),
        (CheckFilter(revision="b" * 40), queued.id),
        (CheckFilter(state=State.QUEUED), queued.id),
        (CheckFilter(verdict=Verdict.SUCCESS), done.id),
        (CheckFilter(run=run.id), queued.id),
    ):
        found = await store.checks.list_page(condition, limit=10, before="")
        assert [expected] == [check.id for check in found]
    assert not await store.checks.list_page(CheckFilter(run=new_id()), limit=10, before="")


# Runs ---------------------------------------------------------------------------------------------


async def test_a_run_shares_active_checks_and_counts(store: Store) -> None:
    """A run has one check per entity, an equal active one among them, and sums them up."""
    active, _ = await store.checks.create(a_check("AAAAA"))
    run = Run(id=new_id(), title="all", revision="a" * 40, commit="c" * 40, create_time=NOW)
    broken = machine.broken(a_check("CCCCC", run=run.id), message="dangling", now=NOW)
    summary, is_new = await store.runs.create(
        run, [a_check("AAAAA", run=run.id), a_check("BBBBB", run=run.id), broken]
    )
    assert (run, 3, ((Verdict.SCRIPT_ERROR, 1),), None, True) == (
        summary.run,
        summary.check_count,
        summary.verdicts,
        summary.finish_time,
        is_new,
    )
    members = await store.runs.changes(run.id, after=0, limit=10)
    assert {active.id, broken.id} < {check.id for check in members}
    for check in members:
        if not check.finished:
            await claim(store, check)
            await finish(store, check)
    summary = await store.runs.get(run.id)
    assert (True, ((Verdict.SUCCESS, 2), (Verdict.SCRIPT_ERROR, 1)), NOW + 3 * SECOND) == (
        summary.finished,
        summary.verdicts,
        summary.finish_time,
    )


async def test_checks_that_only_one_run_waits_for(store: Store) -> None:
    """What another run joined, or what has ended, is not the run's own to stop."""
    runs = [
        Run(id=new_id(), title="", revision="a" * 40, commit="", create_time=NOW) for _ in range(2)
    ]
    first = [a_check("AAAAA"), a_check("BBBBB"), a_check("CCCCC")]
    await store.runs.create(runs[0], first)
    await store.runs.create(runs[1], [a_check("BBBBB"), a_check("DDDDD")])
    await claim(store, first[2])
    await finish(store, first[2])
    assert [first[0].id] == await store.runs.own(runs[0].id)
    assert 1 == len(await store.runs.own(runs[1].id))


async def test_what_somebody_asked_for_alone_is_not_a_runs_own(store: Store) -> None:
    """Whether the run or the single request came first."""
    run = Run(id=new_id(), title="", revision="a" * 40, commit="", create_time=NOW)
    before, _ = await store.checks.create(a_check("AAAAA"))
    await store.runs.create(
        run,
        [a_check("AAAAA", run=run.id), a_check("BBBBB", run=run.id), a_check("C" * 5, run=run.id)],
    )
    members = {check.entity: check for check in await store.runs.changes(run.id, after=0, limit=9)}
    joined, created = await store.checks.create(a_check("BBBBB"))
    assert (before.id, joined.id, False) == (members["AAAAA"].id, members["BBBBB"].id, created)
    assert [members["CCCCC"].id] == await store.runs.own(run.id)


async def test_a_summary_is_kept_up_from_changes(store: Store) -> None:
    """Adding each change to a summary gives what counting again gives, resumed anywhere."""
    run = Run(id=new_id(), title="", revision="a" * 40, commit="", create_time=NOW)
    checks = [a_check(f"A000{n}", run=run.id) for n in range(3)]
    summary, _ = await store.runs.create(run, checks)
    for check in checks:
        await claim(store, check)
        await finish(store, check)
        for changed in await store.runs.changes(run.id, after=summary.change, limit=9):
            summary = summary.after(changed)
        for changed in await store.runs.changes(run.id, after=0, limit=9):
            assert summary == summary.after(changed), "what is counted is not counted again"
        counted = await store.runs.get(run.id)
        assert (counted.verdicts, counted.change) == (summary.verdicts, summary.change)
    assert summary.finished


async def test_changes_of_a_run_can_be_read_piece_by_piece(store: Store) -> None:
    """Reading on after any change number gives each later state, none twice."""
    run = Run(id=new_id(), title="", revision="a" * 40, commit="", create_time=NOW)
    await store.runs.create(run, [a_check(f"A000{n}", run=run.id) for n in range(5)])
    seen: list[str] = []
    after = 0
    while piece := await store.runs.changes(run.id, after=after, limit=2):
        seen += [check.id for check in piece]
        after = piece[-1].change
    assert 5 == len(set(seen)) == len(seen)
    changed = (await claim(store, await store.checks.get(seen[0]))).after
    assert [changed.id] == [c.id for c in await store.runs.changes(run.id, after=after, limit=9)]


async def test_a_request_id_makes_one_run(store: Store) -> None:
    """Repeating a request gives the run of the first one."""
    runs = [
        Run(id=new_id(), title="", revision="a" * 40, commit="", create_time=NOW) for _ in range(2)
    ]
    first, _ = await store.runs.create(runs[0], [a_check()], request_id="r")
    again, is_new = await store.runs.create(runs[1], [a_check()], request_id="r")
    assert (first, False) == (again, is_new)
    assert [first] == await store.runs.list_page(limit=5, before="")
    assert not await store.runs.list_page(limit=5, before=first.run.id)
    with pytest.raises(NotFoundError):
        await store.runs.get(runs[1].id)
