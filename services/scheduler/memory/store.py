"""The store in memory: for tests, and to show what its ports mean."""

import dataclasses
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from services.errors import NotFoundError
from services.scheduler.artefacts.content_types import LOG
from services.scheduler.domain.check import (
    ACTIVE,
    Artefact,
    Check,
    EntityVerdict,
    Run,
    Runner,
    RunSummary,
    State,
    Verdict,
    entity_verdict,
)
from services.scheduler.domain.listing import CheckFilter
from services.scheduler.domain.window import QueueGroup, room
from services.scheduler.memory.bisections import MemoryBisections
from services.scheduler.memory.environments import MemoryEnvironments, finished_alike, with_results
from services.scheduler.memory.outbox import MemoryOutbox
from services.scheduler.memory.policy import MemoryDeadLetters, MemoryPolicy
from services.scheduler.memory.promotions import MemoryPromotions, MemoryTrials
from services.scheduler.memory.retention import MemoryRetention
from services.scheduler.memory.runners import MemoryRegistry, MemoryRunners
from services.scheduler.memory.schedules import MemorySchedules
from services.scheduler.ports.store import (
    Announce,
    Change,
    Message,
    Publication,
    Store,
    Transition,
)


@dataclasses.dataclass
class _State:
    """All that the parts of the store share."""

    announce: Announce
    checks: dict[str, Check] = dataclasses.field(default_factory=dict)
    runs: dict[str, tuple[Run, list[str]]] = dataclasses.field(default_factory=dict)
    requests: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)
    outbox: dict[int, Message] = dataclasses.field(default_factory=dict)
    runners: dict[str, Runner] = dataclasses.field(default_factory=dict)
    environments: MemoryEnvironments = dataclasses.field(init=False)
    jobs: dict[str, tuple[datetime, int]] = dataclasses.field(default_factory=dict)
    """When a queued check was published, and where it lies."""
    publications: dict[str, int] = dataclasses.field(default_factory=dict)
    not_reusable: set[str] = dataclasses.field(default_factory=set)
    asked_alone: set[str] = dataclasses.field(default_factory=set)
    change: int = 0
    message: int = 0

    def __post_init__(self) -> None:
        self.environments = MemoryEnvironments(self.runners)

    def keep(self, before: Check | None, after: Check) -> Check:
        self.change += 1
        after = dataclasses.replace(after, change=self.change)
        self.checks[after.id] = after
        if before is None or before.state is not after.state or before.attempt != after.attempt:
            self.jobs.pop(after.id, None)
        for message in self.announce(before, after):
            self.message += 1
            self.outbox[self.message] = dataclasses.replace(message, number=self.message)
        return after

    def known(self) -> list[Check]:
        return [check for check in self.checks.values() if check.id not in self.not_reusable]

    def add(self, check: Check) -> tuple[Check, bool]:
        if not check.finished:
            for other in self.checks.values():
                if other.joinable and other.inputs_digest == check.inputs_digest:
                    return other, False
        if check.basis is not None:
            self.environments.closures.setdefault(check.basis.closure, check.basis.folders)
        return self.keep(None, finished_alike(check, self.known())), True


def memory_store(*, announce: Announce) -> Store:
    """Makes an empty store."""
    state = _State(announce)
    dead_letters = MemoryDeadLetters(state.checks.values)
    return Store(
        checks=_Checks(state),
        verdicts=_Verdicts(state),
        runs=_Runs(state),
        queue=_Queue(state),
        dead_letters=dead_letters,
        policy=MemoryPolicy(state.checks.values, dead_letters=dead_letters, published=state.jobs),
        outbox=MemoryOutbox(state.outbox),
        runners=MemoryRunners(state.runners, checks=state.checks),
        registry=MemoryRegistry(
            state.runners, checks=state.checks.values, environments=state.environments
        ),
        trials=MemoryTrials(),
        promotions=MemoryPromotions(),
        environments=state.environments,
        retention=MemoryRetention(state.checks.values, not_reusable=state.not_reusable),
        schedules=MemorySchedules(state.checks.values),
        bisections=MemoryBisections(),
    )


class _Checks:
    def __init__(self, state: _State) -> None:
        self._state = state

    async def create(self, check: Check, *, request_id: str = "") -> tuple[Check, bool]:
        known = self._state.requests.get(("check", request_id))
        if request_id and known:
            return self._state.checks[known], False
        found, created = self._state.add(check)
        self._state.asked_alone.add(found.id)
        if request_id:
            self._state.requests["check", request_id] = found.id
        return found, created

    async def requested(self, request_id: str) -> Check | None:
        known = self._state.requests.get(("check", request_id))
        return self._state.checks[known] if known else None

    async def with_results(self, checks: Sequence[Check]) -> list[Check]:
        return with_results(checks, self._state.known())

    async def get(self, check_id: str) -> Check:
        if check_id not in self._state.checks:
            raise NotFoundError(
                f"there is no check named checks/{check_id}", name=f"checks/{check_id}"
            )
        return self._state.checks[check_id]

    async def update(
        self, check_id: str, transition: Transition, *, durable: bool = True
    ) -> Change:
        before = await self.get(check_id)
        after = transition(before)
        if after is not before:
            self._state.keep(before, after)
        return Change(before=before, after=after)

    async def previous(self, check: Check) -> Check | None:
        earlier = [
            other
            for other in self._state.checks.values()
            if other.entity == check.entity
            and other.id < check.id
            and not other.of_candidate
            and (check.untrusted or not other.untrusted)
        ]
        return max(earlier, key=lambda other: other.id, default=None)

    async def list_page(self, condition: CheckFilter, *, limit: int, before: str) -> list[Check]:
        members = self._state.runs[condition.run][1] if condition.run in self._state.runs else []
        found = [
            check
            for check in sorted(self._state.checks.values(), key=lambda c: c.id, reverse=True)
            if (not before or check.id < before)
            and condition.entity in (None, check.entity)
            and condition.revision in (None, check.revision)
            and condition.state in (None, check.state)
            and condition.verdict in (None, check.result.verdict if check.result else None)
            and (condition.run is None or check.id in members)
        ]
        return found[:limit]

    async def artefact(self, sha256: str) -> Artefact | None:
        for _, check in sorted(self._state.checks.items(), reverse=True):
            if check.result is not None and check.result.log == sha256:
                return Artefact(sha256=sha256, path="", size=0, content_type=LOG)
            for file in check.result.artefacts if check.result else ():
                if file.sha256 == sha256:
                    return file
        return None


class _Verdicts:
    def __init__(self, state: _State) -> None:
        self._state = state

    async def list_page(
        self,
        *,
        limit: int,
        after: str = "",
        verdict: Verdict | None = None,
        entities: Collection[str] | None = None,
    ) -> list[EntityVerdict]:
        newest: dict[str, EntityVerdict] = {}
        for _, check in sorted(self._state.checks.items()):
            if (found := entity_verdict(check)) is not None:
                newest[check.entity] = found
        return [
            found
            for key, found in sorted(newest.items())
            if key > after
            and verdict in (None, found.verdict)
            and (entities is None or key in entities)
        ][:limit]


class _Runs:
    def __init__(self, state: _State) -> None:
        self._state = state

    async def create(
        self, run: Run, checks: Sequence[Check], *, request_id: str = ""
    ) -> tuple[RunSummary, bool]:
        known = self._state.requests.get(("run", request_id))
        if request_id and known:
            return await self.get(known), False
        members = [self._state.add(check)[0].id for check in checks]
        self._state.runs[run.id] = (run, members)
        if request_id:
            self._state.requests["run", request_id] = run.id
        return await self.get(run.id), True

    async def requested(self, request_id: str) -> RunSummary | None:
        known = self._state.requests.get(("run", request_id))
        return await self.get(known) if known else None

    async def get(self, run_id: str) -> RunSummary:
        if run_id not in self._state.runs:
            raise NotFoundError(f"there is no run named runs/{run_id}", name=f"runs/{run_id}")
        run, members = self._state.runs[run_id]
        checks = [self._state.checks[member] for member in members]
        counts: dict[Verdict, int] = {}
        for check in checks:
            if check.result is not None:
                counts[check.result.verdict] = counts.get(check.result.verdict, 0) + 1
        times = [check.finish_time for check in checks if check.finish_time is not None]
        return RunSummary(
            run=run,
            check_count=len(checks),
            verdicts=tuple(sorted(counts.items())),
            finish_time=max(times, default=None) if len(times) == len(checks) else None,
            change=max((check.change for check in checks), default=0),
        )

    async def list_page(self, *, limit: int, before: str, revision: str = "") -> list[RunSummary]:
        ids = sorted(
            (
                id_
                for id_, (run, _) in self._state.runs.items()
                if (not before or id_ < before) and revision in ("", run.revision)
            ),
            reverse=True,
        )
        return [await self.get(run) for run in ids[:limit]]

    async def own(self, run_id: str) -> list[str]:
        others = {
            member
            for run, (_, members) in self._state.runs.items()
            for member in members
            if run != run_id
        }
        members = set(self._state.runs[run_id][1]) - others - self._state.asked_alone
        return sorted(one for one in members if not self._state.checks[one].finished)

    async def changes(self, run_id: str, *, after: int, limit: int) -> list[Check]:
        members = self._state.runs[run_id][1] if run_id in self._state.runs else []
        checks = [self._state.checks[member] for member in members]
        changed = [check for check in checks if check.change > after]
        return sorted(changed, key=lambda check: check.change)[:limit]


class _Queue:
    def __init__(self, state: _State) -> None:
        self._state = state

    async def waiting(
        self, *, now: datetime, window: Callable[[str, str], int]
    ) -> list[Publication]:
        groups: dict[tuple[str, str], list[Check]] = {}
        for check in self._queued():
            groups.setdefault((check.pool, check.environment), []).append(check)
        found: list[Publication] = []
        for (pool, environment), checks in sorted(groups.items()):
            out = sum(check.id in self._state.jobs for check in checks)
            group = QueueGroup(pool=pool, environment=environment, published=out)
            due = [
                check
                for check in checks
                if check.id not in self._state.jobs
                and (check.not_before is None or check.not_before <= now)
            ]
            due.sort(key=lambda check: (-check.priority, check.rank, check.id))
            size = window(pool, environment)
            found += [self._publication(check) for check in due[: room(group, size=size)]]
        return found

    async def next(self, *, limit: int) -> list[Check]:
        def place(check: Check) -> tuple[str, str, int, float, str]:
            return check.pool, check.environment, -check.priority, check.rank, check.id

        return sorted(self._queued(), key=place)[:limit]

    async def mark_published(self, done: Sequence[Publication], *, now: datetime) -> None:
        for job in done:
            if self._is_still(job) and job.check not in self._state.jobs:
                self._state.jobs[job.check] = now, job.sequence

    async def published(self, *, before: datetime) -> list[Publication]:
        return [
            self._publication(check)
            for check in self._queued()
            if check.id in self._state.jobs and self._state.jobs[check.id][0] < before
        ]

    async def unpublish(self, lost: Sequence[Publication]) -> None:
        for job in lost:
            if self._is_still(job) and self._state.jobs.pop(job.check, None) is not None:
                self._state.publications[job.check] = job.number + 1

    async def expired(self, *, now: datetime) -> list[str]:
        return sorted(
            check.id
            for check in self._state.checks.values()
            if check.state in ACTIVE and check.lease is not None and check.lease.expires <= now
        )

    async def extend_leases(self, *, until: datetime) -> int:
        count = 0
        for check in list(self._state.checks.values()):
            lease = check.lease
            if check.state in ACTIVE and lease is not None and lease.expires < until:
                self._state.checks[check.id] = dataclasses.replace(
                    check, lease=dataclasses.replace(lease, expires=until)
                )
                count += 1
        return count

    def _queued(self) -> list[Check]:
        return [c for c in self._state.checks.values() if c.state is State.QUEUED]

    def _is_still(self, job: Publication) -> bool:
        check = self._state.checks.get(job.check)
        return (
            check is not None
            and check.state is State.QUEUED
            and check.attempt == job.attempt
            and self._state.publications.get(job.check, 0) == job.number
        )

    def _publication(self, check: Check) -> Publication:
        return Publication(
            check=check.id,
            pool=check.pool,
            environment=check.environment,
            attempt=check.attempt,
            number=self._state.publications.get(check.id, 0),
            sequence=self._state.jobs[check.id][1] if check.id in self._state.jobs else 0,
        )
