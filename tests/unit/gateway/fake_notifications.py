"""Verdict changes and webhooks as they are told."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from ackrep.scheduler.v1 import notification_pb2, notification_pb2_grpc
from services.errors import InvalidArgumentError, NotFoundError
from tests.unit.gateway.fake_repository import ENVIRONMENT, REVISION, V, length, stamp

K = notification_pb2.VerdictChange.Kind
C = notification_pb2.VerdictChange.Cause
D = notification_pb2.WebhookDelivery


class FakeNotifications(notification_pb2_grpc.NotificationServiceServicer):
    """Keeps what tests put in."""

    def __init__(self) -> None:
        self.changes: list[notification_pb2.VerdictChange] = []
        """Newest first."""
        self.webhooks: list[notification_pb2.Webhook] = []
        self.deliveries: dict[str, list[notification_pb2.WebhookDelivery]] = {}
        self.seen: list[Any] = []

    def change(
        self,
        key: str,
        kind: int,
        before: int,
        after: int,
        *,
        age: float,
        cause: int = 0,
        said: str = "",
    ) -> notification_pb2.VerdictChange:
        """Adds a change that is newer than all before it."""
        now = time.time() - age
        number = len(self.changes) + 1
        change = notification_pb2.VerdictChange(
            entity=f"entities/{key}",
            kind=kind,  # type: ignore[arg-type]
            cause=cause,  # type: ignore[arg-type]
            change_time=stamp(now),
            after=notification_pb2.VerdictPoint(
                check=f"checks/0197{number:028x}",
                verdict=after,  # type: ignore[arg-type]
                finish_time=stamp(now),
                revision=REVISION,
                commit=("abc1230def" * 4) if cause in {C.CAUSE_DATA, 3} else "4be1c0de" * 5,
                environment=ENVIRONMENT,
                title=said,
            ),
        )
        if before:
            change.before.CopyFrom(
                notification_pb2.VerdictPoint(
                    check=f"checks/0196{number:028x}",
                    verdict=before,  # type: ignore[arg-type]
                    finish_time=stamp(now - 90_000),
                    revision=REVISION,
                    commit="4be1c0de" * 5,
                    environment=ENVIRONMENT,
                )
            )
        self.changes.insert(0, change)
        return change

    def furnish(self) -> None:
        """Adds a believable week."""
        self.change("F7FLT", K.KIND_FIRST, 0, V.VERDICT_SUCCESS, age=500_000)
        self.change("UXMFA", K.KIND_FIRST, 0, V.VERDICT_INACCURATE, age=400_000)
        self.change(
            "UXMFA", K.KIND_REPAIRED, V.VERDICT_INACCURATE, V.VERDICT_SUCCESS, age=90_000,
            cause=C.CAUSE_DATA,
        )  # fmt: skip
        self.change(
            "LRHZX", K.KIND_BROKEN, V.VERDICT_SUCCESS, V.VERDICT_SCRIPT_ERROR, age=11_000,
            cause=C.CAUSE_DATA_AND_ENVIRONMENT,
            said="ModuleNotFoundError: No module named 'symbtools'",
        )  # fmt: skip
        self.change(
            "E1EUL", K.KIND_CHANGED, V.VERDICT_SCRIPT_ERROR, V.VERDICT_INACCURATE, age=700,
            cause=C.CAUSE_ENVIRONMENT, said="final_state_errors 3.1e-02 above 1e-06",
        )  # fmt: skip
        hook = self.hook("https://chat.example.org/hooks/ackrep", "verdict.broken")
        hook.failed_count, hook.pending_count = 1, 1
        hook.last_success_time.CopyFrom(stamp(time.time() - 11_000))
        self.deliver(hook, D.STATE_DELIVERED, [(200, "ok", "")])
        self.deliver(hook, D.STATE_FAILED, [(500, "no disk", "the receiver answered 500")] * 3)
        waits = self.deliver(hook, D.STATE_PENDING, [(0, "", "there was no answer within 10 s")])
        waits.next_time.CopyFrom(stamp(time.time() + 200))

    def hook(self, url: str, *events: str) -> notification_pb2.Webhook:
        """Adds a webhook."""
        hook = notification_pb2.Webhook(
            name=f"webhooks/0199{len(self.webhooks) + 1:028x}",
            url=url,
            events=events,
            secret_hint="x7Qa",
            create_time=stamp(time.time() - 1e6),
        )
        self.webhooks.append(hook)
        return hook

    def deliver(
        self, hook: notification_pb2.Webhook, state: int, attempts: list[tuple[int, str, str]]
    ) -> notification_pb2.WebhookDelivery:
        """Adds a delivery with attempts: status, response, error."""
        some = self.deliveries.setdefault(hook.name, [])
        delivery = notification_pb2.WebhookDelivery(
            name=f"{hook.name}/deliveries/0199{len(some) + 1:028x}",
            event="verdict.broken",
            state=state,  # type: ignore[arg-type]
            create_time=stamp(time.time() - 900),
            body='{"id": "1", "event": "verdict.broken", "change": {"entity": "entities/LRHZX"}}',
        )
        for number, (status, response, error) in enumerate(attempts, 1):
            delivery.attempts.add(
                attempt=number,
                start_time=stamp(time.time() - 900 + 100 * number),
                duration=length(0.123),
                status=status,
                response=response,
                error=error,
            )
        some.insert(0, delivery)
        return delivery

    async def ListVerdictChanges(
        self, request: Any, context: Any
    ) -> notification_pb2.ListVerdictChangesResponse:
        self.seen.append(request)
        found = [
            change
            for change in self.changes
            if request.entity in ("", change.entity)
            and (not request.kinds or change.kind in request.kinds)
        ]
        return notification_pb2.ListVerdictChangesResponse(changes=found[: request.page_size or 50])

    async def WatchVerdictChanges(
        self, request: Any, context: Any
    ) -> AsyncIterator[notification_pb2.WatchVerdictChangesResponse]:
        yield notification_pb2.WatchVerdictChangesResponse(resume_token="7")
        await asyncio.Event().wait()

    async def CreateWebhook(
        self, request: Any, context: Any
    ) -> notification_pb2.CreateWebhookResponse:
        self.seen.append(request)
        if "127.0.0.1" in request.url:
            raise InvalidArgumentError("127.0.0.1 is an address of this machine", field="url")
        hook = self.hook(request.url, *request.events)
        return notification_pb2.CreateWebhookResponse(webhook=hook, secret="whsec_told-once")

    async def ListWebhooks(self, request: Any, context: Any) -> Any:
        return notification_pb2.ListWebhooksResponse(webhooks=self.webhooks)

    async def ListWebhookDeliveries(self, request: Any, context: Any) -> Any:
        self._known(request.parent)
        found = self.deliveries.get(request.parent, [])
        return notification_pb2.ListWebhookDeliveriesResponse(deliveries=found[: request.page_size])

    async def DeleteWebhook(self, request: Any, context: Any) -> Any:
        self.webhooks.remove(self._known(request.name))
        return notification_pb2.DeleteWebhookResponse()

    async def PauseWebhook(self, request: Any, context: Any) -> notification_pb2.Webhook:
        self._known(request.name).paused = True
        return self._known(request.name)

    async def ResumeWebhook(self, request: Any, context: Any) -> notification_pb2.Webhook:
        self._known(request.name).paused = False
        return self._known(request.name)

    async def TestWebhook(self, request: Any, context: Any) -> notification_pb2.WebhookDelivery:
        return self.deliver(self._known(request.name), D.STATE_PENDING, [])

    async def RedeliverWebhook(
        self, request: Any, context: Any
    ) -> notification_pb2.WebhookDelivery:
        self.seen.append(request)
        for delivery in self.deliveries.get(request.name.partition("/deliveries/")[0], []):
            if delivery.name == request.name:
                delivery.state = D.STATE_PENDING
                return delivery
        raise NotFoundError(f"there is no {request.name}", name=request.name)

    def _known(self, name: str) -> notification_pb2.Webhook:
        for hook in self.webhooks:
            if hook.name == name:
                return hook
        raise NotFoundError(f"there is no {name}", name=name)
