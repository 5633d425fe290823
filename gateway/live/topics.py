"""What can be watched, by the name of its resource: `checks/{id}`, `runs/{id}`, `revisions`.

A topic is whatever the API has a `GET /v1/{topic}:watch` for. So a service that offers another
stream needs nothing here.
"""

import re
from typing import Any
from urllib.parse import unquote

import grpc
from google.protobuf.message import Message
from starlette.requests import Request

from ackrep.scheduler.v1 import scheduler_pb2
from gateway import requests
from gateway.access.viewers import Viewer
from gateway.live.entries import hides_errors
from gateway.live.sources import Source
from gateway.routes import Route, RouteTable
from gateway.upstream import Upstream
from services.errors import InvalidArgumentError

MOST = 32
"""Topics of one connection."""

_TOPIC = re.compile(r"[A-Za-z]{1,40}(/[A-Za-z0-9._-]{1,64})?")
_LONGEST_TOKEN = 200
_FROM_NOW = frozenset({"WatchVerdictChanges"})
"""Streams without history: who says no token is told what happens from now on."""
_TIMEOUT = 10.0


def shared(route: Route) -> bool:
    """Whether all who call a route with the same request may read one stream."""
    return route.verb == "GET" and route.streams and route.rpc.name.startswith("Watch")


def source_of(upstream: Upstream, route: Route, message: Message) -> Source:
    """Makes the source of a shared route; a resume token in the message does not matter.

    Raises:
        UnavailableError: Its service is not configured.
    """
    resumes = "resume_token" in route.rpc.input_type.fields_by_name
    asked = route.request()
    asked.CopyFrom(message)
    if resumes:
        asked.ClearField("resume_token")
    call = upstream.channel(route.peer).unary_stream(
        route.method,
        request_serializer=route.request.SerializeToString,
        response_deserializer=route.response.FromString,
    )

    def begin(token: str) -> Any:
        request = route.request()
        request.CopyFrom(asked)
        if token:
            request.resume_token = token  # type: ignore[attr-defined]
        return call(request)

    name = asked.SerializeToString(deterministic=True).decode("latin-1")
    return Source(
        key=f"{route.method} {name}",
        open=begin,
        resumes=resumes,
        from_now=route.rpc.name in _FROM_NOW,
    )


class Topics:
    """The topics of one API."""

    def __init__(self, upstream: Upstream, table: RouteTable) -> None:
        self._upstream = upstream
        self._table = table

    def source(self, topic: str) -> Source:
        """Finds what is watched.

        Raises:
            InvalidArgumentError: There is no such topic.
        """
        match = None
        if _TOPIC.fullmatch(topic):
            match, _ = self._table.match("GET", f"/v1/{topic}:watch")
        if match is None or not shared(match.route):
            raise InvalidArgumentError(
                f"nothing can be watched by the name {topic[:80]!r}; e.g. checks/ID, runs/ID and "
                "revisions can",
                field="watch",
            )
        message = requests.build(match, query=[], body=b"")
        return source_of(self._upstream, match.route, message)

    async def shows_errors(self, topic: str, viewer: Viewer) -> bool:
        """Whether a viewer gets logs and tracebacks of a topic.

        Who may not see errors gets those of a check that is finished and well.
        """
        if viewer.sees_errors or not topic.startswith("checks/"):
            return viewer.sees_errors
        ask = scheduler_pb2.GetCheckRequest(name=topic)
        try:
            check = await self._upstream.scheduler.GetCheck(ask, timeout=_TIMEOUT)
        except grpc.aio.AioRpcError:
            return False
        return not hides_errors(check)


def wanted(request: Request) -> list[tuple[str, str]]:
    """Reads which topics a request names, each with the token to go on after.

    Raises:
        InvalidArgumentError: None, too many, one twice, or tokens of other topics.
    """
    topics = [text.partition("@") for text in request.query_params.getlist("watch")]
    names = [name for name, _, _ in topics]
    if not 0 < len(names) <= MOST:
        raise InvalidArgumentError(
            f"{len(names)} topics are named; say between one and {MOST}, as in "
            "/live?watch=revisions&watch=runs/ID",
            field="watch",
        )
    if len(set(names)) < len(names):
        raise InvalidArgumentError("a topic is named twice", field="watch")
    tokens = [token for _, _, token in topics]
    if last := request.headers.get("last-event-id") or request.query_params.get("lastEventId"):
        # What a browser says that comes back by itself: it knows more than the address.
        tokens = [unquote(token) for token in last.split(",")]
    if len(tokens) != len(names) or any(len(token) > _LONGEST_TOKEN for token in tokens):
        raise InvalidArgumentError(
            f"the last event id is of {len(tokens)} topics, and {len(names)} are named",
            field="lastEventId",
        )
    return list(zip(names, tokens, strict=True))
