"""The claim loop and the heartbeats of a runner."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Coroutine
from typing import Any

from services.errors import (
    DeadlineExceededError,
    Error,
    NotClaimableError,
    NotFoundError,
    PreconditionError,
    RunnerDrainedError,
    UnavailableError,
)
from services.runner.checks.attempt import Attempt, Surroundings
from services.runner.checks.readiness import Readiness
from services.runner.checks.slots import Slot, Slots
from services.runner.domain.attempts import Assignment, Directive
from services.runner.ports import Job, Jobs, Registration

log = logging.getLogger(__name__)

_PULL_SECONDS = 5.0
_CLAIM_PAUSES = (0.05, 0.2, 0.5)
_LATER_SECONDS = 1.0
_DRAINING_SECONDS = 0.1


class Worker:
    """Takes jobs while a slot is free, runs them, keeps their leases.

    Args:
        around: What attempts work with.
        jobs: Where jobs come from.
        registration: What the runner says of itself.
        slots: Its capacity.
    """

    def __init__(
        self, around: Surroundings, *, jobs: Jobs, registration: Registration, slots: Slots
    ) -> None:
        self._around = around
        self._jobs = jobs
        self._registration = registration
        self._slots = slots
        self._readiness = Readiness(around.pool, around.environments)
        self._active: dict[tuple[str, int], tuple[Attempt, asyncio.Task[None]]] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._asides: set[asyncio.Task[None]] = set()
        self._heartbeat_seconds = 1.0
        self._told_to_drain = False
        self._asked_to_drain = False

    @property
    def draining(self) -> bool:
        """Whether it takes no new checks."""
        return self._told_to_drain or self._asked_to_drain

    @property
    def taking(self) -> bool:
        """Whether it takes checks now: it does not drain, and the engine is not known to be away.

        Who does not take a check it could not run leaves it queued, for others or for later; so
        handing back what was taken just before cannot go round in circles.
        """
        return not self.draining and self._around.pool.presence.here

    @property
    def checks(self) -> list[str]:
        """The checks it holds, `checks/{id}`."""
        return [check for check, _ in self._active]

    @property
    def registration(self) -> Registration:
        """What the runner says of itself."""
        return self._registration

    async def register(self) -> None:
        """Makes the runner known; waits until the scheduler answers."""
        pause = 0.1
        while True:
            try:
                self._heartbeat_seconds = await self._around.dispatch.register(self._registration)
            except Error as error:
                log.warning(f"waiting for the scheduler: {error.message}")
                await asyncio.sleep(pause)
                pause = min(2.0, pause * 2)
            else:
                return

    # Jobs

    async def pull(self) -> None:
        """Takes jobs for ever."""
        while True:
            try:
                await self._pull_one()
            except Exception:  # a runner that takes no more jobs would look as if it were idle
                log.exception("taking a job failed; the next one is tried")
                await asyncio.sleep(_LATER_SECONDS)

    async def _pull_one(self) -> None:
        if self.draining:
            await asyncio.sleep(_DRAINING_SECONDS)
            return
        await self._around.pool.presence.back()
        # No slot is occupied while waiting: one that was lent is needed back at any time.
        await self._slots.room()
        if not self.taking:  # what had the slot may have ended for want of the engine
            return
        job = await self._jobs.next(timeout=_PULL_SECONDS)
        if job is not None and not self.taking:
            await job.later(0 if self.draining else _LATER_SECONDS)
        elif job is not None:
            task = asyncio.create_task(self._serve(job, self._slots.hold()))
            self._serving.add(task)
            task.add_done_callback(self._served)
            await asyncio.sleep(0)  # it occupies its slot before the next look for room

    def _served(self, task: asyncio.Task[None]) -> None:
        self._serving.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an attempt failed", exc_info=error)

    async def _serve(self, job: Job, slot: Slot) -> None:
        try:
            await slot.enter()
            assignment = await self._claim(job)
            if assignment is None:
                return
            self._readiness.asked_for(assignment.environment)
            self._aside(job.done())
            attempt = Attempt(assignment, slot=slot, around=self._around)
            identity = (assignment.check, assignment.attempt)
            task = asyncio.create_task(attempt.run())
            self._active[identity] = (attempt, task)
            try:
                await task
            except asyncio.CancelledError:
                if not task.cancelled():  # this task was cancelled, not the attempt
                    task.cancel()
                    raise
            finally:
                del self._active[identity]
        finally:
            slot.end()

    async def _claim(self, job: Job) -> Assignment | None:
        claim_id = secrets.token_hex(16)
        if not self.taking:  # it waited for a slot meanwhile
            await job.later(_LATER_SECONDS)
            return None
        for pause in (*_CLAIM_PAUSES, None):
            try:
                return await self._around.dispatch.claim(job.check, claim_id=claim_id)
            except (NotClaimableError, NotFoundError):
                await job.done()
                return None
            except RunnerDrainedError:
                self._told_to_drain = True  # the next heartbeat says so too
                await job.later(0)
                return None
            except PreconditionError as error:
                log.warning(f"{job.check} cannot be claimed: {error.message}")
                await self.register()
            except (UnavailableError, DeadlineExceededError) as error:
                log.warning(f"{job.check} cannot be claimed yet: {error.message}")
            if pause is not None:
                await asyncio.sleep(pause)
        await job.later(_LATER_SECONDS)
        return None

    def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)

    # Leases

    async def beat(self) -> None:
        """Renews the leases for ever, and does what the answers say."""
        silent = False
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            try:
                answers = await self._around.dispatch.heartbeat(
                    list(self._active),
                    free_slots=self._slots.free,
                    draining=not self.taking,
                    environments=await self._readiness.digests(),
                )
            except Exception as error:  # without heartbeats every lease would be lost
                if not silent:
                    log.warning(f"the scheduler does not answer: {error}", exc_info=True)
                silent = True
            else:
                silent = False
                self._told_to_drain = answers.drain
                for identity, directive in answers.directives.items():
                    self._follow(identity, directive)
                if answers.register:
                    self._aside(self.register())
            due = max(due + self._heartbeat_seconds, loop.time() + self._heartbeat_seconds / 10)
            await asyncio.sleep(due - loop.time())

    def _follow(self, identity: tuple[str, int], directive: Directive) -> None:
        held = self._active.get(identity)
        if held is None:
            return
        attempt, task = held
        if directive is Directive.CANCEL:
            self._aside(attempt.cancel("somebody cancelled it"))
        elif directive is Directive.STALE:
            log.info(f"{identity[0]}: attempt {identity[1]} is stale, stopping it")
            task.cancel()

    # Ending

    async def drain(self) -> None:
        """Takes no new checks; returns when the ones it holds are finished."""
        self._asked_to_drain = True
        while self._serving:
            await asyncio.wait(self._serving)

    async def hand_back(self, *, seconds: float) -> None:
        """Drains for at most so long, then hands back what still runs."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.drain(), seconds)
        for attempt, task in list(self._active.values()):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
            try:
                await self._around.dispatch.release(attempt.assignment, reason="the runner stops")
            except Error as error:
                # The lease runs out by itself.
                log.warning(f"{attempt.assignment.check} was not handed back: {error.message}")
        if self._serving:
            await asyncio.wait(self._serving, timeout=5.0)
        await self._readiness.close()
