"""Ends attempts whose runner was not heard of; apart from the broker, which may be away."""

import asyncio
import logging
from datetime import datetime, timedelta
from functools import partial

from services.scheduler.domain import machine
from services.scheduler.ports.store import Clock, Store
from services.scheduler.queue.bells import Bells

log = logging.getLogger(__name__)


class Leases:
    """Looks for leases that ran out, at least every so often.

    Where much more time passed between two looks, this process was stopped, the machine slept, or
    somebody set the clock. Nobody could be heard of meanwhile, so no lease ends for it: each gets
    its whole length again.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        bells: Bells,
        lease_for: timedelta,
        retries: machine.Retries,
        every: timedelta,
    ) -> None:
        self._store = store
        self._clock = clock
        self._bells = bells
        self._lease_for = lease_for
        self._retries = retries
        self._absence = every + lease_for / 2
        """Longer between two looks, and nobody was here to hear of runners."""
        self._looked: datetime | None = None

    async def run_once(self) -> None:
        """Looks, and gives grace or ends what ran out."""
        now = self._clock()
        before, self._looked = self._looked, now
        if before is not None and now - before > self._absence:
            graced = await self._store.queue.extend_leases(until=now + self._lease_for)
            passed = (now - before).total_seconds()
            log.warning(
                f"the clock says {passed:g} s passed since the last look at leases; {graced} "
                f"checks that runners hold get {self._lease_for.total_seconds():g} s"
            )
            return
        for check in await self._store.queue.expired(now=now):
            await self._expire(check, now)

    async def _expire(self, check: str, now: datetime) -> None:
        change = await self._store.checks.update(
            check,
            partial(machine.expire, now=now, lease_for=self._lease_for, retries=self._retries),
        )
        after = change.after
        if after is change.before:
            return
        log.warning(f"checks/{check}: {after.failed_attempts[-1].reason}")
        self._bells.check_changed(check, announced=after.finished)
        if after.not_before is not None:
            delay = (after.not_before - now).total_seconds()
            asyncio.get_running_loop().call_later(delay, self._bells.queue.ring)

    async def run(self, *, every: float) -> None:
        """Looks again and again, and survives its errors."""
        while True:
            try:
                await self.run_once()
            except Exception:
                log.exception("looking for expired leases failed; it goes on")
            await asyncio.sleep(every)
