"""Where nobody asked for deliveries, checks that finish cause no look for them."""

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from services.scheduler.domain.notifications import RetryPolicy
from services.scheduler.notifications.delivering import Deliveries
from services.scheduler.queue.bells import Bell
from services.scheduler.tasks import ended


class _Webhooks:
    """Counts what is asked; no delivery is ever due."""

    def __init__(self) -> None:
        self.there = False
        self.asked = 0
        self.looked = asyncio.Event()

    async def exist(self) -> bool:
        self.asked += 1
        return self.there

    async def next_due(self, *, busy: Collection[str]) -> datetime | None:
        self.looked.set()
        return None


async def test_without_webhooks_nothing_is_looked_for() -> None:
    """However many checks finish; once there is a webhook, each wakes who delivers."""
    kept: Any = _Webhooks()
    due, changes = Bell(), Bell()
    deliveries = Deliveries(
        webhooks=kept,
        sender=kept,  # nothing is due, so nothing is sent
        clock=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        due=due,
        changes=changes,
        policy=RetryPolicy(first=timedelta(seconds=1), give_up=timedelta(hours=1)),
        timeout=timedelta(seconds=1),
    )
    running = asyncio.ensure_future(deliveries.run())
    try:
        for _ in range(100):
            changes.ring()
            await asyncio.sleep(0)
        assert 1 == kept.asked
        assert not kept.looked.is_set()
        kept.there = True
        due.ring()
        await asyncio.wait_for(kept.looked.wait(), 5)
        assert 2 == kept.asked
        kept.looked.clear()
        changes.ring()
        await asyncio.wait_for(kept.looked.wait(), 5)
        assert 2 == kept.asked
    finally:
        await ended(running)
