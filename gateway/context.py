"""What the handlers of one gateway share."""

import asyncio
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from gateway.caching import Cache
from gateway.live.streams import Streams
from gateway.metrics import Metrics
from gateway.settings import Settings
from gateway.upstream import Upstream


@dataclass(frozen=True, kw_only=True)
class Context:
    """One gateway's parts, made by its composition root."""

    settings: Settings
    upstream: Upstream
    metrics: Metrics = field(default_factory=Metrics)
    streams: Streams = field(default_factory=Streams)
    cache: Cache = field(default_factory=Cache)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the gateway stops: open streams end then, without saying that they ended."""


def context_of(connection: HTTPConnection) -> Context:
    """Returns the context that a request is handled in."""
    context: Context = connection.app.state.context
    return context
