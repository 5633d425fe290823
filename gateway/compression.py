"""Compression of answers: which coding a client wants, and pages and static files in it.

Only whole bodies of text are compressed: never a stream of events, never a download, nothing that
is compressed already, and no page of somebody who is logged in (BREACH: docs/security.md).
"""

import asyncio
import functools
import zlib
from collections import OrderedDict
from collections.abc import Mapping

import brotli
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import conditions

SMALLEST = 1024
"""Bytes from which on a body is compressed; below, a packet is a packet."""

LARGEST = 4 * 1024 * 1024
"""Bytes up to which a body is held and compressed; larger ones are sent as they are."""

_IN_PLACE = 32 * 1024
"""Bytes up to which compressing (a millisecond) does not hold up other requests."""

_CODINGS = ("br", "gzip")
_TEXTS = {
    "application/atom+xml",
    "application/javascript",
    "application/json",
    "image/svg+xml",
    "text/css",
    "text/html",
    "text/javascript",
}
_KEPT_FILES = 64
"""Static files that are kept compressed; there are fewer."""


@functools.lru_cache(maxsize=256)
def preferred(accepted: bytes) -> str:
    """Chooses the coding for an `Accept-Encoding`: `br`, `gzip`, or empty for none."""
    weights: dict[str, float] = {}
    for item in accepted.decode("latin-1").lower().split(","):
        name, _, parameter = item.partition(";")
        key, _, value = parameter.strip().partition("=")
        try:
            weights[name.strip()] = float(value) if key == "q" else 1.0
        except ValueError:
            weights[name.strip()] = 0.0
    found = [(weights.get(coding, weights.get("*", 0.0)), coding) for coding in _CODINGS]
    weight, coding = max(found, key=lambda pair: pair[0])
    return coding if weight > 0.0 else ""


def encoded(body: bytes, coding: str, *, thorough: bool = False) -> bytes:
    """Compresses a body; `thorough` takes longer, for what is sent often."""
    if coding == "br":
        return bytes(brotli.compress(body, quality=11 if thorough else 4))
    compressor = zlib.compressobj(9 if thorough else 6, wbits=31)
    return compressor.compress(body) + compressor.flush()


async def encode(body: bytes, coding: str, *, thorough: bool = False) -> bytes:
    """Compresses a body; a large one in a thread."""
    if len(body) <= _IN_PLACE and not thorough:
        return encoded(body, coding)
    return await asyncio.to_thread(encoded, body, coding, thorough=thorough)


class Compression:
    """ASGI layer around the pages: compresses what is whole, text, and nobody's secret.

    Static files are compressed as well as can be, once for each process.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._files: OrderedDict[tuple[str, str, str], bytes] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        headers = Headers(scope=scope)
        coding = preferred(headers.get("accept-encoding", "").encode("latin-1"))
        if scope["method"] not in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        answer = _Answer(self, scope, headers, coding, send)
        await self._app(scope, receive, answer.take)

    async def file(self, key: tuple[str, str, str], body: bytes) -> bytes:
        """Compresses a static file, or remembers that it did."""
        if key not in self._files:
            self._files[key] = await encode(body, key[2], thorough=True)
            while len(self._files) > _KEPT_FILES:
                self._files.popitem(last=False)
        return self._files[key]


class _Answer:
    """One answer on its way: held back until it is whole, where it may be compressed."""

    def __init__(
        self,
        layer: Compression,
        scope: Scope,
        headers: Headers,
        coding: str,
        send: Send,
    ) -> None:
        self._layer = layer
        self._scope = scope
        self._asked = headers
        self._coding = coding
        self._send = send
        self._held: Message | None = None
        self._parts = bytearray()

    async def take(self, message: Message) -> None:
        """Passes a message on, now or with the end of the body."""
        if message["type"] == "http.response.start":
            if not _may_compress(message, self._asked):
                await self._send(message)
                return
            MutableHeaders(scope=message).add_vary_header("Accept-Encoding")
            if self._coding and self._scope["method"] != "HEAD":
                self._held = message
            else:
                await self._send(message)
            return
        if self._held is None:
            await self._send(message)
            return
        self._parts += message.get("body", b"")
        if message.get("more_body") and len(self._parts) <= LARGEST:
            return
        await self._finish(whole=not message.get("more_body"))

    async def _finish(self, *, whole: bool) -> None:
        start, body = self._held, bytes(self._parts)
        assert start is not None  # noqa: S101  # held above
        self._held = None
        if whole and len(body) >= SMALLEST:
            headers = MutableHeaders(scope=start)
            etag = headers.get("etag", "")
            if self._scope["path"].startswith("/static/") and etag:
                body = await self._layer.file((self._scope["path"], etag, self._coding), body)
            else:
                body = await encode(body, self._coding)
            headers["content-encoding"] = self._coding
            headers["content-length"] = str(len(body))
            if etag:  # other bytes, another name
                headers["etag"] = f'{etag[:-1]}-{self._coding}"'
                if conditions.matches(self._asked.get("if-none-match", ""), headers["etag"]):
                    start["status"], body = 304, b""
                    del headers["content-length"]
                    del headers["content-encoding"]
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body, "more_body": not whole})


def _may_compress(start: Message, asked: Headers) -> bool:
    if start["status"] != 200:
        return False
    headers: Mapping[str, str] = Headers(raw=start["headers"])
    kind = headers.get("content-type", "").partition(";")[0].strip()
    if kind not in _TEXTS or "content-encoding" in headers:
        return False
    # Pages of somebody who is logged in hold a token against cross-site requests beside words that
    # the address can choose: how well such a page compresses would tell the token.
    return not (kind == "text/html" and ("cookie" in asked or "authorization" in asked))
