"""One attempt, from the lease to the verdict.

Whatever happens in it ends in a report to the scheduler: an error of the entity as its verdict, an
error of ours as `INFRASTRUCTURE_ERROR`, which the scheduler tries again. Only an abandoned attempt
reports nothing: another one holds the check.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO

from services.errors import (
    ArtefactMissingError,
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
from services.runner.checks.slots import Slot
from services.runner.checks.trees import TreeCache, keys_of
from services.runner.domain.attempts import Artefact, Assignment, Report, failed, remarks_of
from services.runner.domain.environments import Definition
from services.runner.domain.undeclared import declaration, might_be_undeclared, undeclared
from services.runner.domain.workplaces import WorkplaceInfo, require_confined
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

_FLUSH_SECONDS = 1.0
"""How long the end of an attempt waits for events on their way to the broker."""
_UPLOADS = 4
_LONGEST_PAUSE = 2.0
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


@dataclass
class _Run:
    """What came of running the entity once."""

    outcome: Outcome | None = None
    workplace: WorkplaceInfo | None = None
    retired: str = ""
    files: list[tuple[Artefact, IO[bytes]]] = field(default_factory=list)

    def drop_files(self) -> None:
        for _, body in self.files:
            body.close()
        self.files.clear()


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
        self._phases: list[tuple[str, float]] = []
        self._remarks: list[str] = []
        self._on_revision = False
        self._run = _Run()
        self._running: Workplace | None = None
        self._work: asyncio.Task[Outcome] | None = None
        self._cancelled = ""

    async def run(self) -> None:
        """Runs it and reports. Being cancelled means that it is abandoned: nothing is reported."""
        async with self._recorder as recorder:
            recorder.preparing()
            try:
                outcome = await self._outcome()
                self._slot.free()  # what follows needs no workplace
                await self._report(outcome)
            except StaleAttemptError:
                log.info(f"{self.assignment.check}: attempt {self.assignment.attempt} is stale")
            finally:
                self._run.drop_files()

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
            self._passed("container", time.monotonic() - started)
            self._run = _Run(workplace=borrowed.workplace.info)
            if self.assignment.untrusted and not self._around.unconfined:
                require_confined(borrowed.workplace.info.confinement)
            outcome = await self._in(borrowed.workplace, inputs)
            borrowed.cleanliness = outcome.cleanliness
        self._run.retired = borrowed.retired
        self._offer(definition, inputs, outcome)
        return outcome

    def _offer(self, definition: Definition, inputs: _Inputs, outcome: Outcome) -> None:
        audit, workplace = self._around.audit, self._run.workplace
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
                    self._run.files.append((artefact, event.body))
                case ResultEvent():
                    outcome = event.outcome
        if outcome is None:
            raise SessionBrokenError("it ended without a result")
        self._phases.extend(outcome.phases.items())
        return outcome

    async def _once_more(
        self, definition: Definition, inputs: _Inputs, outcome: Outcome
    ) -> Outcome:
        """Runs it with the whole repository if something of it was missing, and says what."""
        self._on_revision = True
        try:
            (whole,) = await self._around.trees.get(
                [self.assignment.revision.removeprefix("revisions/")], at_most=_WHOLE_BYTES
            )
        except (ResourceExhaustedError, UnavailableError) as error:
            self._remarks.append(f"not looked for undeclared dependencies: {error.message}")
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
        self._remarks.append(remark)
        self._recorder.output("system", f"{remark}; running again with the whole repository\n")
        self._run.drop_files()
        self._phases.clear()
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
            self._passed(name, time.monotonic() - started)

    def _passed(self, name: str, seconds: float) -> None:
        self._phases.append((name, seconds))
        self._recorder.phase(name, seconds)

    # Reporting

    async def _report(self, outcome: Outcome) -> None:
        """Stores what the check made, then ends the attempt; tries until that is done or stale."""
        pause = 0.05
        again = False
        report: Report | None = None
        while True:
            try:
                if report is None:
                    await self._upload(self._run.files, again=again)
                    report = await self._with_log(outcome)
                await self._around.dispatch.finish(self.assignment, report)
            except (UnavailableError, DeadlineExceededError) as error:
                log.warning(f"{self.assignment.check} cannot be finished yet: {error.message}")
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
            except StaleAttemptError:
                raise
            except ArtefactMissingError as error:
                report = self._spoiled(error) if again else None
                again = True
            except Exception as error:
                if report is not None and not report.artefacts and not report.log:
                    raise  # not even a bare verdict is taken
                report = self._spoiled(error)
            else:
                return

    def _spoiled(self, error: Exception) -> Report:
        """The bare verdict where the result itself could not be stored."""
        if not isinstance(error, Error):
            log.error(f"{self.assignment.check} cannot be reported", exc_info=error)
        self._run.drop_files()
        message = f"the result could not be stored: {error}"
        return Report(
            outcome=failed(Verdict.INFRASTRUCTURE_ERROR, message), workplace=self._run.workplace
        )

    async def _upload(self, files: Sequence[tuple[Artefact, IO[bytes]]], *, again: bool) -> None:
        if not files:
            return
        started = time.monotonic()
        bodies = {artefact.name: (artefact.size, body) for artefact, body in files}
        names = list(bodies)
        missing = set(names) if again else await self._around.dispatch.missing(names)
        gate = asyncio.Semaphore(_UPLOADS)

        async def upload(name: str) -> None:
            async with gate:
                size, body = bodies[name]
                await self._around.dispatch.upload(name, size=size, body=body)

        await asyncio.gather(*(upload(name) for name in missing))
        if not again:
            for artefact, _ in files:
                self._recorder.artefact(artefact)
            self._passed("upload", time.monotonic() - started)

    async def _with_log(self, outcome: Outcome) -> Report:
        body, size, digest = self._recorder.finish()
        name = f"artefacts/{digest}"
        await asyncio.gather(
            self._around.dispatch.upload(name, size=size, body=body),
            self._recorder.flush(_FLUSH_SECONDS),
        )
        return Report(
            outcome=outcome,
            workplace=self._run.workplace,
            artefacts=tuple(artefact for artefact, _ in self._run.files),
            log=name,
            retired=self._run.retired,
            phases=tuple(self._phases),
            remarks=(*self._remarks, *remarks_of(outcome, self._run.workplace)),
            on_revision=self._on_revision,
            last_sequence=self._recorder.last_sequence,
        )
