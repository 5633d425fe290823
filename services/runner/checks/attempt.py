"""One attempt, from the lease to the verdict.

Whatever happens in it ends in a report to the scheduler: an error of the entity as its verdict, an
error of ours as `INFRASTRUCTURE_ERROR`, which the scheduler tries again. Only an abandoned attempt
reports nothing: another one holds the check. And one that got no workplace because the engine is
away hands its check back, as if it had not been taken.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

from services.errors import (
    DeadlineExceededError,
    Error,
    ResourceExhaustedError,
    StaleAttemptError,
    UnavailableError,
)
from services.plans import Folder, Plan, PlanError, plan_of
from services.runner.checks.audit import Audit, Sample
from services.runner.checks.events import Recorder
from services.runner.checks.patience import patiently
from services.runner.checks.reporting import Findings, Made, Reporting
from services.runner.checks.slots import Slot
from services.runner.checks.trees import TreeCache, keys_of
from services.runner.domain.attempts import Artefact, Assignment, failed
from services.runner.domain.engines import EngineAwayError
from services.runner.domain.environments import Definition
from services.runner.domain.undeclared import declaration, might_be_undeclared, undeclared
from services.runner.domain.workplaces import require_confined
from services.runner.environments import Environments
from services.runner.ports import ClosureFolder, Dispatch, EventSink, Repository, Workplace
from services.runner.sessions.limits import limits_of
from services.runner.sessions.outcome import (
    FileEvent,
    LogEvent,
    Outcome,
    PhaseEvent,
    ResultEvent,
    Verdict,
)
from services.runner.sessions.session import SessionBrokenError, Tree
from services.runner.workplaces.pool import Pool

log = logging.getLogger(__name__)

_MOST_HANDED_BACK = 20
"""A check that was taken more often than that is not handed back again: its attempts fail."""
_UNLIMITED_SECONDS = 86400.0
_WHOLE_BYTES = 256 * 1024**2
"""A repository larger than that is not laid out whole for the sake of an undeclared dependency."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What every attempt of a runner works with."""

    runner: str
    """`runners/{id}`."""
    dispatch: Dispatch
    repository: Repository
    trees: TreeCache
    pool: Pool
    environments: Environments
    sink: EventSink
    audit: Audit | None = None
    unconfined: bool = False  # whether checks of proposals run on any rung


@dataclass(frozen=True, kw_only=True)
class _Inputs:
    """What an entity is run with."""

    folders: Sequence[ClosureFolder]
    plan: Plan
    trees: Sequence[Tree]


class Attempt:
    """Runs one assignment. `run` once; `cancel` and `abandon` from other tasks."""

    def __init__(self, assignment: Assignment, *, slot: Slot, around: Surroundings) -> None:
        self.assignment = assignment
        self._slot = slot
        self._around = around
        self._recorder = Recorder(assignment, sink=around.sink, runner=around.runner)
        self._found = Findings()
        self._reporting = Reporting(
            assignment, dispatch=around.dispatch, recorder=self._recorder, found=self._found
        )
        self._running: Workplace | None = None
        self._work: asyncio.Task[Outcome] | None = None
        self._cancelled = ""

    async def run(self) -> None:
        """Runs it and reports. Being cancelled means that it is abandoned: nothing is reported."""
        async with self._recorder as recorder:
            recorder.preparing()
            try:
                await self._run()
            except StaleAttemptError:
                log.info(f"{self.assignment.check}: attempt {self.assignment.attempt} is stale")
            finally:
                self._found.made.drop_files()

    async def _run(self) -> None:
        try:
            outcome = await self._outcome()
        except EngineAwayError as error:
            self._slot.free()
            await self._reporting.hand_back(error.message)
            return
        self._slot.free()  # what follows needs no workplace
        await self._reporting.finish(outcome)

    async def cancel(self, reason: str) -> None:
        """Stops the check; it ends with the verdict `CANCELLED`."""
        if self._cancelled:
            return
        self._cancelled = reason
        if self._running is not None:
            with contextlib.suppress(SessionBrokenError):
                await self._running.cancel(reason)
        elif self._work is not None:
            self._work.cancel()

    # Running

    async def _outcome(self) -> Outcome:
        self._work = asyncio.create_task(self._execute())
        try:
            return await self._work
        except asyncio.CancelledError:
            if self._cancelled and self._work.cancelled():
                return failed(Verdict.CANCELLED, self._cancelled)
            self._work.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._work
            raise
        except StaleAttemptError:
            raise
        except PlanError as error:
            return failed(Verdict.SCRIPT_ERROR, str(error))
        except SessionBrokenError as error:
            return failed(Verdict.INFRASTRUCTURE_ERROR, f"the environment broke down: {error}")
        except EngineAwayError as error:
            if self.assignment.attempt > _MOST_HANDED_BACK:
                return failed(Verdict.INFRASTRUCTURE_ERROR, error.message)
            raise  # none of it has run
        except Error as error:
            return failed(Verdict.INFRASTRUCTURE_ERROR, error.message)
        except Exception as error:
            log.exception(f"{self.assignment.check} failed")
            return failed(
                Verdict.INFRASTRUCTURE_ERROR, f"the runner failed: {type(error).__name__}: {error}"
            )

    async def _execute(self) -> Outcome:
        definition = self._around.environments.get(
            self.assignment.environment, tag=self.assignment.environment_tag
        )
        if not self._around.pool.is_ready(definition):
            with self._phase("prepare"):
                async with self._slot.lent():
                    await self._around.pool.prepare(definition, self._recorder.progress)
        with self._phase("fetch"):
            inputs = await patiently(self._inputs, tell=self._waits)
        if self._cancelled:
            return failed(Verdict.CANCELLED, self._cancelled)
        outcome = await self._once(definition, inputs)
        if might_be_undeclared(outcome) and not self._cancelled:
            outcome = await self._once_more(definition, inputs, outcome)
        return outcome

    def _waits(self, error: Error) -> None:
        self._recorder.progress(f"waiting for the catalog: {error.message}")

    async def _inputs(self) -> _Inputs:
        folders = await self._around.repository.closure(
            self.assignment.entity, self.assignment.revision
        )
        trees = await self._around.trees.get([folder.tree for folder in folders])
        plan = plan_of(
            self.assignment.entity.removeprefix("entities/"),
            [
                Folder(
                    key=folder.key,
                    type=folder.type,
                    path=folder.path,
                    metadata=folder.metadata,
                    files=tree.files,
                )
                for folder, tree in zip(folders, trees, strict=True)
            ],
        )
        return _Inputs(
            folders=folders,
            plan=plan,
            trees=[
                Tree(path=folder.path, tar=tree.tar)
                for folder, tree in zip(folders, trees, strict=True)
            ],
        )

    async def _once(self, definition: Definition, inputs: _Inputs) -> Outcome:
        started = time.monotonic()
        async with self._around.pool.workplace(definition, self._recorder.progress) as borrowed:
            self._reporting.passed("container", time.monotonic() - started)
            self._found.made = Made(workplace=borrowed.workplace.info)
            if self.assignment.untrusted and not self._around.unconfined:
                require_confined(borrowed.workplace.info.confinement)
            # Nothing comes beyond its limit only where the harness or the engine hangs.
            outcome = await self._around.pool.presence.while_here(
                self._in(borrowed.workplace, inputs),
                trusting=limits_of(self.assignment.limits).wall_seconds or _UNLIMITED_SECONDS,
                otherwise=SessionBrokenError,
            )
            borrowed.cleanliness = outcome.cleanliness
        self._found.made.retired = borrowed.retired
        self._offer(definition, inputs, outcome)
        return outcome

    def _offer(self, definition: Definition, inputs: _Inputs, outcome: Outcome) -> None:
        audit, workplace = self._around.audit, self._found.made.workplace
        if audit is None or workplace is None:
            return
        sample = Sample(
            definition=definition,
            plan=inputs.plan,
            trees=inputs.trees,
            limits=limits_of(self.assignment.limits),
            seed=self.assignment.seed,
            check=self.assignment.check,
            workplace=workplace.id,
            digest=workplace.environment_digest,
            outcome=outcome,
        )
        audit.offer(sample)

    async def _in(self, workplace: Workplace, inputs: _Inputs) -> Outcome:
        start = asyncio.create_task(self._around.dispatch.start(self.assignment))
        self._recorder.running()
        self._running = workplace
        try:
            async with contextlib.aclosing(
                workplace.run(
                    inputs.plan,
                    trees=inputs.trees,
                    limits=limits_of(self.assignment.limits),
                    seed=self.assignment.seed,
                    check=self.assignment.check,
                )  # type: ignore[type-var]  # every implementation is an async generator
            ) as events:
                outcome = await self._follow(events)
            with contextlib.suppress(UnavailableError, DeadlineExceededError):
                await start  # the verdict says more than that it ran
            return outcome
        finally:
            self._running = None
            start.cancel()

    async def _follow(self, events: AsyncIterator[object]) -> Outcome:
        outcome: Outcome | None = None
        async for event in events:
            match event:
                case LogEvent():
                    self._recorder.output(event.stream, event.text, dropped=event.dropped)
                case PhaseEvent():
                    self._recorder.phase(event.name, event.seconds)
                case FileEvent():
                    artefact = Artefact(sha256=event.sha256, path=event.path, size=event.size)
                    self._found.made.files.append((artefact, event.body))
                case ResultEvent():
                    outcome = event.outcome
        if outcome is None:
            raise SessionBrokenError("it ended without a result")
        self._found.phases.extend(outcome.phases.items())
        return outcome

    async def _once_more(
        self, definition: Definition, inputs: _Inputs, outcome: Outcome
    ) -> Outcome:
        """Runs it with the whole repository if something of it was missing, and says what."""
        self._found.on_revision = True
        try:
            (whole,) = await self._around.trees.get(
                [self.assignment.revision.removeprefix("revisions/")], at_most=_WHOLE_BYTES
            )
        except (ResourceExhaustedError, UnavailableError) as error:
            self._found.remarks.append(f"not looked for undeclared dependencies: {error.message}")
            return outcome
        found = await asyncio.to_thread(
            undeclared,
            outcome,
            repository=whole.files,
            closure=[folder.path for folder in inputs.folders],
        )
        if not found:
            return outcome
        remark = declaration(found, keys=await asyncio.to_thread(keys_of, whole, found))
        self._found.remarks.append(remark)
        self._recorder.output("system", f"{remark}; running again with the whole repository\n")
        self._found.made.drop_files()
        self._found.phases.clear()
        trees = [Tree(path="", tar=whole.tar)]
        return await self._once(
            definition, _Inputs(folders=inputs.folders, plan=inputs.plan, trees=trees)
        )

    @contextlib.contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self._reporting.passed(name, time.monotonic() - started)
