"""HTTP/JSON to gRPC by descriptors: no route and no message is written twice.

Requests and answers follow protobuf's JSON mapping: 64-bit integers as strings, lowerCamelCase
out, both spellings in. Errors follow AIP-193 (`gateway.failures`), streams are server-sent events
(`gateway.sse`), files are their own bytes (`gateway.bodies`).
"""

import asyncio
import json
import logging
import re
from typing import Any

import grpc
from google.protobuf.message import Message
from starlette.datastructures import Headers, QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway import bodies, failures, requests, sse
from gateway.live.entries import message_json
from gateway.live.feed import KEEP_ALIVE_SECONDS, Feed, Single
from gateway.live.streams import Streams
from gateway.live.topics import shared, source_of
from gateway.routes import Match, RouteTable
from gateway.upstream import Upstream
from services import errors

log = logging.getLogger(__name__)

DEFAULT_TIMEOUT = 30.0
"""Seconds that a unary call may take, unless the client says otherwise with `Grpc-Timeout`."""

MAX_TIMEOUT = 600.0
"""More seconds than this no unary call gets."""

MAX_BODY_BYTES = 1024 * 1024
"""Largest request body."""

_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_TIMEOUT = re.compile(r"(\d{1,8})([HMSmun])")
_EVENT_ID_PARAMETERS = ("lastEventId", "last_event_id")


class Transcoder:
    """The ASGI application of everything below `/v1/`."""

    def __init__(
        self,
        upstream: Upstream,
        *,
        closing: asyncio.Event,
        keep_alive: float = KEEP_ALIVE_SECONDS,
        table: RouteTable | None = None,
        streams: Streams | None = None,
    ) -> None:
        self._upstream = upstream
        self._closing = closing
        self._keep_alive = keep_alive
        self._table = table or RouteTable()
        self._streams = streams or Streams()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        try:
            answer = await self._answer(Request(scope, receive))
            await answer(scope, receive, send)
        except ClientDisconnect:
            return
        except Exception as failure:
            if not isinstance(failure, grpc.aio.AioRpcError | errors.Error):
                log.exception(f"{scope['method']} {scope['path']} failed")
            await failures.response_of(failure)(scope, receive, send)

    async def _answer(self, request: Request) -> Response | sse.EventStream | Feed | bodies.Body:
        match = self._match(request)
        request.scope["route_name"] = match.route.template.text
        query = QueryParams(request.url.query).multi_items()
        resume_token = None
        if match.route.streams and not match.route.raw:
            query, resume_token = _resume(query, request.headers)
        message = requests.build(match, query=query, body=await read_body(request))
        if resume_token and hasattr(message, "resume_token"):
            message.resume_token = resume_token
        timeout = _timeout(request.headers)
        if shared(match.route) and timeout is None:
            return self._feed(match, message)
        channel = self._upstream.channel(match.route.peer)
        metadata = (("x-request-id", request.scope.get("request_id", "")),)
        if match.route.raw:
            limit = timeout if match.route.streams else _unary(timeout)
            call = self._callable(channel, match)(message, timeout=limit, metadata=metadata)
            return bodies.Body(call, request=request, streams=match.route.streams)
        if match.route.streams:
            return sse.EventStream(
                self._callable(channel, match)(message, timeout=timeout, metadata=metadata),
                closing=self._closing,
                keep_alive=self._keep_alive,
            )
        answer = await self._callable(channel, match)(
            message, timeout=_unary(timeout), metadata=metadata
        )
        return _json_answer(match, answer)

    def _feed(self, match: Match, message: Message) -> Feed:
        source = source_of(self._upstream, match.route, message)
        token = getattr(message, "resume_token", "")
        return self._streams.feed(
            [self._streams.reader(source, token=token)],
            Single(errors=True),
            closing=self._closing,
            keep_alive=self._keep_alive,
            early=True,
        )

    def _match(self, request: Request) -> Match:
        raw_path = request.scope.get("raw_path") or request.scope["path"].encode()
        verb = "GET" if request.method == "HEAD" else request.method
        try:
            match, allowed = self._table.match(verb, raw_path.decode("ascii"))
        except ValueError as error:
            raise errors.InvalidArgumentError("the path is no UTF-8") from error
        if match:
            return match
        if allowed:
            raise failures.HttpError(
                405,
                f"{request.method} is not possible here; {', '.join(allowed)} is",
                code="UNIMPLEMENTED",
                reason="METHOD_NOT_ALLOWED",
                allow=", ".join(allowed),
            )
        raise errors.NotFoundError(
            f"there is no {request.url.path} in this API; /openapi.json lists all that is"
        )

    @staticmethod
    def _callable(channel: grpc.aio.Channel, match: Match) -> Any:
        make = channel.unary_stream if match.route.streams else channel.unary_unary
        return make(
            match.route.method,
            request_serializer=match.route.request.SerializeToString,
            response_deserializer=match.route.response.FromString,
        )


async def read_body(request: Request, *, limit: int = MAX_BODY_BYTES) -> bytes:
    """Reads a JSON body, at most `limit` bytes of it.

    Raises:
        HttpError: It is larger (413), or says that it is no JSON (415).
    """
    declared = request.headers.get("content-length", "0")
    body = bytearray()
    if not declared.isdecimal() or int(declared) <= limit:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                break
        else:
            kind = request.headers.get("content-type", "application/json").partition(";")[0]
            if body and kind.strip().lower() != "application/json":
                raise failures.HttpError(
                    415,
                    f"the body is {kind!r}; only application/json is understood",
                    code="INVALID_ARGUMENT",
                    reason="UNSUPPORTED_MEDIA_TYPE",
                )
            return bytes(body)
    raise failures.HttpError(
        413,
        f"the body is larger than {limit} bytes",
        code="RESOURCE_EXHAUSTED",
        reason="BODY_TOO_LARGE",
        limit=str(limit),
    )


def _json_answer(match: Match, answer: Message) -> Response:
    text = message_json(answer)
    if match.route.response_body:
        field = match.route.rpc.output_type.fields_by_name[match.route.response_body]
        text = json.dumps(json.loads(text).get(field.json_name), ensure_ascii=False)
    return Response(
        text.encode(), media_type="application/json", headers={"cache-control": "no-store"}
    )


def _resume(
    query: list[tuple[str, str]], headers: Headers
) -> tuple[list[tuple[str, str]], str | None]:
    said = [value for key, value in query if key in _EVENT_ID_PARAMETERS]
    rest = [(key, value) for key, value in query if key not in _EVENT_ID_PARAMETERS]
    # The header wins: a browser that reconnects knows more than the address it began with.
    return rest, headers.get("last-event-id") or (said[-1] if said else None)


def _unary(timeout: float | None) -> float:
    return min(timeout or DEFAULT_TIMEOUT, MAX_TIMEOUT)


def _timeout(headers: Headers) -> float | None:
    text = headers.get("grpc-timeout")
    if text is None:
        return None
    found = _TIMEOUT.fullmatch(text)
    if found is None:
        raise errors.InvalidArgumentError(
            f"the header Grpc-Timeout is {text!r}, which is no duration such as 500m or 5S"
        )
    return int(found[1]) * _UNITS[found[2]]
