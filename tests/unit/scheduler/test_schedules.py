"""Schedules: when they are due, what they check, and that nothing fires twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import (
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    UnavailableError,
)
from services.scheduler.domain.check import EntityVerdict, Run, RunSummary, Verdict
from services.scheduler.domain.names import new_id
from services.scheduler.domain.ordering import Priority
from services.scheduler.domain.schedules import Schedule, stale, within_budget
from services.scheduler.memory.store import memory_store
from services.scheduler.messages import announce
from services.scheduler.schedules.scheduling import Firing, Scheduling

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)  # a Sunday
HOUR = timedelta(hours=1)


class World:
    """Schedules over a store in memory, a catalog that is told, and runs that are noted."""

    def __init__(self) -> None:
        self.now = NOW
        self.keys = ["AAAAA", "BBBBB"]
        self.changed: list[str] = []
        self.forgotten: set[str] = set()
        self.error: Exception | None = None
        self.runs: list[tuple[str, tuple[str, ...], bool]] = []
        self.requests: list[str] = []
        self.store = memory_store(announce=announce)
        self.scheduling = Scheduling(
            schedules=self.store.schedules,
            changes=self,
            clock=lambda: self.now,
            added=lambda: self.firing.look(),  # noqa: PLW0108  # it is made below
        )
        self.firing = Firing(
            schedules=self.store.schedules,
            changes=self,
            store=self.store,
            running=self,
            clock=lambda: self.now,
        )

    async def revisions(self) -> AsyncIterator[str]:
        await asyncio.Event().wait()
        yield ""

    async def affected(self, *, base: str, revision: str) -> list[str]:
        if base in self.forgotten:
            raise NotFoundError(f"there is no revision named revisions/{base}")
        return self.changed

    async def matching(self, *, revision: str, condition: str) -> list[str]:
        if "?" in condition:
            raise InvalidArgumentError("no such field")
        return [key for key in self.keys if not condition or key in condition]

    async def create_run(
        self,
        *,
        title: str,
        revision: str,
        entities: Sequence[str],
        force: bool,
        request_id: str,
        requester: str,
        priority: Priority,
    ) -> RunSummary:
        if self.error is not None:
            raise self.error
        assert Priority.BACKGROUND is priority
        if request_id not in self.requests:
            self.requests.append(request_id)
            self.runs.append((title, tuple(entities), force))
        run = Run(id=new_id(), title=title, revision="", commit="", create_time=self.now)
        return RunSummary(run=run, check_count=len(entities))

    async def create(self, **fields: object) -> Schedule:
        wanted = Schedule(id="", create_time=NOW, **fields)  # type: ignore[arg-type]
        return await self.scheduling.create(wanted)

    async def at(self, time: datetime) -> None:
        self.now = time
        await self.firing.run_once()


async def test_a_cron_schedule_fires_once_at_its_time() -> None:
    """Not before, once at it, and once after a long sleep however often it was missed."""
    world = World()
    created = await world.create(cron="0 14 * * *")
    assert NOW + 2 * HOUR == world.scheduling.next_time(created)
    await world.at(NOW + HOUR)
    assert [] == world.runs
    for minutes in (0, 1, 2):
        await world.at(NOW + 2 * HOUR + timedelta(minutes=minutes))
    assert [("at 0 14 * * *", ("AAAAA", "BBBBB"), False)] == world.runs
    await world.at(NOW + timedelta(days=5))
    await world.at(NOW + timedelta(days=5, minutes=1))
    assert 2 == len(world.runs)


async def test_a_firing_that_was_killed_is_repeated_without_a_second_run() -> None:
    """What became due once has one request id, whoever asks and however often."""
    world = World()
    created = await world.create(cron="0 14 * * *", filter="AAAAA")
    await world.at(NOW + 2 * HOUR)
    await world.store.schedules.update(created)  # as if nothing had been noted
    await world.at(NOW + 2 * HOUR + timedelta(seconds=30))
    assert [("at 0 14 * * *", ("AAAAA",), False)] == world.runs


async def test_a_change_checks_what_it_affects() -> None:
    """The first sight is no change; a new revision checks the affected entities that match."""
    world = World()
    await world.create(on_change=True, filter="AAAAA", title="changes")
    world.firing.arrived("1" * 40)
    await world.at(NOW)
    world.changed = ["AAAAA", "BBBBB"]
    world.firing.arrived("2" * 40)
    await world.at(NOW + HOUR)
    await world.at(NOW + HOUR)
    world.changed = ["BBBBB"]
    world.firing.arrived("3" * 40)
    await world.at(NOW + 2 * HOUR)
    assert [("changes", ("AAAAA",), False)] == world.runs
    (kept,) = await world.scheduling.list_all()
    assert "3" * 40 == kept.revision


async def test_a_change_that_was_undone_and_comes_again() -> None:
    """Each time is a change of its own, with a run of its own."""
    world = World()
    await world.create(on_change=True)
    world.changed = ["AAAAA"]
    for hours, revision in enumerate("12121"):
        world.firing.arrived(revision * 40)
        await world.at(NOW + hours * HOUR)
    assert 4 == len(world.runs)


async def test_a_change_since_what_the_catalog_never_saw() -> None:
    """Everything that matches is asked for, once; the schedule goes on from there."""
    world = World()
    await world.create(on_change=True)
    world.firing.arrived("1" * 40)
    await world.at(NOW)
    world.forgotten.add("1" * 40)
    world.firing.arrived("2" * 40)
    for minutes in (1, 2):
        await world.at(NOW + timedelta(minutes=minutes))
    assert [("after a change", ("AAAAA", "BBBBB"), False)] == world.runs


async def test_two_processes_make_old_results_again_once() -> None:
    """One that read the schedule before the other had noted its run asks for the same run."""
    world = World()
    created = await world.create(max_age=timedelta(days=7))
    await world.at(NOW + timedelta(seconds=119))
    await world.store.schedules.update(created)  # what the other process still has in mind
    await world.at(NOW + timedelta(seconds=121))
    assert 1 == len(world.runs)


async def test_a_full_queue_puts_a_run_off() -> None:
    """It is not left out: the schedule stays due, and says why."""
    world = World()
    await world.create(cron="0 14 * * *")
    world.error = ResourceExhaustedError("9 checks would wait")
    for minutes in (0, 1):
        await world.at(NOW + 2 * HOUR + timedelta(minutes=minutes))
        (kept,) = await world.scheduling.list_all()
        assert "the queue is full" in kept.last_error
    world.error = None
    await world.at(NOW + 3 * HOUR)
    assert 1 == len(world.runs)
    (kept,) = await world.scheduling.list_all()
    assert "" == kept.last_error


async def test_old_results_wait_a_minute_for_a_full_queue() -> None:
    """They are looked for again then, and not with every pass."""
    world = World()
    await world.create(max_age=timedelta(days=7))
    world.error = ResourceExhaustedError("9 checks would wait")
    await world.at(NOW + timedelta(seconds=60))
    world.error = None
    await world.at(NOW + timedelta(seconds=65))
    assert [] == world.runs
    await world.at(NOW + timedelta(seconds=120))
    assert 1 == len(world.runs)


async def test_old_results_are_made_again() -> None:
    """What was never checked is old too; forced, as nothing changed."""
    world = World()
    await world.create(max_age=timedelta(days=7))
    await world.at(NOW + timedelta(minutes=1))
    assert [("results that grew old", ("AAAAA", "BBBBB"), True)] == world.runs
    await world.at(NOW + timedelta(minutes=1, seconds=30))
    assert 1 == len(world.runs)


async def test_an_error_is_noted_and_stops_no_other() -> None:
    """A schedule whose run is refused says why; lost connections are tried again, silently."""
    world = World()
    await world.create(cron="0 14 * * *")
    world.error = InvalidArgumentError("nothing is selected")
    await world.at(NOW + 2 * HOUR)
    (kept,) = await world.scheduling.list_all()
    assert "nothing is selected" == kept.last_error
    world.error = UnavailableError("gone")
    with pytest.raises(UnavailableError):
        await world.at(NOW + 26 * HOUR)
    world.error = None
    await world.at(NOW + 26 * HOUR)
    assert 1 == len(world.runs)
    (kept,) = await world.scheduling.list_all()
    assert "" == kept.last_error


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "say when"),
        ({"cron": "0 2 * * *", "on_change": True}, "say when"),
        ({"cron": "hourly"}, "no cron expression"),
        ({"cron": "61 * * * *"}, "no cron expression"),
        ({"cron": "0 0 30 2 *"}, "never due|no cron expression"),
        ({"max_age": timedelta(seconds=5)}, "less than a minute"),
        ({"cron": "0 2 * * *", "filter": "?"}, "no such field"),
        ({"cron": "0 2 * * *", "title": "x" * 501}, "more than 500"),
    ],
)
async def test_what_is_no_schedule(fields: dict[str, object], text: str) -> None:
    """A schedule that cannot be read is refused, with what is wrong."""
    with pytest.raises(InvalidArgumentError, match=text):
        await World().create(**fields)


async def test_deleting() -> None:
    """A deleted schedule does not fire; deleting it again says that it is gone."""
    world = World()
    created = await world.create(cron="0 14 * * *")
    await world.scheduling.delete(created.id)
    await world.at(NOW + 2 * HOUR)
    assert [] == world.runs
    with pytest.raises(NotFoundError):
        await world.scheduling.delete(created.id)


def test_the_oldest_result_first() -> None:
    """Without a result first, then by age; what is fresh is left alone."""
    verdicts = {
        key: EntityVerdict(
            entity=key,
            verdict=Verdict.SUCCESS,
            check="",
            finish_time=NOW - timedelta(days=days),
            revision="",
        )
        for key, days in [("AAAAA", 8), ("BBBBB", 9), ("CCCCC", 1)]
    }
    found = stale(["AAAAA", "BBBBB", "CCCCC", "NEVER"], verdicts, now=NOW, max_age=7 * 24 * HOUR)
    assert ["NEVER", "BBBBB", "AAAAA"] == found


@given(st.lists(st.floats(0.1, 500), max_size=20), st.floats(0, 4000), st.floats(60, 3600))
def test_a_budget_is_kept(costs: list[float], spent: float, budget: float) -> None:
    """What is chosen fits into the rest of the budget; alone, one may be larger than all of it."""
    keys = [f"{n:05}" for n in range(len(costs))]
    chosen = within_budget(keys, costs, budget=timedelta(seconds=budget), spent=spent)
    assert chosen == keys[: len(chosen)]
    if len(chosen) > 1 or spent > 0:
        assert sum(costs[: len(chosen)]) <= max(budget - spent, 0) + 1e-3
    if costs and spent == 0:
        assert chosen
    assert keys == within_budget(keys, costs, budget=None, spent=spent)


async def test_a_new_schedule_is_looked_at_at_once() -> None:
    """It notes the present revision, so that the very next change is one, well before a look."""
    world = World()
    world.changed = ["AAAAA"]
    world.firing.arrived("r1")
    running = asyncio.create_task(world.firing.run())
    try:
        async with asyncio.timeout(3):  # less than from one look to the next
            await asyncio.sleep(0.05)  # the first look is over, or there is nothing to prove
            await world.create(on_change=True)
            await _until(lambda: _revisions(world), ["r1"])
            world.firing.arrived("r2")
            await _until(lambda: _revisions(world), ["r2"])
    finally:
        running.cancel()
    assert [("AAAAA",)] == [keys for _, keys, _ in world.runs]


async def _revisions(world: World) -> list[str]:
    return [schedule.revision for schedule in await world.store.schedules.list_all()]


async def _until(state: Callable[[], Awaitable[list[str]]], wanted: list[str]) -> None:
    while await state() != wanted:  # noqa: ASYNC110  # a store rings no bell for tests
        await asyncio.sleep(0.01)
