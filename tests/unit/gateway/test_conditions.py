"""ETags, compression and pages of other origins."""

import gzip
from collections.abc import Callable

import brotli
import httpx
import pytest

from gateway import compression
from tests.unit.gateway.conftest import Gateway

LARGE = "/v1/entities?pageSize=100"
SMALL = "/v1/queue"


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("", ""),
        ("identity", ""),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("br;q=0.2, gzip;q=0.9", "gzip"),
        ("*", "br"),
        ("*;q=0", ""),
        ("gzip;q=much", ""),
    ],
)
def test_preferred(accepted: str, expected: str) -> None:
    """The client's weights decide, and then the smaller coding."""
    assert expected == compression.preferred(accepted.encode())


@pytest.mark.parametrize("coding", ["identity", "gzip", "br"])
@pytest.mark.parametrize("path", [LARGE, "/openapi.json", "/entities", "/static/app.css"])
async def test_codings(client: httpx.AsyncClient, path: str, coding: str) -> None:
    """Every coding decodes to the same; caches are told that there are several."""
    async with client.stream("GET", path, headers={"accept-encoding": coding}) as answer:
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    plain = (await client.get(path, headers={"accept-encoding": "identity"})).content
    decode = {"gzip": gzip.decompress, "br": brotli.decompress}.get(coding, bytes)

    assert coding == answer.headers.get("content-encoding", "identity")
    assert "Accept-Encoding" in answer.headers["vary"]
    assert str(len(raw)) == answer.headers["content-length"]
    if path != "/entities":  # which counts the time
        assert plain == decode(raw)
    if coding != "identity":
        assert len(raw) < len(plain) / 2


@pytest.mark.parametrize("path", [LARGE, "/openapi.json", "/static/app.css"])
async def test_not_modified(client: httpx.AsyncClient, path: str) -> None:
    """Each representation has its own strong tag, which answers 304 without a body."""
    tags = set()
    for coding in ("identity", "gzip", "br"):
        headers = {"accept-encoding": coding}
        tag = (await client.get(path, headers=headers)).headers["etag"]
        again = await client.get(path, headers={**headers, "if-none-match": f'"x", {tag}'})
        assert (304, b"", tag) == (again.status_code, again.content, again.headers["etag"])
        assert "content-length" not in again.headers
        tags.add(tag)
    other = await client.get(path, headers={"accept-encoding": "br", "if-none-match": '"x"'})

    assert 200 == other.status_code
    assert 3 == len(tags)
    assert all(tag.startswith('"') for tag in tags)


@pytest.mark.parametrize("header", ["cookie", "authorization"])
async def test_pages_of_somebody(client: httpx.AsyncClient, header: str) -> None:
    """A page that may hold a secret is not compressed, so that its length does not tell it."""
    value = "a=b" if header == "cookie" else "Basic eA=="
    answer = await client.get("/entities", headers={"accept-encoding": "br", header: value})

    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    "path", [SMALL, "/v1/revisions:watch", "/v1/entities/UXMFA/files/simulation.py"]
)
async def test_never_compressed(client: httpx.AsyncClient, path: str) -> None:
    """What is small, a stream or a file is sent as it is."""
    headers = {"accept-encoding": "br", "grpc-timeout": "200m"}
    answer = await client.get(path, headers=headers)

    assert 200 == answer.status_code
    assert "content-encoding" not in answer.headers


# Pages of other origins ------------------------------------------------------------------------

ORIGIN = "https://lab.example"
PREFLIGHT = {"origin": ORIGIN, "access-control-request-method": "POST"}


async def test_other_origins_may_nothing(client: httpx.AsyncClient) -> None:
    """Unless named, no origin is told anything."""
    answer = await client.options("/v1/checks", headers=PREFLIGHT)

    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_named_origin(make_gateway: Callable[..., Gateway]) -> None:
    """A named origin may read the API, without cookies; others may not."""
    client = make_gateway(cors_origins=(ORIGIN,)).client
    allowed = await client.get(SMALL, headers={"origin": ORIGIN})
    other = await client.get(SMALL, headers={"origin": "https://evil.example"})
    preflight = await client.options("/v1/checks", headers=PREFLIGHT)

    assert ORIGIN == allowed.headers["access-control-allow-origin"]
    assert "access-control-allow-credentials" not in allowed.headers
    assert "access-control-allow-origin" not in other.headers
    assert "Origin" in other.headers["vary"]
    assert 204 == preflight.status_code
    assert "Authorization" in preflight.headers["access-control-allow-headers"]


async def test_an_origin_with_cookies(make_gateway: Callable[..., Gateway]) -> None:
    """Cookies are for origins that are named for them."""
    client = make_gateway(cors_credentials=(ORIGIN,)).client
    answer = await client.get(SMALL, headers={"origin": ORIGIN})

    assert "true" == answer.headers["access-control-allow-credentials"]


async def test_pages_stay_ours(make_gateway: Callable[..., Gateway]) -> None:
    """The setting is of the API: no page is readable from elsewhere."""
    client = make_gateway(cors_origins=(ORIGIN,)).client
    answer = await client.get("/entities", headers={"origin": ORIGIN})

    assert "access-control-allow-origin" not in answer.headers


async def test_a_named_origin_may_change(make_gateway: Callable[..., Gateway]) -> None:
    """A named origin may use all of the API, and still no form of a page; others may nothing."""
    client = make_gateway(cors_origins=("https://LAB.example",)).client
    named, other = {"origin": ORIGIN}, {"origin": "https://evil.example"}
    body = {"entity": "entities/UXMFA"}

    assert 200 == (await client.post("/v1/checks", json=body, headers=named)).status_code
    assert 403 == (await client.post("/v1/checks", json=body, headers=other)).status_code
    assert 403 == (await client.post("/runs", data={"title": "x"}, headers=named)).status_code
