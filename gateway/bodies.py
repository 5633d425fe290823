"""Raw answers: messages of `google.api.HttpBody` as the HTTP body that they hold.

Headers come from the call's initial metadata, by an allow-list. What is sent is content of
strangers, so it carries their policy whatever the service said. A stream that breaks after its
first byte closes the connection before the body's end, so that nobody takes a part for the whole.
"""

import asyncio
import contextlib
import logging
import re
from typing import Any

import grpc
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from gateway import conditions, failures
from gateway.live.feed import disconnected
from services import media

log = logging.getLogger(__name__)

_HEADERS = {
    "etag": "etag",
    "cache-control": "cache-control",
    "content-disposition": "content-disposition",
    "x-content-length": "content-length",
}
"""Header of each key of the metadata that is passed on."""
_PRINTABLE = re.compile(r"[\x20-\x7e]*")
_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(; ?charset=[\w-]+)?", re.ASCII)


class Body:
    """Answers one HTTP request with one call: unary, or a stream of the body's pieces."""

    def __init__(self, call: Any, *, request: Request, streams: bool) -> None:
        self._call = call
        self._streams = streams
        self._head = request.method == "HEAD"
        self._known = request.headers.get("if-none-match", "")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends until the body ends or the client is gone, and cancels the call with it.

        Raises:
            AioRpcError: The call failed before anything was sent.
        """
        sending = asyncio.ensure_future(self._send(send))
        gone = asyncio.ensure_future(disconnected(receive))
        try:
            await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            for task in (sending, gone):
                task.cancel()
            self._call.cancel()
            with contextlib.suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
                await sending

    async def _send(self, send: Send) -> None:
        headers = _passed(await self._call.initial_metadata())
        if "etag" in headers and conditions.matches(self._known, headers["etag"]):
            # Told before the first byte is read: the service only sends it of what exists.
            headers.pop("content-length", None)
            await _start(send, 304, headers)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        first = await self._read()
        body = b"" if first is None else first.data
        headers["content-type"] = _type("" if first is None else first.content_type)
        if not self._streams:
            headers["content-length"] = str(len(body))
        await _start(send, 200, headers)
        if self._head:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await self._send_rest(send, body, declared=headers.get("content-length"))

    async def _send_rest(self, send: Send, body: bytes, *, declared: str | None) -> None:
        sent = 0
        try:
            while True:
                sent += len(body)
                if declared is not None and sent > int(declared):
                    break
                await send({"type": "http.response.body", "body": body, "more_body": True})
                following = await self._read() if self._streams else None
                if following is None:
                    if declared is None or sent == int(declared):
                        await send({"type": "http.response.body", "body": b"", "more_body": False})
                        return
                    break
                body = following.data
        except grpc.aio.AioRpcError as failure:
            _, described = failures.describe(failure)
            log.warning(f"a download broke after {sent} bytes: {described['error']['message']}")
            return
        log.error(f"a download had {sent} bytes or more in place of {declared}")
        # Returning without the end of the body makes the server close the connection.

    async def _read(self) -> Any:
        """The next message, or None at the end."""
        if not self._streams:
            return await self._call
        message = await self._call.read()
        return None if message is grpc.aio.EOF else message


def _passed(metadata: Any) -> dict[str, str]:
    headers = {}
    for key, value in metadata or ():
        if key in _HEADERS and isinstance(value, str) and _PRINTABLE.fullmatch(value):
            headers[_HEADERS[key]] = value
    if not headers.get("content-length", "0").isdecimal():
        del headers["content-length"]
    return headers


def _type(said: str) -> str:
    return said if _TYPE.fullmatch(said) else media.OCTETS


async def _start(send: Send, status: int, headers: dict[str, str]) -> None:
    pdf = headers.get("content-type") == "application/pdf"
    told = {
        "cache-control": "no-store",
        "content-security-policy": media.PDF_POLICY if pdf else media.POLICY,
        "x-frame-options": "SAMEORIGIN",
        **headers,
    }
    pairs = [(key.encode(), value.encode("latin-1")) for key, value in told.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
