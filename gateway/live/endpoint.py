"""`/live`: several streams on one connection, for browsers that have few connections."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gateway.access.viewers import viewer_of
from gateway.context import context_of
from gateway.live.feed import Feed, Several
from gateway.live.topics import Topics, wanted
from gateway.routes import RouteTable

PATH = "/live"


class _Answer(Response):
    """A feed, as a page's answer."""

    def __init__(self, feed: Feed) -> None:
        super().__init__()
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._feed(scope, receive, send)


async def live(request: Request) -> Response:
    """Follows the topics that a request names."""
    context = context_of(request)
    topics = Topics(context.upstream, _TABLE)
    viewer = viewer_of(request)
    asked = wanted(request)
    sources = [topics.source(name) for name, _ in asked]
    shown = [await topics.shows_errors(name, viewer) for name, _ in asked]
    request.scope["route_name"] = PATH
    streams = context.streams
    readers = [
        streams.reader(source, token=token)
        for source, (_, token) in zip(sources, asked, strict=True)
    ]
    form = Several(readers, [name for name, _ in asked], shown)
    return _Answer(streams.feed(readers, form, closing=context.closing))


_TABLE = RouteTable()

ROUTES = [Route(PATH, live, methods=["GET"])]
