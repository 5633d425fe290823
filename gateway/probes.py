"""What machines ask: is it alive, is it ready, how busy is it, what is the API."""

import functools

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from gateway.answers import Answer
from gateway.context import context_of


async def healthz(request: Request) -> Response:
    """Answers as long as the process does."""
    return PlainTextResponse("ok\n", headers={"cache-control": "no-store"})


async def readyz(request: Request) -> Response:
    """Answers 200 where catalog and scheduler serve, 503 with the reason where not."""
    health = await context_of(request).upstream.health()
    ready = all(state == "SERVING" for state in health.values())
    return JSONResponse(
        {"ready": ready, "services": health},
        status_code=200 if ready else 503,
        headers={"cache-control": "no-store"},
    )


async def metrics(request: Request) -> Response:
    """Prints the counters in Prometheus' text format."""
    context = context_of(request)
    return Response(
        context.metrics.text() + context.streams.metrics(),
        media_type="text/plain; version=0.0.4; charset=utf-8",
        headers={"cache-control": "no-store"},
    )


async def openapi(request: Request) -> Answer:
    """Describes the API."""
    return _described()


@functools.cache
def _described() -> Answer:
    # Imported on demand: parsing the descriptor image would make the first page wait.
    from gateway.openapi import document_bytes  # noqa: PLC0415

    return Answer(document_bytes(), route="/openapi.json")


ROUTES = [
    Route("/healthz", healthz),
    Route("/readyz", readyz),
    Route("/metrics", metrics),
    Route("/openapi.json", openapi),
]
