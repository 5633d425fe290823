"""What travels with a call: its deadline, what traces it, and its end when nobody waits for it."""

import asyncio
import re
from typing import Any

from google.protobuf.message import Message
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from gateway.live.feed import FIRST_MESSAGE_SECONDS, HEADERS, disconnected
from services import errors

DEFAULT_TIMEOUT = 30.0
"""Seconds that a unary call may take, unless the client says otherwise with `Grpc-Timeout`."""

MAX_TIMEOUT = 600.0
"""More seconds than this no unary call gets."""

_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])")
_TRACE = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

Metadata = tuple[tuple[str, str], ...]


def timeout_of(headers: Headers) -> float | None:
    """Reads the deadline that a client set, in seconds.

    Raises:
        InvalidArgumentError: It is none.
    """
    text = headers.get("grpc-timeout")
    if text is None:
        return None
    found = _TIMEOUT.fullmatch(text)
    if found is None:
        raise errors.InvalidArgumentError(
            f"the header Grpc-Timeout is {text!r}, which is no duration such as 500m or 5S",
            parameter="Grpc-Timeout",
        )
    return int(found[1]) * _UNITS[found[2]]


def bounded(timeout: float | None) -> float:
    """The deadline of a call that ends by itself."""
    return min(DEFAULT_TIMEOUT if timeout is None else timeout, MAX_TIMEOUT)


def metadata_of(request: Request) -> Metadata:
    """What is passed on of a request: its id and its trace. Nothing else, credentials least."""
    passed = (("x-request-id", request.scope.get("request_id", "")),)
    trace = request.headers.get("traceparent", "")
    return (*passed, ("traceparent", trace)) if _TRACE.fullmatch(trace) else passed


async def answered(call: Any, request: Request) -> Message:
    """Waits for a unary call, and cancels it when the client is gone.

    Raises:
        ClientDisconnect: It is gone.
        AioRpcError: The call failed.
    """
    gone = asyncio.ensure_future(disconnected(request.receive))
    gone.add_done_callback(lambda _: call.cancel())
    try:
        answer: Message = await call
    except asyncio.CancelledError:
        if gone.done() and not gone.cancelled():
            raise ClientDisconnect from None
        call.cancel()
        raise
    finally:
        gone.cancel()
    return answer


async def head_of(call: Any) -> Response:
    """Answers HEAD of a stream: as the stream would begin, and nothing of it.

    Raises:
        AioRpcError: It would not begin.
    """
    first = asyncio.ensure_future(call.read())
    try:
        await asyncio.wait({first}, timeout=FIRST_MESSAGE_SECONDS)
        if first.done():
            first.result()
    finally:
        first.cancel()
        call.cancel()
    return Response(headers={name.decode(): value.decode() for name, value in HEADERS})
