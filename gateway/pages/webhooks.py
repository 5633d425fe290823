"""`/webhooks`: who is told of verdict changes and finished runs, and how that went."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.scheduler.v1 import notification_pb2
from gateway.access.viewers import viewer_of
from gateway.context import context_of
from gateway.failures import HttpError
from gateway.forms import read_form
from gateway.pages import latest, words
from gateway.pages.rendering import page, see_other
from services.errors import InvalidArgumentError
from services.rpc import remote_errors

_TIMEOUT = latest.TIMEOUT
_SHOWN = 10
"""Deliveries of each webhook on the page of all."""
_LOG = 100
_D = notification_pb2.WebhookDelivery
_STATES: Mapping[int, words.Word] = {
    _D.STATE_PENDING: words.Word("queued", "waits", "It is tried again."),
    _D.STATE_DELIVERED: words.Word("success", "delivered", "The receiver accepted it."),
    _D.STATE_FAILED: words.Word("error", "given up", "It failed for a day."),
}
EVENTS: Sequence[tuple[str, str]] = (
    ("verdict.broken", "an entity breaks"),
    ("verdict.repaired", "one is repaired"),
    ("verdict.changed", "one fails in another way"),
    ("verdict.first", "one has its first verdict"),
    ("run.finished", "a run is finished"),
)
_USUAL = frozenset({"verdict.broken", "verdict.repaired"})
_LARGEST_FORM = 16 * 1024


@dataclass(frozen=True)
class Asked:
    """What the form to make a webhook holds."""

    url: str = ""
    events: frozenset[str] = _USUAL
    problem: str = ""


@dataclass(frozen=True)
class Made:
    """A webhook that was just made, with the secret that is told once."""

    webhook: notification_pb2.Webhook
    secret: str


async def webhooks(request: Request) -> Response:
    """All webhooks with their newest deliveries, and the form to make one."""
    _require_administrator(request)
    return await _listed(request)


async def create(request: Request) -> Response:
    """Makes a webhook (a form's target); its secret is shown once, and what is wrong beside it."""
    _require_administrator(request)
    form = await _read(request)
    url = form.get("url", [""])[-1].strip()
    events = frozenset(form.get("event", []))
    try:
        if not events:
            raise InvalidArgumentError("choose at least one event", field="events")
        with remote_errors():
            answer = await context_of(request).upstream.notifications.CreateWebhook(
                notification_pb2.CreateWebhookRequest(
                    url=url, events=sorted(events), secret=form.get("secret", [""])[-1]
                ),
                timeout=_TIMEOUT,
            )
    except InvalidArgumentError as error:
        return await _listed(request, asked=Asked(url[:2000], events, error.message), status=400)
    return await _listed(request, made=Made(answer.webhook, answer.secret))


async def log(request: Request) -> Response:
    """One webhook with a long log of its deliveries."""
    _require_administrator(request)
    return await _listed(request, only=f"webhooks/{request.path_params['id']}")


async def act(request: Request) -> Response:
    """Pauses, resumes, tries or deletes a webhook, or repeats a delivery (forms' target)."""
    _require_administrator(request)
    stub = context_of(request).upstream.notifications
    name = f"webhooks/{request.path_params['id']}"
    form = await read_form(request)
    back = f"/{name}"
    with remote_errors():
        match request.path_params["verb"]:
            case "pause":
                ask = notification_pb2.PauseWebhookRequest(name=name)
                await stub.PauseWebhook(ask, timeout=_TIMEOUT)
            case "resume":
                resume = notification_pb2.ResumeWebhookRequest(name=name)
                await stub.ResumeWebhook(resume, timeout=_TIMEOUT)
            case "test":
                test = notification_pb2.TestWebhookRequest(name=name)
                await stub.TestWebhook(test, timeout=_TIMEOUT)
            case "delete":
                gone = notification_pb2.DeleteWebhookRequest(name=name)
                await stub.DeleteWebhook(gone, timeout=_TIMEOUT)
                back = "/webhooks"
            case _:
                again = notification_pb2.RedeliverWebhookRequest(
                    name=f"{name}/deliveries/{form.get('delivery', '')}"
                )
                await stub.RedeliverWebhook(again, timeout=_TIMEOUT)
    return see_other(back)


async def _listed(
    request: Request,
    *,
    only: str = "",
    asked: Asked | None = None,
    made: Made | None = None,
    status: int = 200,
) -> Response:
    stub = context_of(request).upstream.notifications
    with remote_errors():
        answer = await stub.ListWebhooks(notification_pb2.ListWebhooksRequest(), timeout=_TIMEOUT)
        shown = [one for one in answer.webhooks if only in ("", one.name)]
        pages: list[Any] = await asyncio.gather(
            *(
                stub.ListWebhookDeliveries(
                    notification_pb2.ListWebhookDeliveriesRequest(
                        parent=name, page_size=_LOG if only else _SHOWN
                    ),
                    timeout=_TIMEOUT,
                )
                # A name that nobody has fails here, with the words for that.
                for name in ([only] if only else [one.name for one in shown])
            )
        )
    found = [
        (webhook, deliveries.deliveries, bool(deliveries.next_page_token))
        for webhook, deliveries in zip(shown, pages, strict=True)
    ]
    return page(
        request,
        "webhooks.html",
        status=status,
        data={
            "webhooks": [
                {"webhook": webhook, "deliveries": deliveries} for webhook, deliveries, _ in found
            ],
            "created": made,
            "problem": asked.problem if asked else "",
        },
        found=found,
        only=only,
        asked=asked or Asked(),
        made=made,
        active=any(one.state == _D.STATE_PENDING for _, some, _ in found for one in some),
        events=EVENTS,
        delivery_word=lambda one: _STATES.get(one.state, _STATES[_D.STATE_PENDING]),
    )


def _require_administrator(request: Request) -> None:
    """Refuses everybody else.

    Raises:
        HttpError: Somebody else asks (403).
    """
    if not viewer_of(request).may_administer:
        raise HttpError(
            403,
            "webhooks are for administrators: they say where this system calls",
            code="PERMISSION_DENIED",
            reason="SCOPE_MISSING",
        )


async def _read(request: Request) -> dict[str, list[str]]:
    """Reads a form in which a field may come several times."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_FORM:
            raise InvalidArgumentError("the form is too large", field="url")
    return parse_qs(body.decode("utf-8", "replace"), max_num_fields=64)


ROUTES = [
    Route("/webhooks", webhooks, methods=["GET"]),
    Route("/webhooks", create, methods=["POST"]),
    Route("/webhooks/{id}", log, methods=["GET"]),
    Route("/webhooks/{id}/{verb}", act, methods=["POST"]),
]
