"""`POST /hooks/source`: a forge says that the data repository has changed.

What a delivery says is not looked at: it only has the catalog read its source again, at once, as
everybody who may write can. So a delivery that is repeated, or is old, does no harm.
"""

import asyncio
import hashlib
import hmac
import logging

import grpc
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from ackrep.catalog.v1 import catalog_pb2
from gateway import failures
from gateway.upstream import Upstream
from services import errors, rpc

log = logging.getLogger(__name__)

PATH = "/hooks/source"
MAX_BODY_BYTES = 25 * 1024 * 1024
"""Larger deliveries are refused; GitHub sends none."""
_BODY_SECONDS = 30.0
_SYNC_SECONDS = 900.0
_RETRY_SECONDS = (1.0, 5.0, 30.0)
_GITHUB = "x-hub-signature-256"
_GITLAB = "x-gitlab-token"


class Webhook:
    """The ASGI application of the webhook; without a secret there is none.

    Args:
        upstream: Its catalog reads the source again.
        secret: What the forge knows.
        closing: Set when the gateway stops.
    """

    def __init__(self, upstream: Upstream, *, secret: str, closing: asyncio.Event) -> None:
        self._secret = secret.encode()
        self._reading = _Reading(upstream, closing=closing)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one delivery, before the source is read."""
        scope["route_name"] = PATH if self._secret else "other"
        try:
            answer = await self._answer(Request(scope, receive))
        except ClientDisconnect:
            return
        except errors.Error as failure:
            answer = failures.response_of(failure)
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if not self._secret:
            raise errors.NotFoundError("this gateway takes no deliveries")
        if request.method != "POST":
            raise failures.HttpError(
                405,
                f"{request.method} is not possible here; POST is",
                code="UNIMPLEMENTED",
                reason="METHOD_NOT_ALLOWED",
                allow="POST",
            )
        digest = await _digest_of(request, key=self._secret)
        if not self._is_genuine(request.headers, digest):
            # Not who sent it nor what is wrong with it: whoever guesses learns nothing.
            raise errors.UnauthenticatedError(
                "the delivery is not signed with this gateway's secret"
            )
        self._reading.ask()
        return JSONResponse({}, status_code=202, headers={"cache-control": "no-store"})

    def _is_genuine(self, headers: Headers, digest: str) -> bool:
        signatures, tokens = headers.getlist(_GITHUB), headers.getlist(_GITLAB)
        if len(signatures) + len(tokens) != 1:
            return False
        if signatures:
            return _same(signatures[0], f"sha256={digest}".encode())
        return _same(tokens[0], self._secret)


def _same(given: str, expected: bytes) -> bool:
    # Headers are decoded as Latin-1, whatever bytes they hold.
    return hmac.compare_digest(given.encode("latin-1"), expected)


async def _digest_of(request: Request, *, key: bytes) -> str:
    """HMAC of the body, which is not kept.

    Raises:
        HttpError: It is too large (413), or does not arrive (408).
    """
    found = hmac.new(key, digestmod=hashlib.sha256)
    declared = request.headers.get("content-length", "0")
    size = int(declared) if declared.isdecimal() else 0
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            if size <= MAX_BODY_BYTES:
                size = 0
                async for chunk in request.stream():
                    found.update(chunk)
                    size += len(chunk)
                    if size > MAX_BODY_BYTES:
                        break
    except TimeoutError as error:
        raise failures.HttpError(
            408,
            f"the body did not arrive within {_BODY_SECONDS:g} s",
            code="DEADLINE_EXCEEDED",
            reason="BODY_TOO_SLOW",
        ) from error
    if size > MAX_BODY_BYTES:
        raise failures.HttpError(
            413,
            f"the body is larger than {MAX_BODY_BYTES} bytes",
            code="RESOURCE_EXHAUSTED",
            reason="BODY_TOO_LARGE",
            limit=str(MAX_BODY_BYTES),
        )
    return found.hexdigest()


class _Reading:
    """Has the source read, once at a time; however many ask meanwhile, once more after that."""

    def __init__(self, upstream: Upstream, *, closing: asyncio.Event) -> None:
        self._upstream = upstream
        self._closing = closing
        self._asked = False
        self._task: asyncio.Task[None] | None = None

    def ask(self) -> None:
        """Has the source read, or read again."""
        self._asked = True
        if self._task is None:
            self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            while self._asked and not self._closing.is_set():
                self._asked = False
                await self._read_once()
        finally:
            self._task = None

    async def _read_once(self) -> None:
        for pause in (*_RETRY_SECONDS, None):
            try:
                with rpc.remote_errors():
                    revision = await self._upstream.catalog.SyncRevision(
                        catalog_pb2.SyncRevisionRequest(), timeout=_SYNC_SECONDS
                    )
            except errors.UnavailableError as error:
                if pause is None or self._closing.is_set():
                    log.warning(f"a delivery had no effect: {error.message}")
                    return
                await asyncio.sleep(pause)
            except (errors.Error, grpc.aio.UsageError) as error:
                log.warning(f"a delivery had no effect: {error}")
                return
            else:
                log.info(f"after a delivery, {revision.name} is current")
                return
