"""The gateway's ASGI application: guard, then the API below `/v1/`, then the pages."""

import logging
from typing import Any

import grpc
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import artefacts, cors, failures, probes, webhook
from gateway.caching import Cache
from gateway.compression import Compression
from gateway.context import Context, context_of
from gateway.guard import Guard
from gateway.live import endpoint as live
from gateway.pages import (
    bisections,
    checks,
    comparisons,
    diagnostics,
    entities,
    failure_groups,
    history,
    landing,
    matrix,
    ontology,
    proposals,
    queue,
    revisions,
    runs,
    search,
    sources,
    sparql,
)
from gateway.pages.rendering import STATIC, Assets, page
from gateway.transcoding import Transcoder
from services.errors import Error

log = logging.getLogger(__name__)


def build(context: Context) -> ASGIApp:
    """Builds the application of one gateway."""
    pages = Starlette(
        routes=[
            *landing.ROUTES,
            *search.ROUTES,
            *entities.ROUTES,
            *ontology.ROUTES,
            *sparql.ROUTES,
            *diagnostics.ROUTES,
            *revisions.ROUTES,
            *checks.ROUTES,
            *comparisons.ROUTES,
            *runs.ROUTES,
            *matrix.ROUTES,
            *failure_groups.ROUTES,
            *history.ROUTES,
            *bisections.ROUTES,
            *proposals.ROUTES,
            *queue.ROUTES,
            *sources.ROUTES,
            *artefacts.ROUTES,
            *probes.ROUTES,
            *live.ROUTES,
            Mount("/static", Assets(directory=STATIC)),
        ],
        exception_handlers={
            Error: _failed,
            grpc.aio.AioRpcError: _failed,
            HTTPException: _refused,
            Exception: _failed,
        },
    )
    pages.state.context = context
    api: ASGIApp = Transcoder(
        context.upstream, closing=context.closing, streams=context.streams, cache=context.cache
    )
    settings = context.settings
    if settings.cors_origins or settings.cors_credentials:
        api = cors.CrossOrigin(
            api, origins=settings.cors_origins, credentials=settings.cors_credentials
        )
    deliveries = webhook.Webhook(
        context.upstream, secret=context.settings.webhook_secret, closing=context.closing
    )
    return Guard(
        _Split(api, Compression(pages), deliveries, cache=context.cache),
        settings=context.settings,
        metrics=context.metrics,
    )


class _Split:
    """Sends `/v1/…` to the API, deliveries to the webhook, and the rest to the pages."""

    def __init__(self, api: ASGIApp, pages: ASGIApp, webhook: ASGIApp, *, cache: Cache) -> None:
        self._api = api
        self._pages = pages
        self._webhook = webhook
        self._cache = cache

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in {"GET", "HEAD", "OPTIONS"}:
            send = self._forgetting(send)
        if scope["path"] == webhook.PATH:
            await self._webhook(scope, receive, send)
            return
        below = scope["path"] == "/v1" or scope["path"].startswith("/v1/")
        await (self._api if below else self._pages)(scope, receive, send)

    def _forgetting(self, send: Send) -> Send:
        """What changes something is seen at once by whoever did it, before any event tells."""

        async def forget(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._cache.forget()
            await send(message)

        return forget


_REFUSALS = {
    404: ("NOT_FOUND", "NOT_FOUND"),
    405: ("UNIMPLEMENTED", "METHOD_NOT_ALLOWED"),
}
"""Status and reason of what the router refuses."""

_TITLES = {
    400: "That does not work",
    403: "Not allowed",
    404: "Nothing here",
    405: "Not this way",
    413: "Too much at once",
    429: "Too much waits already",
    503: "Not answering",
    504: "Took too long",
}


async def _failed(request: Request, failure: Exception) -> Response:
    """Shows a failure as a page; what it is inside stays in the log."""
    status, body = failures.describe(failure)
    if not isinstance(failure, Error | grpc.aio.AioRpcError):
        log.error(f"{request.method} {request.url.path} failed", exc_info=failure)
    answer = _error_page(request, status, body)
    if wait := failures.response_of(failure).headers.get("retry-after"):
        answer.headers["retry-after"] = wait
    return answer


async def _refused(request: Request, failure: Exception) -> Response:
    assert isinstance(failure, HTTPException)  # noqa: S101  # by registration
    message = {
        404: "There is no page at this address.",
        405: f"This address does not understand {request.method}.",
    }.get(failure.status_code, failure.detail)
    code, reason = _REFUSALS.get(failure.status_code, ("UNKNOWN", "REFUSED"))
    said = failures.HttpError(failure.status_code, message, code=code, reason=reason)
    answer = _error_page(request, *failures.describe(said))
    answer.headers.update(failure.headers or {})
    return answer


def _error_page(request: Request, status: int, body: dict[str, Any]) -> Response:
    if context_of(request).closing.is_set():
        body["error"]["message"] = "The gateway is stopping."
    title = _TITLES.get(status, "Something failed")
    return page(
        request,
        "error.html",
        status=status,
        data=body,
        code=status,
        title=title,
        message=body["error"]["message"],
        request_id=request.scope.get("request_id", ""),
    )
