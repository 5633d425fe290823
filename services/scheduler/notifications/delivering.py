"""Takes what is due to webhooks, each webhook by itself, until it is accepted or given up."""

import asyncio
import functools
import logging
import random
from collections.abc import Callable
from datetime import datetime, timedelta

from services.scheduler.domain.notifications import Attempt, Delivery, RetryPolicy, Webhook
from services.scheduler.ports.notifications import Sender, Webhooks
from services.scheduler.ports.store import Clock
from services.scheduler.queue.bells import Bell
from services.scheduler.tasks import ended

log = logging.getLogger(__name__)

_AT_ONCE = 16
"""Deliveries on their way at once."""
_BACKSTOP = 1.0
"""Seconds after which it is looked though no bell rang: another process may have left something."""
_KEPT = timedelta(seconds=_BACKSTOP)
_MARGIN = timedelta(seconds=5)
"""So much longer than an attempt a delivery is held: one whose sender was killed is due then."""
_SHORTEST = 0.02
_PAUSE = 1.0


class Deliveries:
    """Delivers what transactions left, at least once each.

    A webhook gets one delivery at a time, in order, so that a slow receiver holds up nobody else.
    What fails makes room for the next one of that webhook. Where there are no webhooks, checks
    that finish cause no look: one that another process adds is noticed within a second.

    Args:
        webhooks: Where they are kept.
        sender: Posts them.
        clock: Tells the time.
        due: Rings when one is due.
        changes: Rings when checks finish, which can leave some.
        policy: When what failed is tried again.
        timeout: How long an attempt takes at most.
    """

    def __init__(
        self,
        *,
        webhooks: Webhooks,
        sender: Sender,
        clock: Clock,
        due: Bell,
        changes: Bell,
        policy: RetryPolicy,
        timeout: timedelta,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._webhooks = webhooks
        self._sender = sender
        self._clock = clock
        self._due = due
        self._changes = changes
        self._policy = policy
        self._held = timeout + _MARGIN
        self._chance = chance
        self._sending: dict[str, asyncio.Task[None]] = {}
        """By webhook."""
        self._known: tuple[int, datetime, bool] | None = None
        """Whether there are webhooks: how often `due` had rung, and the time, when it was asked."""

    async def run(self) -> None:
        """Delivers for ever; survives the store's errors."""
        try:
            while True:
                rings = self._due.rings, self._changes.rings
                try:
                    if not await self._anyone(rings[0]):
                        await self._due.wait(since=rings[0], timeout=_BACKSTOP)
                        continue
                    wait = await self._until_next()
                    if not wait:
                        wait = 0.0 if await self._start() else _SHORTEST
                except Exception:
                    log.exception("webhooks: the store failed; it goes on")
                    wait = _PAUSE
                if wait:
                    await self._either(rings, timeout=max(_SHORTEST, wait))
        finally:
            await ended(*self._sending.values())

    async def _anyone(self, rings: int) -> bool:
        """Whether there are webhooks; asked when one changed, and each second."""
        known, now = self._known, self._clock()
        if known is None or known[0] != rings or abs(now - known[1]) >= _KEPT:
            known = self._known = rings, now, await self._webhooks.exist()
        return known[2]

    async def _start(self) -> int:
        room, busy = _AT_ONCE - len(self._sending), frozenset(self._sending)
        if room <= 0:
            return 0
        now = self._clock()
        taken = await self._webhooks.claim(now=now, until=now + self._held, limit=room, busy=busy)
        for webhook, delivery in taken:
            task = asyncio.create_task(self._deliver(webhook, delivery))
            self._sending[webhook.id] = task
            task.add_done_callback(functools.partial(self._done, webhook.id))
        return len(taken)

    def _done(self, webhook: str, _task: asyncio.Task[None]) -> None:
        del self._sending[webhook]
        self._due.ring()

    async def _deliver(self, webhook: Webhook, delivery: Delivery) -> None:
        attempt = await self._sender.send(webhook, delivery)
        following = None
        if attempt.error:
            following = self._policy.next_time(delivery, now=self._clock(), chance=self._chance())
            self._say(webhook, delivery, attempt, following)
        try:
            await self._webhooks.settle(delivery, attempt, next_time=following)
        except Exception:
            log.exception(f"webhooks/{webhook.id}/deliveries/{delivery.id} is delivered once more")

    @staticmethod
    def _say(
        webhook: Webhook, delivery: Delivery, attempt: Attempt, following: datetime | None
    ) -> None:
        name = f"webhooks/{webhook.id}/deliveries/{delivery.id}"
        said = f"{name}, attempt {attempt.number}: {attempt.error}"
        if following is None:
            log.warning(f"{said}; given up")
        else:
            log.info(f"{said}; again at {following:%H:%M:%S}")

    async def _until_next(self) -> float:
        """Seconds until something is due; a backstop where that is far away or unknown."""
        following = await self._webhooks.next_due(busy=frozenset(self._sending))
        if following is None:
            return _BACKSTOP
        return min(_BACKSTOP, max(0.0, (following - self._clock()).total_seconds()))

    async def _either(self, rings: tuple[int, int], *, timeout: float) -> None:  # noqa: ASYNC109
        """Returns when either bell has rung since, or after `timeout` seconds."""
        waits = [
            asyncio.ensure_future(bell.wait(since=since, timeout=timeout))
            for bell, since in zip((self._due, self._changes), rings, strict=True)
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await ended(*waits)
