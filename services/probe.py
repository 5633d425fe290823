"""Asks a server once whether it is healthy: `python -m services.probe grpc://HOST:PORT|http://…`.

For health checks of containers, which have no curl. Exits 0 if healthy, 1 otherwise.
"""

import asyncio
import sys
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

TIMEOUT_SECONDS = 4.0


async def grpc_is_serving(address: str) -> bool:
    """Tells whether `host:port` answers SERVING to `grpc.health.v1`."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def http_is_ok(url: str) -> bool:
    """Tells whether a URL answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310  # the operator's own URL
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def main() -> None:
    """Probes the URL on the command line."""
    url = sys.argv[1]
    parts = urlsplit(url)
    healthy = (
        asyncio.run(grpc_is_serving(parts.netloc)) if parts.scheme == "grpc" else http_is_ok(url)
    )
    sys.exit(0 if healthy else 1)


if __name__ == "__main__":
    main()
