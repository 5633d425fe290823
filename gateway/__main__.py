"""Composition root of the gateway: `python -m gateway`."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterator

import uvicorn

from gateway import caching
from gateway.app import build
from gateway.context import Context
from gateway.live.connections import Protocol
from gateway.settings import Settings
from gateway.upstream import Upstream
from services import lifetime, logs
from services.errors import UnavailableError
from services.settings import load

log = logging.getLogger(__name__)

_GRACE_SECONDS = 3


class _Server(uvicorn.Server):
    """Leaves signals to `services.lifetime`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(settings: Settings) -> socket.socket:
    if settings.listener is not None:
        return socket.socket(fileno=settings.listener)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=1024)
    except OSError as error:
        raise UnavailableError(f"cannot listen on {settings.address}: {error.strerror}") from error


async def serve(
    settings: Settings,
    stop: asyncio.Event,
    *,
    listening: Callable[[int], None] = lambda _port: None,
) -> None:
    """Serves HTTP until `stop` is set; open streams end first, then running requests.

    Args:
        settings: Where, and over which services.
        stop: Set to end it.
        listening: Told the port, once requests to it are answered.
    """
    listener = _listen(settings)
    # Accepted connections inherit it. asyncio alone leaves Nagle's algorithm on for sockets that it
    # did not make, which costs 40 ms for each answer.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    port = listener.getsockname()[1]
    async with Upstream(settings) as upstream:
        context = Context(settings=settings, upstream=upstream)
        config = uvicorn.Config(
            build(context),
            access_log=False,
            http=Protocol,
            lifespan="off",
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            ws="none",
        )
        server = _Server(config)
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        log.info(f"serving HTTP on http://{settings.address.rpartition(':')[0]}:{port}/")
        listening(port)
        following = asyncio.ensure_future(
            caching.follow(upstream.channel("catalog"), context.cache, context.closing)
        )
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        context.closing.set()
        server.should_exit = True
        await serving
        await following
        context.streams.close()
        stopping.cancel()


def main() -> None:
    """Runs the gateway until it is told to stop."""

    async def start(stop: asyncio.Event) -> None:
        settings = load(Settings, service="gateway")
        settings.validate()
        logs.configure(service="gateway", style=settings.log_format)
        await serve(settings, stop)

    lifetime.run(start)


if __name__ == "__main__":
    main()
