"""What every request has to pass, and what every answer carries."""

import re
from collections.abc import Callable

import httpx
import pytest

from gateway.guard import PAGE_POLICY
from gateway.routes import RouteTable
from gateway.settings import Settings
from services.errors import InvalidArgumentError
from services.settings import load
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.fake_services import FakeServices

NEEDED = {
    "ACKREP_GATEWAY_CATALOG": "a:1",
    "ACKREP_GATEWAY_SCHEDULER": "b:2",
    "ACKREP_TOKEN": "t",
}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8642", 200),
        ("127.0.0.1", 200),
        ("[::1]:8642", 200),
        ("LOCALHOST", 200),
        ("localhost.", 200),
        ("knowledge.example", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example:8642", 421),
        ("localhost@evil.example", 421),
        ("[::1", 421),
        ("", 421),
    ],
)
async def test_hosts(make_gateway: Callable[..., Gateway], host: str, status: int) -> None:
    """Only our own names are answered, so that no foreign name can be pointed at this machine."""
    client = make_gateway(allowed_hosts=("knowledge.example",)).client

    for path in ("/healthz", "/v1/entities", "/"):
        assert status == (await client.get(path, headers={"host": host})).status_code


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"origin": "http://localhost:8642"}, 303),
        ({"origin": "https://localhost:8642"}, 303),
        ({"sec-fetch-site": "same-origin"}, 303),
        ({"origin": "http://localhost:9999"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://localhost:8642.evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
async def test_origins(
    client: httpx.AsyncClient, services: FakeServices, headers: dict[str, str], status: int
) -> None:
    """What changes something comes from our own pages, or from no page at all."""
    answer = await client.post("/checks", data={"entity": "UXMFA"}, headers=headers)

    assert status == answer.status_code
    assert (status == 303) == bool(services.scheduler.stories)


async def test_origin_of_the_api(client: httpx.AsyncClient) -> None:
    """The API is no way around the check of the origin."""
    headers = {"origin": "http://evil.example"}
    answer = await client.post("/v1/checks", json={"entity": "entities/UXMFA"}, headers=headers)

    assert 403 == answer.status_code
    assert "CROSS_SITE_REQUEST" == answer.json()["error"]["details"][0]["reason"]


async def test_public_read(make_gateway: Callable[..., Gateway]) -> None:
    """A public gateway shows everything, offers no button, and starts nothing."""
    client = make_gateway(
        address="0.0.0.0:8642",  # nothing listens in this test
        public_read=True,
    ).client

    assert "<button" not in (await client.get("/")).text
    assert "<button" not in (await client.get("/e/UXMFA")).text
    assert 200 == (await client.get("/v1/entities")).status_code
    answer = await client.post("/v1/checks", json={"entity": "entities/UXMFA"})
    assert 401 == answer.status_code
    assert "TOKEN_REQUIRED" == answer.json()["error"]["details"][0]["reason"]


READING = (
    *("Get", "List", "Watch", "Find", "Search", "Download"),
    *("Compare", "Explain", "Export", "QueryOntology"),
)
"""How rpcs begin that read what is there: they start nothing and run no entity's code."""


async def test_public_read_is_for_reading(make_gateway: Callable[..., Gateway]) -> None:
    """Of the whole API a public gateway offers what reads, and refuses the rest before it looks."""
    client = make_gateway(address="0.0.0.0:8642", public_read=True, requests_per_second=0).client
    refused = 0
    for route in RouteTable().routes:
        if route.verb == "GET":
            assert route.rpc.name.startswith(READING), route.rpc.full_name
            continue
        if route.rpc.name == "QueryOntology":
            continue
        address = re.sub(r"\{[^}=]+=([^}]+)\}", r"\1", route.template.text).replace("*", "x")
        answer = await client.request(route.verb, address)
        assert 401 == answer.status_code, route.rpc.full_name
        assert "TOKEN_REQUIRED" == answer.json()["error"]["details"][0]["reason"]
        refused += 1
    assert refused >= 20


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/v1/entities", "/v1/nothing", "/static/app.css"]
)
async def test_headers(client: httpx.AsyncClient, path: str) -> None:
    """Every answer forbids sniffing, framing and anything inline or foreign."""
    headers = (await client.get(path)).headers

    assert PAGE_POLICY == headers["content-security-policy"]
    assert "nosniff" == headers["x-content-type-options"]
    assert "DENY" == headers["x-frame-options"]
    assert "same-origin" == headers["referrer-policy"]
    assert headers["x-request-id"]


async def test_request_ids_are_not_echoed_blindly(client: httpx.AsyncClient) -> None:
    """A request id that is none of ours in form is replaced."""
    answer = await client.get("/healthz", headers={"x-request-id": "a b<script>"})

    assert answer.headers["x-request-id"].isalnum()


@pytest.mark.parametrize(
    ("environ", "fine"),
    [
        ({}, True),
        ({"ACKREP_GATEWAY_ADDRESS": "[::1]:0"}, True),
        ({"ACKREP_GATEWAY_ADDRESS": "localhost:80"}, True),
        ({"ACKREP_GATEWAY_ADDRESS": "127.8.8.8:80"}, True),
        ({"ACKREP_GATEWAY_ADDRESS": "0.0.0.0:80"}, False),
        ({"ACKREP_GATEWAY_ADDRESS": "[::]:80"}, False),
        ({"ACKREP_GATEWAY_ADDRESS": "gateway:80"}, False),
        ({"ACKREP_GATEWAY_ADDRESS": "localhost"}, False),
        ({"ACKREP_GATEWAY_ADDRESS": "localhost:99999"}, False),
        ({"ACKREP_GATEWAY_ADDRESS": ":80"}, False),
        ({"ACKREP_GATEWAY_ADDRESS": "0.0.0.0:80", "ACKREP_GATEWAY_PUBLIC_READ": "1"}, True),
        ({"ACKREP_GATEWAY_ADDRESS": "0.0.0.0:80", "ACKREP_GATEWAY_REQUIRE_LOGIN": "1"}, True),
        ({"ACKREP_GATEWAY_ADDRESS": "0.0.0.0:80", "ACKREP_GATEWAY_PUBLIC_WRITE": "1"}, False),
        ({"ACKREP_GATEWAY_PUBLIC_WRITE": "1", "ACKREP_GATEWAY_REQUIRE_LOGIN": "1"}, False),
        ({"ACKREP_GATEWAY_TRUSTED_PROXIES": "10.0.0.0/8,::1"}, True),
        ({"ACKREP_GATEWAY_TRUSTED_PROXIES": "10.0.0.1/8"}, False),
        ({"ACKREP_GATEWAY_TRUSTED_PROXIES": "proxy"}, False),
        ({"ACKREP_GATEWAY_REQUESTS_PER_SECOND": "-1"}, False),
    ],
)
def test_binding(environ: dict[str, str], fine: bool) -> None:
    """An address beyond loopback needs an explicit setting."""
    settings = load(Settings, service="gateway", environ={**NEEDED, **environ})

    if fine:
        settings.validate()
    else:
        with pytest.raises(InvalidArgumentError, match="ACKREP_GATEWAY"):
            settings.validate()


@pytest.mark.parametrize(
    ("environ", "shows_errors"),
    [
        ({}, True),
        ({"ACKREP_GATEWAY_ADDRESS": "0.0.0.0:80"}, False),
        ({"ACKREP_GATEWAY_ADDRESS": "0.0.0.0:80", "ACKREP_GATEWAY_DEBUG": "1"}, True),
        ({"ACKREP_GATEWAY_DEBUG": "0"}, False),
    ],
)
def test_debug(environ: dict[str, str], shows_errors: bool) -> None:
    """Tracebacks are shown on loopback, elsewhere only where that was asked for."""
    settings = load(Settings, service="gateway", environ={**NEEDED, **environ})

    assert shows_errors == settings.shows_errors
