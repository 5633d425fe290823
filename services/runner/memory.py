"""The runner's ports in memory: for tests and for trying the runner without anything around it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import IO

from services.errors import (
    Error,
    NotClaimableError,
    NotFoundError,
    RunnerDrainedError,
    StaleAttemptError,
    UnavailableError,
)
from services.plans import Plan
from services.runner.domain.attempts import Answers, Assignment, Directive, Report
from services.runner.domain.engines import EngineAwayError
from services.runner.domain.environments import Definition
from services.runner.domain.workplaces import WorkplaceInfo
from services.runner.ports import ClosureFolder, Progress, Registration, TreePart
from services.runner.sessions.outcome import Event, Outcome, ResultEvent, Verdict
from services.runner.sessions.session import Limits, SessionBrokenError, Tree

Script = Callable[[Plan, Sequence[Tree]], Sequence[Event]]
"""What happens in a workplace: the events of one check."""


def succeeding(plan: Plan, trees: Sequence[Tree]) -> Sequence[Event]:
    """A check that is right and says nothing."""
    return [ResultEvent(outcome=Outcome(verdict=Verdict.SUCCESS))]


class MemoryWorkplace:
    """A workplace that plays a script."""

    def __init__(self, backend: "MemoryBackend", info: WorkplaceInfo) -> None:
        self._backend = backend
        self._cancelled = asyncio.Event()
        self.info = info
        self.broken = False
        self.closed = False
        self.runs = 0

    async def run(
        self, plan: Plan, *, trees: Iterable[Tree], limits: Limits, seed: int, check: str
    ) -> AsyncIterator[Event]:
        self.runs += 1
        self._cancelled.clear()
        finished = False
        try:
            await self._backend.moving.wait()
            if not self._backend.go.is_set():
                waiting = asyncio.ensure_future(self._backend.go.wait())
                stopped = asyncio.ensure_future(self._cancelled.wait())
                try:
                    await asyncio.wait({waiting, stopped}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    waiting.cancel()
                    stopped.cancel()
            if self._cancelled.is_set():
                finished = True
                yield ResultEvent(outcome=Outcome(verdict=Verdict.CANCELLED, message="cancelled"))
                return
            for event in self._backend.script(plan, list(trees)):
                finished = isinstance(event, ResultEvent)
                yield event
            if not finished:
                raise SessionBrokenError("the script ends without a result")
        finally:
            self.broken = self.broken or not finished

    async def cancel(self, reason: str) -> None:
        self._cancelled.set()

    async def close(self) -> None:
        self.closed = True


class MemoryBackend:
    """Environments that are ready once `prepared` is set, and workplaces that play `script`."""

    name = "memory"
    reason = "asked for"
    engine_version = ""
    images = None

    def __init__(self, script: Script = succeeding) -> None:
        self.script = script
        self.go = asyncio.Event()
        """Checks wait for it."""
        self.go.set()
        self.prepared = asyncio.Event()
        """Preparations wait for it."""
        self.prepared.set()
        self.failure: Error | None = None
        """What `prepare` raises."""
        self.away = False
        """Whether its engine cannot be reached."""
        self.answering = True
        """Whether its engine says that it is there."""
        self.moving = asyncio.Event()
        """Workplaces wait for it, to come up and to run: a stopped engine lets nothing through."""
        self.moving.set()
        self.asked = 0
        """How often it was asked whether it answers."""
        self.loose: Error | None = None
        """What `open` raises."""
        self.broken_starts = 0
        """How many of the next workplaces do not come up."""
        self.digests: dict[str, str] = {}
        """By identity of the environment."""
        self.preparations = 0
        self.newer: dict[str, str] = {}
        """Digests that the registry has, by environment."""
        self.unreachable: Error | None = None
        """What `freshen` raises."""
        self.freshened = 0
        self.swept = 0
        self.tried = 0
        """How often a workplace was asked for."""
        self.opened: list[MemoryWorkplace] = []
        self.closed = False

    async def digest(self, definition: Definition) -> str:
        return self.digests.get(definition.identity, "")

    async def prepare(self, definition: Definition, progress: Progress) -> str:
        self.preparations += 1
        self._reach()
        progress(f"building {definition.name}", 0.0)
        await self.prepared.wait()
        if self.failure is not None:
            raise self.failure
        return self.digests.setdefault(definition.identity, "sha256:1")

    async def freshen(self, definition: Definition, progress: Progress) -> bool:
        self.freshened += 1
        if self.unreachable is not None:
            raise self.unreachable
        newer = self.newer.pop(definition.identity, "")
        self.digests[definition.identity] = newer or self.digests[definition.identity]
        return bool(newer)

    async def sweep(self) -> int:
        self.swept += 1
        return 0

    async def answers(self) -> bool:
        self.asked += 1
        return self.answering and not self.away and self.moving.is_set()

    def _reach(self) -> None:
        if self.away:
            raise EngineAwayError("there is no engine")

    async def open(self, definition: Definition, *, digest: str) -> MemoryWorkplace:
        await asyncio.sleep(0)
        self.tried += 1
        self._reach()
        await self.moving.wait()
        if self.loose is not None:
            raise self.loose
        if self.broken_starts > 0:
            self.broken_starts -= 1
            raise SessionBrokenError("does not come up")
        workplace = MemoryWorkplace(
            self,
            WorkplaceInfo(
                id=f"{definition.name}_run_{len(self.opened)}",
                environment=definition.name,
                environment_digest=digest,
                confinement="memory",
            ),
        )
        self.opened.append(workplace)
        return workplace

    async def close(self) -> None:
        self.closed = True


class MemoryDispatch:
    """A scheduler of assignments that are given by hand."""

    def __init__(self, assignments: Iterable[Assignment] = ()) -> None:
        self.assignments = {assignment.check: assignment for assignment in assignments}
        self.registrations: list[Registration] = []
        self.claimed: dict[str, str] = {}
        self.started: list[tuple[str, int]] = []
        self.reports: dict[str, Report] = {}
        self.released: dict[str, str] = {}
        self.artefacts: dict[str, bytes] = {}
        self.directives: dict[str, Directive] = {}
        self.heartbeats: list[list[tuple[str, int]]] = []
        self.environments: dict[str, str] = {}
        """What the last heartbeat said is ready."""
        self.unknown_runner = False
        self.resting = False
        """Whether the last heartbeat said that no checks are taken."""
        self.refusals = 0
        """How many of the next checks that are handed back find nobody."""
        self.drain = False
        self.down = 0
        """How many of the next calls find nobody."""
        self.finished = asyncio.Condition()

    def _reach(self) -> None:
        if self.down > 0:
            self.down -= 1
            raise UnavailableError("the scheduler is down")

    async def register(self, registration: Registration) -> float:
        self._reach()
        self.registrations.append(registration)
        self.unknown_runner = False
        return 0.01

    async def claim(self, check: str, *, claim_id: str) -> Assignment:
        self._reach()
        if check not in self.assignments or self.claimed.get(check, claim_id) != claim_id:
            raise NotClaimableError(f"{check} is not to be claimed")
        if self.drain:
            raise RunnerDrainedError("this runner is drained")
        self.claimed[check] = claim_id
        return self.assignments[check]

    async def heartbeat(
        self,
        attempts: Sequence[tuple[str, int]],
        *,
        free_slots: int,
        draining: bool,
        environments: Mapping[str, str],
    ) -> Answers:
        self._reach()
        self.resting = draining
        self.environments = dict(environments)
        self.heartbeats.append(list(attempts))
        return Answers(
            directives={
                attempt: self.directives.get(attempt[0], Directive.CONTINUE) for attempt in attempts
            },
            drain=self.drain,
            register=self.unknown_runner,
        )

    async def start(self, assignment: Assignment) -> None:
        self._reach()
        self.started.append((assignment.check, assignment.attempt))

    async def missing(self, artefacts: Sequence[str]) -> set[str]:
        self._reach()
        return set(artefacts) - set(self.artefacts)

    async def upload(self, artefact: str, *, size: int, body: IO[bytes]) -> None:
        self._reach()
        body.seek(0)
        data = body.read()
        if f"artefacts/{hashlib.sha256(data).hexdigest()}" != artefact or len(data) != size:
            raise UnavailableError(f"{artefact} is not what was said")
        self.artefacts[artefact] = data

    async def finish(self, assignment: Assignment, report: Report) -> None:
        self._reach()
        if self.directives.get(assignment.check) is Directive.STALE:
            raise StaleAttemptError(f"{assignment.check} is held by another")
        async with self.finished:
            self.reports[assignment.check] = report
            self.finished.notify_all()

    async def release(self, assignment: Assignment, *, reason: str) -> None:
        self._reach()
        if self.refusals > 0:
            self.refusals -= 1
            raise UnavailableError("the scheduler is down")
        self.released[assignment.check] = reason

    async def report(self, check: str) -> Report:
        """Waits for the report on a check."""
        async with self.finished:
            await self.finished.wait_for(lambda: check in self.reports)
        return self.reports[check]


class MemoryJob:
    """A job that notes how it was answered."""

    def __init__(self, check: str) -> None:
        self.check = check
        self.answer = ""

    async def done(self) -> None:
        self.answer = "done"

    async def later(self, seconds: float) -> None:
        self.answer = "later"


class MemoryJobs:
    """A queue of jobs."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[MemoryJob] = asyncio.Queue()

    def put(self, check: str) -> MemoryJob:
        """Adds a job."""
        job = MemoryJob(check)
        self._queue.put_nowait(job)
        return job

    async def next(self, *, timeout: float) -> MemoryJob | None:  # noqa: ASYNC109  # as the port
        try:
            return await asyncio.wait_for(self._queue.get(), timeout)
        except TimeoutError:
            return None


class MemoryRepository:
    """A catalog of closures and trees that are given by hand.

    Args:
        closures: By entity.
        trees: Tree id to path to content.
    """

    def __init__(
        self,
        closures: Mapping[str, Sequence[ClosureFolder]],
        trees: Mapping[str, Mapping[str, bytes]],
    ) -> None:
        self._closures = closures
        self._trees = trees
        self.fetched: list[list[str]] = []
        self.away = 0
        """How many of the next requests find nobody."""

    async def closure(self, entity: str, revision: str) -> Sequence[ClosureFolder]:
        if self.away > 0:
            self.away -= 1
            raise UnavailableError("the catalog does not answer")
        try:
            return self._closures[entity]
        except KeyError:
            raise NotFoundError(f"{entity} is not there") from None

    async def trees(self, ids: Sequence[str]) -> AsyncIterator[TreePart]:
        self.fetched.append(list(ids))
        for tree in ids:
            if tree not in self._trees:
                raise NotFoundError(f"{tree} is not there")
            for path, content in self._trees[tree].items():
                yield TreePart(tree=tree, path=path, data=content)
            yield TreePart(tree=tree, end=True)


class MemoryEvents:
    """Keeps what was sent. Waits for `open`, which is set at first."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.down = 0
        """How many of the next events are refused."""

    async def send(self, *, subject: str, message_id: str, data: bytes) -> None:
        await self.open.wait()
        if self.down > 0:
            self.down -= 1
            raise UnavailableError("the broker is down")
        self.sent.append((message_id, data))
