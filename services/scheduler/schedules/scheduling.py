"""Schedules: created, listed, and turned into runs when they are due."""

import asyncio
import contextlib
import dataclasses
import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from services.errors import (
    Error,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    UnavailableError,
)
from services.scheduler.domain.check import EntityVerdict, RunSummary
from services.scheduler.domain.names import new_id
from services.scheduler.domain.ordering import HISTORY, Priority, expected
from services.scheduler.domain.schedules import Schedule, stale, within_budget
from services.scheduler.ports.schedules import Changes, Schedules
from services.scheduler.ports.store import Clock, Store
from services.scheduler.queue.bells import Bell
from services.scheduler.schedules.cron import next_time

log = logging.getLogger(__name__)

MOST_SCHEDULES = 100
_LONGEST_TEXT = 500
_DAY = timedelta(days=1)
_LOOK_SECONDS = 5.0
_STALE_EVERY = timedelta(minutes=1)
_STALE_AT_ONCE = 50
"""Entities that a schedule of old results checks at a time: others come again in a minute."""
_VERDICTS = 10_000
_FULL = "the queue is full; it is tried again until there is room"


class Running(Protocol):
    """Makes runs."""

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
        """Creates a run; see `SchedulerService.CreateRun`."""


class Scheduling:
    """Use cases of `ScheduleService`."""

    def __init__(
        self,
        *,
        schedules: Schedules,
        changes: Changes,
        clock: Clock,
        added: Callable[[], None] = lambda: None,
    ) -> None:
        self._schedules = schedules
        self._changes = changes
        self._clock = clock
        self._added = added

    async def create(self, wanted: Schedule) -> Schedule:
        """Adds a schedule.

        Raises:
            InvalidArgumentError: It says not when, or cannot be read.
        """
        triggers = [bool(wanted.cron), wanted.on_change, wanted.max_age is not None]
        if sum(triggers) != 1:
            raise InvalidArgumentError(
                "say when: one of cron, on_change and max_age", field="schedule"
            )
        if max(len(wanted.title), len(wanted.filter)) > _LONGEST_TEXT:
            raise InvalidArgumentError(
                f"title or filter has more than {_LONGEST_TEXT} characters", field="schedule"
            )
        now = self._clock()
        if wanted.cron and next_time(wanted.cron, after=now) is None:
            raise InvalidArgumentError(f"{wanted.cron!r} is never due", field="schedule.cron")
        if wanted.max_age is not None and wanted.max_age < timedelta(minutes=1):
            raise InvalidArgumentError(
                "max_age is less than a minute: results would never be fresh",
                field="schedule.max_age",
            )
        await self._changes.matching(revision="", condition=wanted.filter)  # can it be read?
        if len(await self._schedules.list_all()) >= MOST_SCHEDULES:
            raise InvalidArgumentError(f"there are {MOST_SCHEDULES} schedules already")
        schedule = dataclasses.replace(wanted, id=new_id(), create_time=now)
        await self._schedules.create(schedule)
        self._added()
        return schedule

    async def list_all(self) -> list[Schedule]:
        """All schedules, by id."""
        return await self._schedules.list_all()

    async def delete(self, schedule_id: str) -> None:
        """Deletes a schedule.

        Raises:
            NotFoundError: There is none of that id.
        """
        if not await self._schedules.delete(schedule_id):
            raise NotFoundError(f"there is no schedule named schedules/{schedule_id}")

    def next_time(self, schedule: Schedule) -> datetime | None:
        """When a schedule with a cron expression is due next."""
        return next_time(schedule.cron, after=self._clock()) if schedule.cron else None


class Firing:
    """Makes the runs of schedules that are due; run by every scheduler process.

    Each run has a request id that follows from its schedule as it was before and what made it due,
    so that two processes, or one that is killed in between, make one run.
    """

    def __init__(
        self,
        *,
        schedules: Schedules,
        changes: Changes,
        store: Store,
        running: Running,
        clock: Clock,
    ) -> None:
        self._schedules = schedules
        self._changes = changes
        self._store = store
        self._running = running
        self._clock = clock
        self._current = ""
        self._arrived = Bell()

    async def run(self) -> None:
        """Fires what is due, for ever; at once when the data repository changes."""
        watching = asyncio.create_task(self._watch())
        try:
            while True:
                rings = self._arrived.rings
                try:
                    await self.run_once()
                except UnavailableError as error:
                    log.debug(f"schedules: {error.message}")
                except Exception:
                    log.exception("schedules failed; they go on")
                await self._arrived.wait(since=rings, timeout=_LOOK_SECONDS)
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(UnavailableError):
                async for revision in self._changes.revisions():
                    self.arrived(revision)
            await asyncio.sleep(1.0)

    def arrived(self, revision: str) -> None:
        """Notes the current revision (tree id)."""
        self._current = revision
        self._arrived.ring()

    def look(self) -> None:
        """Looks at the schedules now: a new one notes from which revision on it sees changes."""
        self._arrived.ring()

    async def run_once(self) -> None:
        """Fires what is due now; what is wrong with one schedule is noted in it."""
        for schedule in await self._schedules.list_all():
            fire = self._due(schedule)
            if fire is None:
                continue
            try:
                after = await fire(schedule)
            except UnavailableError:
                raise
            except ResourceExhaustedError:
                # It stays due; what is old stays so by itself, and is looked for less often.
                after = dataclasses.replace(
                    schedule,
                    last_error=_FULL,
                    last_time=self._clock() if schedule.max_age else schedule.last_time,
                )
            except Error as error:
                after = dataclasses.replace(
                    schedule, last_error=error.message, last_time=self._clock()
                )
            if after.last_error not in ("", schedule.last_error):
                log.warning(f"schedules/{schedule.id}: {after.last_error}")
            if after != schedule:
                await self._schedules.update(after)

    def _due(self, schedule: Schedule) -> Callable[[Schedule], Awaitable[Schedule]] | None:
        now = self._clock()
        last = schedule.last_time or schedule.create_time
        if schedule.cron:
            due = next_time(schedule.cron, after=last)
            return self._at_its_time if due is not None and due <= now else None
        if schedule.on_change:
            changed = self._current and self._current != schedule.revision
            return self._after_a_change if changed else None
        return self._where_old if now - last >= _STALE_EVERY else None

    async def _at_its_time(self, schedule: Schedule) -> Schedule:
        now = self._clock()
        due = next_time(schedule.cron, after=schedule.last_time or schedule.create_time)
        keys = await self._changes.matching(revision="", condition=schedule.filter)
        mark = f"{due.timestamp():.0f}" if due else ""
        return await self._fire(schedule, keys, mark=mark, force=schedule.force, now=now)

    async def _after_a_change(self, schedule: Schedule) -> Schedule:
        revision = self._current
        seen = dataclasses.replace(schedule, revision=revision, last_error="")
        if not schedule.revision:
            return seen  # its first sight of the repository is no change
        matching = await self._changes.matching(revision=revision, condition=schedule.filter)
        try:
            affected = set(await self._changes.affected(base=schedule.revision, revision=revision))
        except NotFoundError:  # a new catalog never saw that one: results are reused where they do
            affected = set(matching)
        keys = [key for key in matching if key in affected]
        # The same change comes again where it was undone: the run before tells the two apart.
        change = f"{schedule.revision} {revision} {schedule.last_run}"
        mark = hashlib.sha256(change.encode()).hexdigest()[:24]
        return await self._fire(
            seen, keys, mark=mark, force=False, now=self._clock(), revision=revision
        )

    async def _where_old(self, schedule: Schedule) -> Schedule:
        now = self._clock()
        assert schedule.max_age is not None  # noqa: S101  # `create` sees to it
        keys = await self._changes.matching(revision="", condition=schedule.filter)
        old = stale(keys, await self._verdicts(), now=now, max_age=schedule.max_age)
        old = old[:_STALE_AT_ONCE]
        times = await self._store.policy.run_times(old, limit=HISTORY)
        spent = await self._schedules.spent(schedule.requester, since=now - _DAY)
        chosen = within_budget(old, expected(times, old), budget=schedule.daily_budget, spent=spent)
        # Not the time itself: two processes look at different ones.
        mark = f"{(schedule.last_time or schedule.create_time).timestamp():.0f}"
        return await self._fire(schedule, chosen, mark=mark, force=True, now=now)

    async def _verdicts(self) -> dict[str, EntityVerdict]:
        found: dict[str, EntityVerdict] = {}
        after = ""
        while page := await self._store.verdicts.list_page(limit=_VERDICTS, after=after):
            found |= {verdict.entity: verdict for verdict in page}
            after = page[-1].entity
        return found

    async def _fire(
        self,
        schedule: Schedule,
        keys: Sequence[str],
        *,
        mark: str,
        force: bool,
        now: datetime,
        revision: str = "",
    ) -> Schedule:
        if not keys:
            return dataclasses.replace(schedule, last_time=now, last_error="")
        made = await self._running.create_run(
            title=schedule.title or _title(schedule),
            revision=revision,
            entities=keys,
            force=force,
            request_id=f"{schedule.id}-{mark}",
            requester=schedule.requester,
            priority=Priority.BACKGROUND,
        )
        log.info(f"schedules/{schedule.id}: runs/{made.run.id} of {made.check_count} checks")
        return dataclasses.replace(schedule, last_time=now, last_run=made.run.id, last_error="")


def _title(schedule: Schedule) -> str:
    if schedule.cron:
        return f"at {schedule.cron}"
    return "after a change" if schedule.on_change else "results that grew old"
