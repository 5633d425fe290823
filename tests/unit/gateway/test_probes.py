"""Probes, metrics and the description of the API."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import grpc
import httpx
import openapi_spec_validator
import pytest

from gateway import openapi
from gateway.routes import RouteTable
from services import rpc
from tests.unit.gateway.conftest import Gateway

STATIC = Path("gateway/static")


async def test_healthz(client: httpx.AsyncClient) -> None:
    """A gateway is alive as long as it answers."""
    assert "ok\n" == (await client.get("/healthz")).text


async def test_ready(client: httpx.AsyncClient) -> None:
    """A gateway is ready where catalog and scheduler serve."""
    answer = await client.get("/readyz")

    assert 200 == answer.status_code
    assert {"catalog": "SERVING", "scheduler": "SERVING"} == answer.json()["services"]


async def test_not_ready(make_gateway: Callable[..., Gateway]) -> None:
    """Where a service is away, the answer is 503 and names it."""
    gateway = make_gateway()
    await gateway.context.upstream.channel("scheduler").close()
    gateway.context.upstream._channels["scheduler"] = _nowhere()
    answer = await gateway.client.get("/readyz")

    assert 503 == answer.status_code
    assert {"catalog": "SERVING", "scheduler": "UNAVAILABLE"} == answer.json()["services"]


def _nowhere() -> grpc.aio.Channel:
    return rpc.dial("127.0.0.1:1", token="none")


async def test_metrics(client: httpx.AsyncClient) -> None:
    """Requests are counted and timed by route template, so that labels stay few."""
    for path in ("/v1/entities/UXMFA", "/v1/entities/LRHZX", "/v1/entities/NOPE1", "/e/UXMFA"):
        await client.get(path)
    text = (await client.get("/metrics")).text

    counted = 'ackrep_gateway_requests_total{method="GET",route="/v1/{name=entities/*}",status='
    assert f'{counted}"200"}} 2\n' in text
    assert f'{counted}"404"}} 1\n' in text
    assert 'ackrep_gateway_request_seconds_count{route="/v1/{name=entities/*}"} 3\n' in text
    assert 'le="+Inf"} 3\n' in text
    assert "UXMFA" not in text


def test_openapi_is_valid() -> None:
    """The document is valid OpenAPI 3.1."""
    document = openapi.document()

    openapi_spec_validator.validate(document)
    assert "3.1.0" == document["openapi"]


def test_openapi_has_every_route() -> None:
    """Each route is an operation with a description from its proto."""
    operations = {
        (verb, path): operation
        for path, verbs in openapi.document()["paths"].items()
        for verb, operation in verbs.items()
    }
    ids = [operation["operationId"] for operation in operations.values()]

    assert len(RouteTable().routes) == len(operations) == len(set(ids))
    assert {r.rpc.name[0].lower() + r.rpc.name[1:] for r in RouteTable().routes} <= set(ids)
    assert all(operation["description"] for operation in operations.values())


def test_openapi_of_files() -> None:
    """A route that answers with bytes says so, and that it knows `If-None-Match`."""
    operation = openapi.document()["paths"]["/v1/entities/{entity}/files/{path}"]["get"]

    assert {"*/*": {}} == operation["responses"]["200"]["content"]
    assert "304" in operation["responses"]
    assert "If-None-Match" in {parameter["name"] for parameter in operation["parameters"]}


def test_openapi_describes_every_field() -> None:
    """Each field of each message has the comment of its proto."""
    schemas = openapi.document()["components"]["schemas"]
    silent = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        if name.startswith("ackrep.")
        for field, described in schema.get("properties", {}).items()
        if not described["description"]
    ]

    assert [] == silent


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/{name=checks/*}:cancel", "/v1/checks/{check}:cancel"),
        ("/v1/{entity=entities/*}/closure", "/v1/entities/{entity}/closure"),
        ("/v1/revisions:sync", "/v1/revisions:sync"),
    ],
)
def test_openapi_paths(path: str, expected: str) -> None:
    """Path templates become OpenAPI's, with speaking names."""
    route = next(r for r in RouteTable().routes if r.template.text == path)

    assert expected == openapi._path(route)[0]


async def test_openapi_is_served(client: httpx.AsyncClient) -> None:
    """The document is at its address."""
    assert "ACKREP" == json.loads((await client.get("/openapi.json")).content)["info"]["title"]


def test_static_files_are_as_built() -> None:
    """The committed assets are those of the last build: all of them, and nothing else."""
    expected = dict(
        line.split("  ")[::-1] for line in (STATIC / "SHA256SUMS").read_text().splitlines()
    )
    found = {
        str(file.relative_to(STATIC)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in STATIC.rglob("*")
        if file.is_file() and file.name != "SHA256SUMS"
    }

    assert expected == found


async def test_static_files_are_kept(client: httpx.AsyncClient) -> None:
    """An address with a digest may be kept for ever; without one, not for long."""
    assert "immutable" in (await client.get("/static/app.css?v=1")).headers["cache-control"]
    assert "immutable" not in (await client.get("/static/app.css")).headers["cache-control"]
    assert 404 == (await client.get("/static/../settings.py")).status_code


def test_lock_file_names_no_registry() -> None:
    """Whoever builds the assets uses the registry of their own settings."""
    assert "resolved" not in Path("gateway/assets/package-lock.json").read_text()
