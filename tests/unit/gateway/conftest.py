"""The gateway's application over real gRPC servers with made-up contents."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from gateway.app import build
from gateway.context import Context
from gateway.settings import Settings
from gateway.upstream import Upstream
from tests.unit.gateway.fake_services import TOKEN, FakeServices, fake_services

HOST = "http://localhost:8642"


@pytest.fixture
async def services() -> AsyncIterator[FakeServices]:
    """The three services with nothing checked yet."""
    async with fake_services() as fakes:
        yield fakes


@dataclass(frozen=True)
class Gateway:
    """One gateway's application."""

    app: Any
    context: Context
    client: httpx.AsyncClient


@pytest.fixture
async def make_gateway(services: FakeServices) -> AsyncIterator[Callable[..., Gateway]]:
    """Makes gateways with other settings; all are closed at the end."""
    made: list[Gateway] = []

    def make(**settings: Any) -> Gateway:
        chosen = {"runner": services.address, "debug": True, **settings}
        context = Context(
            settings=Settings(
                catalog=services.address, scheduler=services.address, token=TOKEN, **chosen
            ),
            upstream=Upstream(
                Settings(
                    catalog=services.address, scheduler=services.address, token=TOKEN, **chosen
                )
            ),
        )
        app = build(context)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        gateway = Gateway(app, context, httpx.AsyncClient(transport=transport, base_url=HOST))
        made.append(gateway)
        return gateway

    yield make
    for gateway in made:
        await gateway.client.aclose()
        await gateway.context.upstream.close()


@pytest.fixture
def client(make_gateway: Callable[..., Gateway]) -> httpx.AsyncClient:
    """A client of a gateway on loopback with `debug` on."""
    return make_gateway().client


async def eventually(condition: Callable[[], bool], *, seconds: float = 5.0) -> None:
    """Waits until a condition holds, at most `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.01)
