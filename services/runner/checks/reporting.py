"""How an attempt ends: what it found goes to the scheduler, or the check goes back to the queue."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO

from services.errors import (
    ArtefactMissingError,
    DeadlineExceededError,
    Error,
    StaleAttemptError,
    UnavailableError,
)
from services.runner.checks.events import Recorder
from services.runner.domain.attempts import Artefact, Assignment, Report, failed, remarks_of
from services.runner.domain.workplaces import WorkplaceInfo
from services.runner.ports import Dispatch
from services.runner.sessions.outcome import Outcome, Verdict

log = logging.getLogger(__name__)

_FLUSH_SECONDS = 1.0
"""How long the end of an attempt waits for events on their way to the broker."""
_UPLOADS = 4
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0


@dataclass
class Made:
    """What running the entity once has made."""

    workplace: WorkplaceInfo | None = None
    retired: str = ""
    files: list[tuple[Artefact, IO[bytes]]] = field(default_factory=list)

    def drop_files(self) -> None:
        """Forgets the files; their content is gone."""
        for _, body in self.files:
            body.close()
        self.files.clear()


@dataclass
class Findings:
    """What an attempt has found so far, beside the outcome."""

    made: Made = field(default_factory=Made)
    phases: list[tuple[str, float]] = field(default_factory=list)
    """Names and seconds."""
    remarks: list[str] = field(default_factory=list)
    on_revision: bool = False
    """Whether it was run with the whole repository."""


class Reporting:
    """Tells the scheduler of one attempt; goes on trying while the scheduler is away.

    Args:
        assignment: The attempt.
        dispatch: The scheduler.
        recorder: Of its events, the last of which come from here.
        found: What is reported beside the outcome.
    """

    def __init__(
        self, assignment: Assignment, *, dispatch: Dispatch, recorder: Recorder, found: Findings
    ) -> None:
        self._assignment = assignment
        self._dispatch = dispatch
        self._recorder = recorder
        self._found = found

    def passed(self, name: str, seconds: float) -> None:
        """A part of the attempt is over."""
        self._found.phases.append((name, seconds))
        self._recorder.phase(name, seconds)

    async def hand_back(self, reason: str) -> None:
        """Gives the check back to the queue; this is no failed attempt.

        Raises StaleAttemptError.
        """
        log.info(f"{self._assignment.check} goes back to the queue: {reason}")
        self._recorder.output("system", f"{reason}; the check goes back to the queue\n")
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._dispatch.release(self._assignment, reason=reason)
            except (UnavailableError, DeadlineExceededError) as error:
                log.warning(f"{self._assignment.check} was not handed back yet: {error.message}")
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
            else:
                await self._recorder.flush(_FLUSH_SECONDS)
                return

    async def finish(self, outcome: Outcome) -> None:
        """Stores what the check made, then ends the attempt; tries until that is done.

        Raises StaleAttemptError.
        """
        pause = _FIRST_PAUSE
        again = False
        report: Report | None = None
        while True:
            try:
                if report is None:
                    await self._upload(self._found.made.files, again=again)
                    report = await self._with_log(outcome)
                await self._dispatch.finish(self._assignment, report)
            except (UnavailableError, DeadlineExceededError) as error:
                log.warning(f"{self._assignment.check} cannot be finished yet: {error.message}")
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
            log.error(f"{self._assignment.check} cannot be reported", exc_info=error)
        self._found.made.drop_files()
        message = f"the result could not be stored: {error}"
        return Report(
            outcome=failed(Verdict.INFRASTRUCTURE_ERROR, message),
            workplace=self._found.made.workplace,
        )

    async def _upload(self, files: Sequence[tuple[Artefact, IO[bytes]]], *, again: bool) -> None:
        if not files:
            return
        started = time.monotonic()
        bodies = {artefact.name: (artefact.size, body) for artefact, body in files}
        names = list(bodies)
        missing = set(names) if again else await self._dispatch.missing(names)
        gate = asyncio.Semaphore(_UPLOADS)

        async def upload(name: str) -> None:
            async with gate:
                size, body = bodies[name]
                await self._dispatch.upload(name, size=size, body=body)

        await asyncio.gather(*(upload(name) for name in missing))
        if not again:
            for artefact, _ in files:
                self._recorder.artefact(artefact)
            self.passed("upload", time.monotonic() - started)

    async def _with_log(self, outcome: Outcome) -> Report:
        body, size, digest = self._recorder.finish()
        name = f"artefacts/{digest}"
        await asyncio.gather(
            self._dispatch.upload(name, size=size, body=body),
            self._recorder.flush(_FLUSH_SECONDS),
        )
        found = self._found
        return Report(
            outcome=outcome,
            workplace=found.made.workplace,
            artefacts=tuple(artefact for artefact, _ in found.made.files),
            log=name,
            retired=found.made.retired,
            phases=tuple(found.phases),
            remarks=(*found.remarks, *remarks_of(outcome, found.made.workplace)),
            on_revision=found.on_revision,
            last_sequence=self._recorder.last_sequence,
        )
