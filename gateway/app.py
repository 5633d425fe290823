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

from gateway import artefacts, badges, cors, failures, feed, probes, webhook
from gateway.access.admission import Admission, login_address
from gateway.access.gate import Gate
from gateway.caching import Cache
from gateway.compression import Compression
from gateway.context import Context, context_of
from gateway.guard import Guard
from gateway.live import endpoint as live
from gateway.pages import (
    api as api_page,
)
from gateway.pages import (
    audit,
    bisections,
    checks,
    comparisons,
    diagnostics,
    entities,
    environments,
    failure_groups,
    history,
    landing,
    login,
    matrix,
    negotiation,
    ontology,
    proposals,
    queue,
    revisions,
    runs,
    search,
    sources,
    sparql,
    tokens,
    trials,
    webhooks,
)
from gateway.pages.rendering import STATIC, Assets, page, see_other
from gateway.transcoding import Transcoder
from services.errors import Error

log = logging.getLogger(__name__)


def build(context: Context) -> ASGIApp:
    """Builds the application of one gateway."""
    pages = Starlette(
        routes=[
            *landing.ROUTES,
            *search.ROUTES,
            *feed.ROUTES,
            *badges.ROUTES,
            *entities.ROUTES,
            *environments.ROUTES,
            *trials.ROUTES,
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
            *webhooks.ROUTES,
            *sources.ROUTES,
            *api_page.ROUTES,
            *artefacts.ROUTES,
            *probes.ROUTES,
            *live.ROUTES,
            *login.ROUTES,
            *tokens.ROUTES,
            *audit.ROUTES,
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
    settings = context.settings
    admission = Admission(settings, context.upstream)
    pages.state.admission = admission
    api: ASGIApp = Transcoder(
        context.upstream,
        closing=context.closing,
        streams=context.streams,
        cache=context.cache,
        admission=admission,
    )
    if settings.cors_origins or settings.cors_credentials:
        api = cors.CrossOrigin(
            api, origins=settings.cors_origins, credentials=settings.cors_credentials
        )
    deliveries = webhook.Webhook(
        context.upstream, secret=context.settings.webhook_secret, closing=context.closing
    )
    split = _Split(api, Compression(pages), deliveries, cache=context.cache)

    async def refuse(request: Request, failure: Exception) -> Response:
        request.scope["app"] = pages
        return await _failed(request, failure)

    gate = Gate(
        split,
        admission=admission,
        settings=settings,
        upstream=context.upstream,
        refuse=refuse,
    )
    return Guard(gate, settings=settings, metrics=context.metrics)


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
    401: "Who are you?",
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
    if status == 401 and _is_browser(request):  # as HTTP says
        # People log in and come back; what they sent is not sent again by itself.
        back = (request.url.path, request.url.query) if request.method == "GET" else ("/", "")
        return see_other(login_address(*back))
    if not isinstance(failure, Error | grpc.aio.AioRpcError):
        log.error(f"{request.method} {request.url.path} failed", exc_info=failure)
    answer = _error_page(request, status, body)
    said = failures.response_of(failure).headers
    for name in ("retry-after", "www-authenticate"):
        if name in said:
            answer.headers[name] = said[name]
    return answer


def _is_browser(request: Request) -> bool:
    """Whether a person can be asked to log in; programs are told what they lack."""
    asks_for_page = "text/html" in request.headers.get("accept", "")
    return (
        asks_for_page
        and not negotiation.wants_json(request)
        and "authorization" not in request.headers
    )


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
