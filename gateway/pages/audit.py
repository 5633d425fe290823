"""`/audit`: who did what over HTTP, and who was refused."""

import time
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ackrep.scheduler.v1 import access_pb2
from gateway.access.authentication import SCOPES
from gateway.context import context_of
from gateway.pages.rendering import page
from services.rpc import remote_errors

_TIMEOUT = 10.0
_PAGE = 100
_LONGEST = 100
_SPANS: Mapping[str, tuple[str, float]] = {
    "hour": ("the last hour", 3600.0),
    "day": ("the last day", 86_400.0),
    "week": ("the last week", 604_800.0),
}
_LINKED = ("checks/", "runs/", "environments/", "bisections/", "trials/")
_LEFT = 499


async def audit(request: Request) -> Response:
    """The audit log, newest first, narrowed by a form."""
    asked = {
        name: request.query_params.get(name, "")[:_LONGEST]
        for name in ("principal", "action", "resource", "since", "outcome")
    }
    ask = access_pb2.ListAuditEntriesRequest(
        page_size=_PAGE,
        page_token=request.query_params.get("page", ""),
        principal=asked["principal"],
        action=asked["action"],
        resource=asked["resource"],
        failed_only=asked["outcome"] == "failed",
    )
    if span := _SPANS.get(asked["since"]):
        # To the minute: the page token belongs to the whole question.
        ask.since_time.FromSeconds(int((time.time() - span[1]) // 60 * 60))
    if since := request.query_params.get("from", ""):
        ask.since_time.FromSeconds(int(since) if since.isdecimal() and len(since) < 11 else 0)
    with remote_errors():
        found = await context_of(request).upstream.access.ListAuditEntries(ask, timeout=_TIMEOUT)
    following = ""
    if found.next_page_token:
        kept = {name: text for name, text in asked.items() if text}
        if ask.HasField("since_time"):
            kept["from"] = str(ask.since_time.seconds)
        following = "/audit?" + urlencode({**kept, "page": found.next_page_token})
    return page(
        request,
        "audit.html",
        data={"entries": found.entries, "nextPage": found.next_page_token},
        entries=[(one, SCOPES.get(one.scope), _outcome(one.status)) for one in found.entries],
        following=following,
        asked=asked,
        narrowed=any(asked.values()),
        spans={key: label for key, (label, _) in _SPANS.items()},
        address_of=_address,
    )


def _outcome(status: int) -> tuple[str, str]:
    """How a request ended: the chip's slug, and words."""
    if status == _LEFT:
        return "cancelled", "left before the answer"
    try:
        phrase = HTTPStatus(status).phrase.lower()
    except ValueError:
        phrase = str(status)
    if status < HTTPStatus.BAD_REQUEST:
        return "success", "done"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "infrastructure-error", phrase
    return "script-error", phrase


def _address(resource: str) -> str:
    """The page of a resource; empty where it has none."""
    if resource.startswith("entities/"):
        return "/e/" + resource.removeprefix("entities/")
    return f"/{resource}" if resource.startswith(_LINKED) else ""


ROUTES = [Route("/audit", audit, methods=["GET"])]
