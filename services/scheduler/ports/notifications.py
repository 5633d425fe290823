"""What notifications need of the world: verdict changes, webhooks, and a way out."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from services.scheduler.domain.notifications import Attempt, Delivery, Webhook, WebhookSummary
from services.scheduler.domain.verdict_changes import ChangeFilter, VerdictChange


class VerdictChanges(Protocol):
    """Verdict changes, which the transactions that finish checks note."""

    async def list_page(
        self, condition: ChangeFilter, *, limit: int, before: tuple[datetime, str] | None
    ) -> list[VerdictChange]:
        """Lists changes, newest first.

        Args:
            condition: Only such changes.
            limit: At most so many.
            before: Only those older than the one of this time and check id; none means all.
        """

    async def after(self, number: int, *, limit: int) -> list[VerdictChange]:
        """Lists changes that are told and were noted after one, in the order of their numbers."""

    async def last(self) -> int:
        """Gives the number of the change that was noted last; 0 where there is none."""


class Webhooks(Protocol):
    """Webhooks and their deliveries. Each method is one transaction.

    Deliveries are made by the transactions that finish checks and runs, so that none is lost.
    """

    async def add(self, webhook: Webhook, *, most: int) -> bool:
        """Adds a webhook, unless there are `most` already; says whether it did."""

    async def exist(self) -> bool:
        """Says whether there are any, or deliveries to one could be due."""

    async def list_all(self) -> list[WebhookSummary]:
        """Lists all, newest first."""

    async def get(self, webhook_id: str) -> Webhook:
        """Gets one.

        Raises:
            NotFoundError: There is none of that id.
        """

    async def pause(self, webhook_id: str, *, paused: bool) -> WebhookSummary:
        """Holds deliveries back, or lets them go.

        Raises:
            NotFoundError: There is none of that id.
        """

    async def delete(self, webhook_id: str) -> None:
        """Removes one with its deliveries.

        Raises:
            NotFoundError: There is none of that id.
        """

    async def post(self, delivery: Delivery) -> Delivery:
        """Adds a delivery.

        Raises:
            NotFoundError: There is no such webhook.
        """

    async def deliveries(self, webhook_id: str, *, limit: int, before: str) -> list[Delivery]:
        """Lists deliveries, newest first, from below the id `before` on.

        Raises:
            NotFoundError: There is no such webhook.
        """

    async def repeat(self, webhook_id: str, delivery_id: str, *, now: datetime) -> Delivery:
        """Makes a delivery due at once, whatever became of it.

        Raises:
            NotFoundError: There is none.
        """

    async def claim(
        self, *, now: datetime, until: datetime, limit: int, busy: Collection[str]
    ) -> list[tuple[Webhook, Delivery]]:
        """Takes deliveries that are due, the oldest of each webhook, and counts an attempt of each.

        Nobody else gets them before `until`, when they are due again unless they were settled.
        Those of paused webhooks are left, but for tests of them.

        Args:
            now: The time.
            until: Until when they are taken.
            limit: At most so many.
            busy: Webhooks (ids) of which none is taken.
        """

    async def settle(
        self, delivery: Delivery, attempt: Attempt, *, next_time: datetime | None
    ) -> None:
        """Notes how an attempt of a claimed delivery went.

        Args:
            delivery: As claimed.
            attempt: How it went.
            next_time: When it is tried again; none where it was accepted or is given up.
        """

    async def next_due(self, *, busy: Collection[str]) -> datetime | None:
        """Says when the next delivery is due; none where nothing waits.

        Args:
            busy: Webhooks (ids) whose deliveries do not count.
        """

    async def remove(self, *, before: datetime) -> int:
        """Removes deliveries that ended and are older; says how many."""


class Sender(Protocol):
    """Posts bodies to webhooks."""

    async def send(self, webhook: Webhook, delivery: Delivery) -> Attempt:
        """Makes one attempt; never fails, but says so in what it gives."""
