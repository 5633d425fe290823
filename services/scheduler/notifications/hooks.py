"""Use cases of webhooks."""

import asyncio
import logging
from collections.abc import Collection
from datetime import timedelta

from services.errors import ResourceExhaustedError
from services.scheduler.domain.listing import after_token, page_size, page_token
from services.scheduler.domain.names import new_id
from services.scheduler.domain.notifications import (
    MOST_WEBHOOKS,
    TEST,
    Delivery,
    Webhook,
    WebhookSummary,
    checked_events,
    checked_secret,
    checked_url,
    new_secret,
    sample_body,
)
from services.scheduler.ports.notifications import Webhooks
from services.scheduler.ports.store import Clock
from services.scheduler.queue.bells import Bell

log = logging.getLogger(__name__)


class Hooks:
    """Makes, shows and tries webhooks.

    Args:
        webhooks: Where they are kept.
        clock: Tells the time.
        due: Rings when a delivery is due.
        allowed: Hosts that may be of this machine or network.
        age: How long deliveries are shown that ended.
    """

    def __init__(
        self,
        *,
        webhooks: Webhooks,
        clock: Clock,
        due: Bell,
        allowed: Collection[str],
        age: timedelta,
    ) -> None:
        self._webhooks = webhooks
        self._clock = clock
        self._due = due
        self._allowed = allowed
        self._age = age

    async def create(self, url: str, *, events: Collection[str], secret: str) -> Webhook:
        """Makes a webhook.

        Raises:
            InvalidArgumentError: Address, events or secret cannot be used.
            ResourceExhaustedError: There are too many.
        """
        webhook = Webhook(
            id=new_id(),
            url=checked_url(url.strip(), allowed=self._allowed),
            events=checked_events(events),
            secret=checked_secret(secret) if secret else new_secret(),
            create_time=self._clock(),
        )
        if not await self._webhooks.add(webhook, most=MOST_WEBHOOKS):
            raise ResourceExhaustedError(
                f"there are {MOST_WEBHOOKS} webhooks already: delete one that nobody needs"
            )
        log.info(f"webhooks/{webhook.id} is told of {', '.join(sorted(webhook.events))}")
        return webhook

    async def list_all(self) -> list[WebhookSummary]:
        """Lists all, newest first."""
        return await self._webhooks.list_all()

    async def delete(self, webhook_id: str) -> None:
        """Removes one with its deliveries.

        Raises:
            NotFoundError: There is none of that id.
        """
        await self._webhooks.delete(webhook_id)
        log.info(f"webhooks/{webhook_id} is deleted")

    async def pause(self, webhook_id: str, *, paused: bool) -> WebhookSummary:
        """Holds deliveries back, or lets them go.

        Raises:
            NotFoundError: There is none of that id.
        """
        found = await self._webhooks.pause(webhook_id, paused=paused)
        self._due.ring()
        return found

    async def test(self, webhook_id: str) -> Delivery:
        """Sends a webhook the event `test`.

        Raises:
            NotFoundError: There is none of that id.
        """
        now, delivery = self._clock(), new_id()
        made = await self._webhooks.post(
            Delivery(
                id=delivery,
                webhook=webhook_id,
                event=TEST,
                body=sample_body(delivery, time=now),
                create_time=now,
                since=now,
                next_time=now,
            )
        )
        self._due.ring()
        return made

    async def deliveries(
        self, webhook_id: str, *, size: int, token: str
    ) -> tuple[list[Delivery], str]:
        """Lists a page of deliveries, newest first, and the next one's token.

        Raises:
            NotFoundError: There is no such webhook.
        """
        limit = page_size(size)
        query = f"deliveries {webhook_id}"
        found = await self._webhooks.deliveries(
            webhook_id, limit=limit + 1, before=after_token(token, query=query)
        )
        page = found[:limit]
        return page, page_token(page[-1].id, query=query) if len(found) > limit else ""

    async def redeliver(self, webhook_id: str, delivery_id: str) -> Delivery:
        """Makes a delivery again.

        Raises:
            NotFoundError: There is none.
        """
        found = await self._webhooks.repeat(webhook_id, delivery_id, now=self._clock())
        self._due.ring()
        return found

    async def run(self, *, every: float) -> None:
        """Removes old deliveries that ended, every so many seconds, for ever."""
        while True:
            try:
                gone = await self._webhooks.remove(before=self._clock() - self._age)
                if gone:
                    log.info(f"{gone} deliveries to webhooks were old")
            except Exception:
                log.exception("old deliveries are removed later")
            await asyncio.sleep(every)
