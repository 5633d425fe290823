"""What runners ask of the scheduler: claims, leases, artefacts, verdicts."""

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from functools import partial

from services.errors import ArtefactMissingError
from services.scheduler.checks.registry import Runners
from services.scheduler.domain import machine
from services.scheduler.domain.check import Check, Result, Runner
from services.scheduler.domain.environments import EnvironmentImage
from services.scheduler.domain.machine import Directive, Retries
from services.scheduler.messages import with_queue_phase
from services.scheduler.ports.store import Artefacts, Change, Clock, Store, Transition
from services.scheduler.queue.bells import Bells
from services.scheduler.queue.pauses import Pauses

log = logging.getLogger(__name__)


class Dispatch:
    """Use cases of `DispatchService`."""

    def __init__(
        self,
        *,
        store: Store,
        pauses: Pauses,
        runners: Runners,
        artefacts: Artefacts,
        bells: Bells,
        clock: Clock,
        retries: Retries,
        lease_for: timedelta,
    ) -> None:
        self._store = store
        self._pauses = pauses
        self._runners = runners
        self._artefacts = artefacts
        self._bells = bells
        self._clock = clock
        self._retries = retries
        self._lease_for = lease_for
        self._said: dict[str, tuple[str, dict[str, str]]] = {}
        """What each runner said of its environments last, with its incarnation."""

    async def register(self, runner: Runner) -> None:
        """Makes a runner known, and ends the attempts that died with its earlier incarnations."""
        now = self._clock()
        runner = dataclasses.replace(runner, heartbeat_time=now)
        for check in await self._store.runners.register(runner):
            await self._change(
                check,
                partial(
                    machine.restart,
                    runner=runner.id,
                    incarnation=runner.incarnation,
                    now=now,
                    retries=self._retries,
                ),
            )
        self._bells.queue.ring()
        self._bells.runners.ring()

    async def claim(self, check: str, *, runner: str, incarnation: str, claim_id: str) -> Check:
        """Makes an attempt; see `machine.claim`.

        Raises:
            NotClaimableError: Also where the queue is paused.
            RunnerDrainedError: The runner is to take no new checks.
        """
        await self._runners.require_open(runner)
        await self._pauses.require_open(check)
        change = await self._change(
            check,
            partial(
                machine.claim,
                runner=runner,
                incarnation=incarnation,
                claim_id=claim_id,
                now=self._clock(),
                lease_for=self._lease_for,
            ),
            durable=False,
        )
        self._bells.queue.ring()  # there is room in the window
        return change.after

    async def heartbeat(
        self,
        *,
        runner: str,
        incarnation: str,
        attempts: Sequence[tuple[str, int]],
        free_slots: int,
        draining: bool,
        environments: Mapping[str, str],
    ) -> list[Directive] | None:
        """Renews leases. Nothing comes back for an incarnation that is not registered.

        Args:
            runner: Id.
            incarnation: Of the runner.
            attempts: Check id and attempt of what it holds.
            free_slots: Slots without a check.
            draining: Whether it takes no new checks.
            environments: Names to digests of those that it has ready.
        """
        now = self._clock()
        directives = await self._store.runners.heartbeat(
            runner=runner,
            incarnation=incarnation,
            attempts=attempts,
            free_slots=free_slots,
            draining=draining,
            now=now,
            expires=now + self._lease_for,
        )
        if directives is not None:
            await self._note(runner, incarnation, environments)
        if free_slots:
            self._bells.queue.ring()
        return directives

    async def _note(self, runner: str, incarnation: str, environments: Mapping[str, str]) -> None:
        """Keeps what a runner says of its environments; it says so often, and seldom anew."""
        said = (incarnation, dict(environments))
        if self._said.get(runner) != said:
            await self._store.environments.report(
                runner=runner, incarnation=incarnation, environments=environments
            )
            self._said[runner] = said
            self._bells.runners.ring()

    async def record_environment(
        self, digest: str, *, environment: str, python: str, packages: Sequence[str]
    ) -> None:
        """Notes what is in an image. Repeating it changes nothing."""
        await self._store.environments.record(
            EnvironmentImage(
                digest=digest,
                environment=environment,
                python=python,
                packages=tuple(packages),
                first_seen=self._clock(),
            )
        )

    async def start(self, check: str, *, attempt: int) -> None:
        """Notes that code runs; see `machine.start`."""
        await self._change(
            check, partial(machine.start, attempt=attempt, now=self._clock()), durable=False
        )

    async def finish(
        self, check: str, *, attempt: int, result: Result, last_sequence: int
    ) -> Check:
        """Ends an attempt with a result; see `machine.finish`.

        Raises:
            ArtefactMissingError: The store lacks an artefact of the result; nothing was changed.
        """
        named = [file.sha256 for file in result.artefacts]
        missing = await self._artefacts.missing([*named, result.log] if result.log else named)
        if missing:
            raise ArtefactMissingError(
                f"upload first: {', '.join(f'artefacts/{digest}' for digest in missing[:10])}",
                missing=",".join(missing[:10]),
            )
        now = self._clock()

        def transition(present: Check) -> Check:
            waited = (
                (present.lease.claim_time - present.create_time).total_seconds()
                if present.lease
                else 0.0
            )
            return machine.finish(
                present,
                attempt=attempt,
                result=dataclasses.replace(
                    result, payload=with_queue_phase(result.payload, seconds=waited)
                ),
                last_sequence=last_sequence,
                now=now,
                retries=self._retries,
            )

        return (await self._change(check, transition)).after

    async def release(self, check: str, *, attempt: int, reason: str) -> Check:
        """Takes a check back; see `machine.release`."""
        change = await self._change(
            check, partial(machine.release, attempt=attempt, reason=reason, now=self._clock())
        )
        return change.after

    async def find_missing(self, digests: Sequence[str]) -> list[str]:
        """Lists those artefacts that the store does not hold."""
        return await self._artefacts.missing(digests)

    async def upload(self, digest: str, *, size: int, chunks: AsyncIterator[bytes]) -> None:
        """Stores an artefact."""
        await self._artefacts.put(digest, size=size, chunks=chunks)

    async def _change(self, check: str, transition: Transition, *, durable: bool = True) -> Change:
        change = await self._store.checks.update(check, transition, durable=durable)
        if change.after is not change.before:
            self._bells.check_changed(check, announced=change.after.finished)
            self._ring_queue(change.after)
            if change.after.result is not None:
                verdict = change.after.result.verdict.name
                log.info(f"checks/{check} of {change.after.entity}: {verdict}")
        return change

    def _ring_queue(self, check: Check) -> None:
        """Wakes the dispatcher when a check that went back to the queue may be published."""
        if check.finished or check.lease is not None:
            return
        if check.not_before is None:
            self._bells.queue.ring()
            return
        delay = (check.not_before - self._clock()).total_seconds()
        asyncio.get_running_loop().call_later(max(0.0, delay), self._bells.queue.ring)
