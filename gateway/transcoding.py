"""HTTP/JSON to gRPC by descriptors: no route and no message is written twice.

Requests and answers follow protobuf's JSON mapping: 64-bit integers as strings, lowerCamelCase
out, both spellings in. Errors follow AIP-193 (`gateway.failures`), streams are server-sent events
(`gateway.live`, `gateway.sse`), files are their own bytes (`gateway.bodies`). What only depends on
the revision of the data repository is answered from `gateway.caching`.
"""

import asyncio
import json
import logging
from typing import Any
from urllib.parse import parse_qsl

import grpc
from google.protobuf.message import Message
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import bodies, caching, calls, failures, requests, sse
from gateway.access import rules
from gateway.access.admission import Admission
from gateway.access.redaction import Discreet, redact
from gateway.access.trail import NAMING, resource_in, trail_of
from gateway.access.viewers import Viewer, known_viewer
from gateway.answers import Answer
from gateway.caching import Cache
from gateway.live.entries import message_json
from gateway.live.feed import KEEP_ALIVE_SECONDS, Feed, Single
from gateway.live.streams import Streams
from gateway.live.topics import Topics, shared, source_of
from gateway.routes import Match, Route, RouteTable
from gateway.upstream import Upstream
from services import errors

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1024 * 1024
"""Largest request body."""

_READING = frozenset({"GET", "HEAD"})
_NOT_KEPT = {"cache-control": "no-store"}
_ENDING = frozenset({"/ackrep.scheduler.v1.AccessService/RevokeToken"})
"""What ends tokens: whoever did that sees it at once."""
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
        cache: Cache | None = None,
        admission: Admission | None = None,
    ) -> None:
        self._upstream = upstream
        self._closing = closing
        self._keep_alive = keep_alive
        self._table = table or RouteTable()
        self._streams = streams or Streams()
        self._cache = cache or Cache()
        self._admission = admission
        """Without one, whoever asks may do and see everything."""
        self._topics = Topics(upstream, self._table)
        self._calls: dict[Route, Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        kept = None
        if scope["method"] in _READING:
            kept = self._cache.find(_key(scope))
        try:
            if kept is not None:
                scope["route_name"] = kept.route
                await kept(scope, receive, send)
                return
            answer = await self._answer(Request(scope, receive))
            await answer(scope, receive, send)
        except ClientDisconnect:
            return
        except Exception as failure:
            if not isinstance(failure, grpc.aio.AioRpcError | errors.Error):
                log.exception(f"{scope['method']} {scope['path']} failed")
            await failures.response_of(failure)(scope, receive, send)

    async def _answer(self, request: Request) -> ASGIApp:
        match = self._match(request)
        if match is None:  # OPTIONS
            return Response(status_code=204, headers={"allow": self._allowed(request)})
        route = match.route
        request.scope["route_name"] = route.template.text
        query = _query(request.scope)
        resume_token = None
        if route.streams and not route.raw:
            query, resume_token = _resume(query, request.headers)
        viewer = self._admitted(request, match)
        message = requests.build(match, query=query, body=await read_body(request))
        if viewer is not None:
            _sign(message, viewer, request)
        if resume_token and hasattr(message, "resume_token"):
            message.resume_token = resume_token
        timeout = calls.timeout_of(request.headers)
        events = route.streams and not route.raw
        if events and request.method != "HEAD" and shared(route) and timeout is None:
            return await self._feed(match, message, viewer)
        limit = timeout if route.streams else calls.bounded(timeout)
        generation = self._cache.generation
        call = self._callable(route)(message, timeout=limit, metadata=calls.metadata_of(request))
        if route.raw:
            return bodies.Body(call, request=request, streams=route.streams)
        if events and request.method == "HEAD":
            return await calls.head_of(call)
        if events:
            if not await self._sees_errors(message, viewer):
                call = Discreet(call)
            return sse.EventStream(call, closing=self._closing, keep_alive=self._keep_alive)
        received = await calls.answered(call, request)
        if self._admission is not None and route.method in _ENDING:
            self._admission.authentication.forget()
        if viewer is not None and not viewer.sees_errors:
            redact(received)
        body = _json(route, received)
        if route.verb != "GET":
            return Response(body, media_type="application/json", headers=_NOT_KEPT)
        answer = Answer(
            body,
            route=route.template.text,
            cache_control=caching.cache_control(route.method, message),
        )
        if route.method in caching.BY_REVISION:
            self._cache.keep(_key(request.scope), answer, generation=generation)
        return answer

    def _admitted(self, request: Request, match: Match) -> Viewer | None:
        """Who asks, once it is certain that they may; None where nobody is to be asked."""
        if self._admission is None:
            return None
        route = match.route
        self._admission.admit_rpc(
            request.scope,
            rules.of_rpc(route.method, route.verb),
            action=f"{route.rpc.containing_service.name}.{route.rpc.name}",
            resource=resource_in(match.fields),
        )
        return known_viewer(request.scope)

    async def _feed(self, match: Match, message: Message, viewer: Viewer | None) -> Feed:
        source = source_of(self._upstream, match.route, message)
        token = getattr(message, "resume_token", "")
        sees = await self._sees_errors(message, viewer)
        return self._streams.feed(
            [self._streams.reader(source, token=token)],
            Single(errors=sees),
            closing=self._closing,
            keep_alive=self._keep_alive,
            early=True,
        )

    async def _sees_errors(self, message: Message, viewer: Viewer | None) -> bool:
        """Whether a stream may tell everything."""
        if viewer is None:
            return True
        return await self._topics.shows_errors(getattr(message, "name", ""), viewer)

    def _match(self, request: Request) -> Match | None:
        """Finds the route; None for OPTIONS, which is answered for every path of a route."""
        verb = "GET" if request.method == "HEAD" else request.method
        match, allowed = self._find(verb, request.scope)
        if match:
            return match
        if not allowed:
            raise errors.NotFoundError(
                f"there is no {request.url.path} in this API; /openapi.json lists all that is"
            )
        if verb == "OPTIONS":
            return None
        allow = self._allowed(request)
        raise failures.HttpError(
            405,
            f"{request.method} is not possible here; {allow} is",
            code="UNIMPLEMENTED",
            reason="METHOD_NOT_ALLOWED",
            allow=allow,
        )

    def _find(self, verb: str, scope: Scope) -> tuple[Match | None, list[str]]:
        try:
            return self._table.match(verb, _key(scope)[0].decode("ascii"))
        except ValueError as error:
            raise errors.InvalidArgumentError("the path is no UTF-8") from error

    def _allowed(self, request: Request) -> str:
        _, allowed = self._find("OPTIONS", request.scope)
        also = ["HEAD", "OPTIONS"] if "GET" in allowed else ["OPTIONS"]
        return ", ".join(sorted({*allowed, *also}))

    def _callable(self, route: Route) -> Any:
        if route not in self._calls:
            channel = self._upstream.channel(route.peer)
            make = channel.unary_stream if route.streams else channel.unary_unary
            self._calls[route] = make(
                route.method,
                request_serializer=route.request.SerializeToString,
                response_deserializer=route.response.FromString,
            )
        return self._calls[route]


def _sign(message: Message, viewer: Viewer, request: Request) -> None:
    """Says in a request who makes it, whatever its body says, and what it is about in the log."""
    fields = message.DESCRIPTOR.fields_by_name
    for name in ("requester", "creator"):
        # Requesters get fair shares of the runners, so that one with a token cannot be another.
        if name in fields and (viewer.name or name == "creator"):
            setattr(message, name, viewer.name)
    trail = trail_of(request.scope)
    if not trail.resource:
        texts = {name: getattr(message, name) for name in fields if name in NAMING}
        trail.resource = resource_in({k: v for k, v in texts.items() if isinstance(v, str)})


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


def _key(scope: Scope) -> caching.Key:
    return scope.get("raw_path") or scope["path"].encode(), scope.get("query_string", b"")


def _query(scope: Scope) -> list[tuple[str, str]]:
    text = scope.get("query_string", b"").decode("latin-1")
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise errors.InvalidArgumentError("the query is no UTF-8") from error


def _json(route: Route, answer: Message) -> bytes:
    text = message_json(answer)
    if route.response_body:
        field = route.rpc.output_type.fields_by_name[route.response_body]
        text = json.dumps(json.loads(text).get(field.json_name), ensure_ascii=False)
    return text.encode()


def _resume(
    query: list[tuple[str, str]], headers: Headers
) -> tuple[list[tuple[str, str]], str | None]:
    said = [value for key, value in query if key in _EVENT_ID_PARAMETERS]
    rest = [(key, value) for key, value in query if key not in _EVENT_ID_PARAMETERS]
    # The header wins: a browser that reconnects knows more than the address it began with.
    return rest, headers.get("last-event-id") or (said[-1] if said else None)
