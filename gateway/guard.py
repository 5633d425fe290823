"""What every request has to pass, and what every answer carries.

This holds for everybody, before anybody is asked who they are (`gateway.access`). There is no login
on loopback, so a browser on the same machine must not become the hand of a foreign page: the Host
has to be one of ours (against DNS rebinding), and whatever changes something has to come from our
own pages or from no page at all (against cross-site requests).
"""

import functools
import logging
import re
import secrets
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import failures
from gateway.metrics import Metrics
from gateway.settings import Settings

log = logging.getLogger(__name__)

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; worker-src 'self'; frame-src 'self'; "
    "form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
"""Content security policy of our own pages: nothing inline, nothing from elsewhere."""

_HEADERS: Sequence[tuple[str, str]] = (
    ("content-security-policy", PAGE_POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    # Not `no-referrer`: browsers would then send `Origin: null` with our own forms.
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
_RAW_HEADERS = [(name.encode(), value.encode()) for name, value in _HEADERS]
_SAFE = {"GET", "HEAD", "OPTIONS"}
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Guard:
    """Outermost ASGI layer: refuses, counts, times, and adds the security headers."""

    def __init__(self, app: ASGIApp, *, settings: Settings, metrics: Metrics) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics
        self._hosts = settings.hosts
        self._origins = frozenset(
            name.lower() for name in (*settings.cors_origins, *settings.cors_credentials)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        scope["request_id"] = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        begin = time.perf_counter()
        status = 499  # the client left before there was an answer

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                raw = message.get("headers", [])
                told = {name for name, _ in raw}
                message["headers"] = [
                    *raw,
                    *(pair for pair in _RAW_HEADERS if pair[0] not in told),
                    (b"x-request-id", scope["request_id"].encode()),
                ]
            await send(message)

        try:
            refusal = self.refusal(scope["method"], headers, path=scope["path"])
            if refusal:
                await failures.response_of(refusal)(scope, receive, send_with_headers)
            else:
                await self._app(scope, receive, send_with_headers)
        finally:
            self._metrics.observe(
                verb=scope["method"],
                route=scope.get("route_name", "other"),
                status=status,
                seconds=time.perf_counter() - begin,
            )

    def refusal(self, verb: str, headers: Headers, *, path: str = "/") -> failures.HttpError | None:
        """Says why a request is refused, or None where it may pass."""
        host = headers.get("host", "")
        name = _host_name(host)
        allowed = self._hosts
        if name not in allowed and "*" not in allowed:
            return failures.HttpError(
                421,
                f"this gateway does not answer for the host {host!r}; name it in "
                "ACKREP_GATEWAY_ALLOWED_HOSTS if it should",
                code="PERMISSION_DENIED",
                reason="HOST_NOT_ALLOWED",
                host=host,
            )
        if verb in _SAFE:
            return None
        # Named origins may use the API; what they may is a matter of tokens, as for everybody.
        if path.startswith("/v1/") and headers.get("origin", "").lower() in self._origins:
            return None
        if not _same_origin(headers, host):
            return failures.HttpError(
                403,
                "another site's page may not change anything here",
                code="PERMISSION_DENIED",
                reason="CROSS_SITE_REQUEST",
            )
        return None


@functools.lru_cache(maxsize=256)
def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _same_origin(headers: Headers, host: str) -> bool:
    origin = headers.get("origin")
    if origin is not None:
        # The scheme may differ where a proxy ends TLS; host and port say who it is.
        return re.sub("^https?://", "", origin.lower()) == host.lower()
    # Programs send neither; browsers that leave Origin out still say where a request is from.
    return headers.get("sec-fetch-site", "none") in {"none", "same-origin"}
