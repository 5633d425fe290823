"""Verdict changes and webhooks: messages in, use cases, messages out."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from ackrep.scheduler.v1 import check_pb2, notification_pb2, notification_pb2_grpc
from services.errors import InvalidArgumentError
from services.scheduler.domain.names import delivery_ids, entity_key, webhook_id
from services.scheduler.domain.notifications import (
    Attempt,
    Delivery,
    DeliveryState,
    WebhookSummary,
)
from services.scheduler.domain.verdict_changes import (
    ChangeFilter,
    ChangeKind,
    VerdictChange,
    VerdictPoint,
)
from services.scheduler.messages import duration, timestamp
from services.scheduler.notifications.changes import Changes
from services.scheduler.notifications.hooks import Hooks


class NotificationServicer(notification_pb2_grpc.NotificationServiceServicer):
    """`ackrep.scheduler.v1.NotificationService`."""

    def __init__(self, *, changes: Changes, hooks: Hooks) -> None:
        self._changes = changes
        self._hooks = hooks

    async def ListVerdictChanges(
        self, request: notification_pb2.ListVerdictChangesRequest, context: Any
    ) -> notification_pb2.ListVerdictChangesResponse:
        condition = ChangeFilter(
            kinds=frozenset(map(_kind, request.kinds)),
            entity=entity_key(request.entity) if request.entity else "",
            since=_time(request),
        )
        found, following = await self._changes.list_page(
            condition, size=request.page_size, token=request.page_token
        )
        return notification_pb2.ListVerdictChangesResponse(
            changes=map(_change, found), next_page_token=following
        )

    async def WatchVerdictChanges(
        self, request: notification_pb2.WatchVerdictChangesRequest, context: Any
    ) -> AsyncIterator[notification_pb2.WatchVerdictChangesResponse]:
        async with contextlib.aclosing(self._changes.watch(request.resume_token)) as found:
            async for place, change in found:
                yield notification_pb2.WatchVerdictChangesResponse(
                    resume_token=str(place), change=_change(change) if change else None
                )

    async def CreateWebhook(
        self, request: notification_pb2.CreateWebhookRequest, context: Any
    ) -> notification_pb2.CreateWebhookResponse:
        made = await self._hooks.create(request.url, events=request.events, secret=request.secret)
        return notification_pb2.CreateWebhookResponse(
            webhook=_webhook(WebhookSummary(webhook=made)), secret=made.secret
        )

    async def ListWebhooks(
        self, request: notification_pb2.ListWebhooksRequest, context: Any
    ) -> notification_pb2.ListWebhooksResponse:
        found = await self._hooks.list_all()
        return notification_pb2.ListWebhooksResponse(webhooks=map(_webhook, found))

    async def DeleteWebhook(
        self, request: notification_pb2.DeleteWebhookRequest, context: Any
    ) -> notification_pb2.DeleteWebhookResponse:
        await self._hooks.delete(webhook_id(request.name))
        return notification_pb2.DeleteWebhookResponse()

    async def PauseWebhook(
        self, request: notification_pb2.PauseWebhookRequest, context: Any
    ) -> notification_pb2.Webhook:
        return _webhook(await self._hooks.pause(webhook_id(request.name), paused=True))

    async def ResumeWebhook(
        self, request: notification_pb2.ResumeWebhookRequest, context: Any
    ) -> notification_pb2.Webhook:
        return _webhook(await self._hooks.pause(webhook_id(request.name), paused=False))

    async def TestWebhook(
        self, request: notification_pb2.TestWebhookRequest, context: Any
    ) -> notification_pb2.WebhookDelivery:
        return _delivery(await self._hooks.test(webhook_id(request.name)))

    async def ListWebhookDeliveries(
        self, request: notification_pb2.ListWebhookDeliveriesRequest, context: Any
    ) -> notification_pb2.ListWebhookDeliveriesResponse:
        found, following = await self._hooks.deliveries(
            webhook_id(request.parent), size=request.page_size, token=request.page_token
        )
        return notification_pb2.ListWebhookDeliveriesResponse(
            deliveries=map(_delivery, found), next_page_token=following
        )

    async def RedeliverWebhook(
        self, request: notification_pb2.RedeliverWebhookRequest, context: Any
    ) -> notification_pb2.WebhookDelivery:
        return _delivery(await self._hooks.redeliver(*delivery_ids(request.name)))


def _kind(value: int) -> ChangeKind:
    try:
        return ChangeKind(value)
    except ValueError:
        names = ", ".join(f"KIND_{kind.name}" for kind in ChangeKind)
        raise InvalidArgumentError(
            f"there is no such kind; there are {names}", field="kinds"
        ) from None


def _time(request: notification_pb2.ListVerdictChangesRequest) -> datetime | None:
    if not request.HasField("since_time"):
        return None
    try:
        found: datetime = request.since_time.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidArgumentError(
            "since_time is no time of this calendar", field="since_time"
        ) from error
    return found


def _change(change: VerdictChange) -> notification_pb2.VerdictChange:
    return notification_pb2.VerdictChange(
        entity=f"entities/{change.entity}",
        kind=notification_pb2.VerdictChange.Kind.ValueType(change.kind),
        after=_point(change.after),
        before=_point(change.before) if change.before else None,
        cause=notification_pb2.VerdictChange.Cause.ValueType(change.cause),
        change_time=timestamp(change.after.finish_time),
        imported=change.imported,
    )


def _point(point: VerdictPoint) -> notification_pb2.VerdictPoint:
    return notification_pb2.VerdictPoint(
        check=f"checks/{point.check}",
        verdict=check_pb2.Verdict.ValueType(point.verdict),
        finish_time=timestamp(point.finish_time),
        revision=f"revisions/{point.revision}" if point.revision else "",
        commit=point.commit,
        environment=f"environments/{point.environment}",
        environment_digest=point.environment_digest,
        title=point.title,
    )


def _webhook(summary: WebhookSummary) -> notification_pb2.Webhook:
    webhook = summary.webhook
    return notification_pb2.Webhook(
        name=f"webhooks/{webhook.id}",
        url=webhook.url,
        events=sorted(webhook.events),
        paused=webhook.paused,
        create_time=timestamp(webhook.create_time),
        secret_hint=webhook.hint,
        pending_count=summary.pending,
        failed_count=summary.failed,
        last_success_time=timestamp(summary.last_success),
    )


def _delivery(delivery: Delivery) -> notification_pb2.WebhookDelivery:
    pending = delivery.state is DeliveryState.PENDING
    return notification_pb2.WebhookDelivery(
        name=f"webhooks/{delivery.webhook}/deliveries/{delivery.id}",
        event=delivery.event,
        state=notification_pb2.WebhookDelivery.State.ValueType(delivery.state),
        create_time=timestamp(delivery.create_time),
        next_time=timestamp(delivery.next_time) if pending else None,
        attempts=map(_attempt, delivery.attempts),
        body=delivery.body,
    )


def _attempt(attempt: Attempt) -> notification_pb2.WebhookAttempt:
    return notification_pb2.WebhookAttempt(
        attempt=attempt.number,
        start_time=timestamp(attempt.start_time),
        duration=duration(attempt.seconds),
        status=attempt.status,
        response=attempt.response,
        error=attempt.error,
    )
