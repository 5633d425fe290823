"""Pages of other origins that may use the API: none, but those that the settings name."""

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_VERBS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_ASKED = "Authorization, Content-Type, Grpc-Timeout, If-None-Match, Last-Event-ID, X-Request-Id"
_SHOWN = "ETag, Retry-After, X-Request-Id"
_PREFLIGHT_SECONDS = "600"


class CrossOrigin:
    """ASGI layer around the API that says to browsers which pages may read its answers.

    Args:
        app: What answers.
        origins: `scheme://host[:port]` of pages that may ask without cookies.
        credentials: Of these, the ones that may send cookies too.
    """

    def __init__(
        self, app: ASGIApp, *, origins: Collection[str], credentials: Collection[str]
    ) -> None:
        self._app = app
        self._credentials = frozenset(name.lower() for name in credentials)
        self._origins = self._credentials | {name.lower() for name in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        asked = Headers(scope=scope)
        origin = asked.get("origin", "").lower()
        preflight = scope["method"] == "OPTIONS" and "access-control-request-method" in asked

        async def send_with_permission(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Origin")
                if origin in self._origins:
                    self._permit(headers, origin, preflight=preflight)
            await send(message)

        await self._app(scope, receive, send_with_permission)

    def _permit(self, headers: MutableHeaders, origin: str, *, preflight: bool) -> None:
        headers["access-control-allow-origin"] = origin
        if origin in self._credentials:
            headers["access-control-allow-credentials"] = "true"
        if preflight:
            headers["access-control-allow-methods"] = _VERBS
            headers["access-control-allow-headers"] = _ASKED
            headers["access-control-max-age"] = _PREFLIGHT_SECONDS
        else:
            headers["access-control-expose-headers"] = _SHOWN
