"""Files that checks produced. Strangers made them: none of them ever runs on our origin."""

import re
from collections.abc import AsyncIterator
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

import grpc
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ackrep.scheduler.v1 import scheduler_pb2
from gateway.context import context_of
from services import rpc
from services.errors import NotFoundError

POLICY = (
    "sandbox; default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'"
)
"""Policy of everything that users produced: an origin of its own, and no script."""

INLINE = {
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "image/svg+xml",
    "text/html",
    "text/plain",
}
"""Types that browsers may show; all others are offered for download."""

ALLOWED = INLINE | {
    "application/json",
    "application/jsonl",
    "application/pdf",
    "application/x-npy",
    "application/zip",
    "text/csv",
}
"""Types that are told as they are; all others are `application/octet-stream`."""

_BY_SUFFIX = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".svg": "image/svg+xml",
    ".html": "text/html",
    ".pdf": "application/pdf",
    ".csv": "text/csv",
    ".txt": "text/plain",
}
_SHA256 = re.compile("[0-9a-f]{64}")


def media_type(stored: str, filename: str) -> str:
    """Chooses the type to answer with: the stored one where allowed, else one by suffix."""
    kind = stored.partition(";")[0].strip().lower()
    if kind in ALLOWED:
        return kind
    suffix = PurePosixPath(filename).suffix.lower()
    return _BY_SUFFIX.get(suffix, "application/octet-stream")


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
    kind = media_type("" if empty else first.content_type, filename)
    shown = "inline" if kind in INLINE and "download" not in request.query_params else "attachment"
    return StreamingResponse(
        _chunks(call, b"" if empty else first.data, ended=empty),
        media_type=kind,
        headers={
            **_cache_headers(digest),
            "content-security-policy": POLICY,
            "x-frame-options": "SAMEORIGIN",
            "content-disposition": f"{shown}; filename*=UTF-8''{quote(filename, safe='')}",
        },
    )


def _cache_headers(digest: str) -> dict[str, str]:
    return {"etag": f'"{digest}"', "cache-control": "public, max-age=31536000, immutable"}


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
