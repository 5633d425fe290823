"""Files that checks produced. Strangers made them: none of them ever runs on our origin."""

import re
from collections.abc import AsyncIterator
from typing import Any

import grpc
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ackrep.scheduler.v1 import scheduler_pb2
from gateway.access.viewers import viewer_of
from gateway.context import context_of
from gateway.failures import HttpError
from services import media, rpc
from services.errors import NotFoundError

_LOG = "application/x-ndjson"
"""Type of logs; an entity's own files of that kind are not told apart from them."""
_SHA256 = re.compile("[0-9a-f]{64}")


async def artefact(request: Request) -> Response:
    """Streams one artefact. Its address is its content, so it may be kept for ever."""
    digest, filename = request.path_params["sha256"], request.path_params["filename"]
    if not _SHA256.fullmatch(digest):
        raise NotFoundError(f"{digest!r} is no sha256")
    if request.headers.get("if-none-match") == f'"{digest}"':
        # It may only be known by who got it, so it exists.
        return Response(status_code=304, headers=_cache_headers(digest))
    call: Any = context_of(request).upstream.scheduler.DownloadArtefact(
        scheduler_pb2.DownloadArtefactRequest(name=f"artefacts/{digest}")
    )
    with rpc.remote_errors():
        first = await call.read()
    empty = first is grpc.aio.EOF
    if not empty and first.content_type == _LOG and not viewer_of(request).sees_errors:
        call.cancel()
        raise HttpError(
            403,
            "logs are shown to maintainers only here (ACKREP_GATEWAY_DEBUG=1 shows them to all)",
            code="PERMISSION_DENIED",
            reason="LOG_HIDDEN",
        )
    kind = media.artefact_type("" if empty else first.content_type, filename)
    shown = kind in media.INLINE and "download" not in request.query_params
    return StreamingResponse(
        _chunks(call, b"" if empty else first.data, ended=empty),
        media_type=kind,
        headers={
            **_cache_headers(digest),
            "content-security-policy": media.POLICY,
            "x-frame-options": "SAMEORIGIN",
            "content-disposition": media.disposition(filename, inline=shown),
        },
    )


def _cache_headers(digest: str) -> dict[str, str]:
    return {"etag": f'"{digest}"', "cache-control": "private, max-age=31536000, immutable"}


async def _chunks(call: Any, first: bytes, *, ended: bool) -> AsyncIterator[bytes]:
    try:
        yield first
        while not ended:
            chunk = await call.read()
            ended = chunk is grpc.aio.EOF
            if not ended:
                yield chunk.data
    finally:
        call.cancel()


ROUTES = [Route("/artefacts/{sha256}/{filename}", artefact)]
