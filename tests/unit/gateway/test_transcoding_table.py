"""Every rule of `google.api.http` and protobuf's JSON mapping, as rows, over a real channel."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn

from gateway.settings import Settings
from gateway.transcoding import Transcoder
from gateway.upstream import Upstream
from tests.unit.gateway.kinds import TOKEN, KindsServer, kinds_server, table

HOST = "http://localhost:8642"
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Asked:
    """A transcoder over the service of every kind, and a client of it."""

    kinds: KindsServer
    app: Transcoder
    client: httpx.AsyncClient

    async def told(self, path: str) -> dict[str, Any]:
        """What the service understood of a GET, without what was not said."""
        answer = await self.client.get(path)
        assert 200 == answer.status_code, answer.text
        empty: tuple[Any, ...] = ("", 0, "0", [], {}, None, "SHADE_UNSPECIFIED")
        return {key: value for key, value in answer.json().items() if value not in empty}


@pytest.fixture
async def asked() -> AsyncIterator[Asked]:
    async with kinds_server() as kinds:
        settings = Settings(catalog=kinds.address, scheduler=kinds.address, token=TOKEN)
        async with Upstream(settings) as upstream:
            app = Transcoder(upstream, closing=asyncio.Event(), table=table())
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url=HOST) as client:
                yield Asked(kinds, app, client)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/echo?texts=a&texts=b%26c", {"texts": ["a", "b&c"]}),
        ("/v1/echo?count=-3", {"count": -3}),
        ("/v1/echo?large=9007199254740993", {"large": "9007199254740993"}),
        ("/v1/echo?shade=SHADE_DARK", {"shade": "SHADE_DARK"}),
        ("/v1/echo?shade=1", {"shade": "SHADE_DARK"}),
        ("/v1/echo?shades=1&shades=SHADE_DARK", {"shades": ["SHADE_DARK", "SHADE_DARK"]}),
        ("/v1/echo?moment=2026-11-22T15:00:00%2B01:00", {"moment": "2026-11-22T14:00:00Z"}),
        ("/v1/echo?length=1.5s", {"length": "1.500s"}),
        ("/v1/echo?mask=name,inner.deepName", {"mask": "name,inner.deepName"}),
        ("/v1/echo?inner.deepName=x", {"inner": {"deepName": "x"}}),
        ("/v1/echo?inner.deep_name=x", {"inner": {"deepName": "x"}}),
        ("/v1/echo?labels[a.b]=1&labels[c]=", {"labels": {"a.b": "1", "c": ""}}),
        ("/v1/echo?counts%5Ba%5D=7", {"counts": {"a": 7}}),
        ("/v1/echo?maybeText=", {"maybeText": ""}),
        ("/v1/echo?maybe_count=5", {"maybeCount": 5}),
        ("/v1/echo?maybeFlag=true", {"maybeFlag": True}),
        ("/v1/echo?left=x", {"left": "x"}),
        ("/v1/echo?right=2", {"right": 2}),
        ("/v1/echo?name=gr%C3%BCn", {"name": "grün"}),
        ("/v1/echo?name=a+b%2Bc", {"name": "a b+c"}),
        ("/v1/echo/a%20b", {"name": "a b"}),
        ("/v1/echo/a%2Fb", {"name": "a/b"}),
        ("/v1/echo/a%2fb", {"name": "a/b"}),
        ("/v1/echo/a%3Ab", {"name": "a:b"}),
        ("/v1/echo/%252F", {"name": "%2F"}),
        ("/v1/echo/several/a%2Fb/c:deep", {"name": "several/a%2Fb/c"}),
    ],
)
async def test_get(asked: Asked, path: str, expected: dict[str, Any]) -> None:
    """Path and query fill the fields of the request, whatever their kind."""
    if expected == {"maybeText": ""}:  # presence is what is asked for
        assert "" == (await asked.client.get(path)).json()["maybeText"]
        return
    assert expected == await asked.told(path)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("count=many", "count"),
        ("count=1&count=2", "count"),
        ("count=99999999999", "count"),
        ("shade=SHADE_BLUE", "shade"),
        ("moment=yesterday", "moment"),
        ("texts=a&length=1+hour", "length"),
        ("maybeFlag=yes", "maybeFlag"),
        ("maybeCount=x", "maybeCount"),
        ("left=x&right=2", "right"),
        ("right=2&left=x", "left"),
        ("labels=x", "labels"),
        ("labels[a]=1&labels[a]=2", "labels[a]"),
        ("counts[a]=x", "counts[a]"),
        ("count[a]=1", "count[a]"),
        ("inner=x", "inner"),
        ("inner.nothing=x", "inner.nothing"),
        ("nothing=x", "nothing"),
        ("mask=Not_camel", "mask"),
    ],
)
async def test_refused_parameters(asked: Asked, query: str, parameter: str) -> None:
    """What does not fit is refused, and the error names the parameter, for people and programs."""
    answer = await asked.client.get(f"/v1/echo?{query}")

    error = answer.json()["error"]
    assert 400 == answer.status_code
    assert parameter in error["message"]
    assert parameter == error["details"][0]["metadata"]["parameter"]


@pytest.mark.parametrize("query", ["name=%ff", "%ff=1", "name=%ed%a0%80"])
async def test_query_that_is_no_text(asked: Asked, query: str) -> None:
    """A query that is no UTF-8 is refused, never repaired."""
    assert 400 == (await asked.client.get(f"/v1/echo?{query}")).status_code


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"left": "x", "right": 2}, 400),
        ({"labels": {"a": "b"}, "maybeFlag": False, "shade": 1}, 200),
        ({"name": "\ud800"}, 400),
        ({"moment": 3}, 400),
    ],
)
async def test_bodies(asked: Asked, body: dict[str, Any], status: int) -> None:
    """A body is the request in protobuf's JSON."""
    answer = await asked.client.post("/v1/echo", content=json.dumps(body), headers=JSON)

    assert status == answer.status_code


async def test_body_of_one_field(asked: Asked) -> None:
    """`body: "inner"` takes the field's own JSON; the path and the query say the rest."""
    path = "/v1/echo/one?mask=inner.deepName"
    answer = await asked.client.patch(path, json={"deepName": "x"})

    said = answer.json()
    assert ("echo/one", {"deepName": "x"}, "inner.deepName") == (
        said["name"],
        said["inner"],
        said["mask"],
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/echo/one/texts?texts=a&texts=b", ["a", "b"]),
        ("/v1/echo/one/texts", []),
        ("/v1/echo/one/inner?inner.deepName=x", {"deepName": "x"}),
        ("/v1/echo/one/inner", None),
    ],
)
async def test_response_body(asked: Asked, path: str, expected: Any) -> None:
    """`response_body` answers one field in place of the whole message."""
    assert expected == (await asked.client.get(path)).json()


async def test_http_body(asked: Asked) -> None:
    """A message of HttpBody is its bytes, with its type."""
    answer = await asked.client.get("/v1/body")

    assert b"\x89PNG" == answer.content
    assert "image/png" == answer.headers["content-type"]


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/v1/echo", "GET, HEAD, OPTIONS, POST"),
        ("/v1/echo/one", "GET, HEAD, OPTIONS, PATCH"),
        ("/v1/hold", "GET, HEAD, OPTIONS"),
    ],
)
async def test_options(asked: Asked, path: str, allow: str) -> None:
    """OPTIONS says what a path understands, and so does the refusal of anything else."""
    answer = await asked.client.options(path)
    refused = await asked.client.delete(path)

    assert (204, allow) == (answer.status_code, answer.headers["allow"])
    assert (405, allow) == (refused.status_code, refused.headers["allow"])
    assert 404 == (await asked.client.options("/v1/nothing")).status_code


async def test_head(asked: Asked) -> None:
    """HEAD has the headers of GET and no body."""
    head, get = await asked.client.head("/v1/echo"), await asked.client.get("/v1/echo")

    assert b"" == head.content
    assert get.headers == head.headers


async def test_what_travels(asked: Asked) -> None:
    """The trace travels with the call; credentials, cookies and forged metadata do not."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {
        "traceparent": trace,
        "authorization": "Bearer mine",
        "cookie": "session=mine",
        "grpc-metadata-role": "admin",
        "x-forwarded-for": "1.2.3.4",
    }
    await asked.client.get("/v1/echo", headers=headers)

    seen = asked.kinds.metadata
    assert trace == seen["traceparent"]
    assert f"Bearer {TOKEN}" == seen["authorization"]
    assert {"x-request-id", "traceparent", "authorization", "user-agent"} >= seen.keys()


@pytest.mark.parametrize("trace", ["x", "00-0AF7-b7-01", "00\u00e4"])
async def test_a_trace_that_is_none(asked: Asked, trace: str) -> None:
    """A trace that is none is not passed on."""
    headers = {"traceparent": trace.encode("latin-1")}
    assert 200 == (await asked.client.get("/v1/echo", headers=headers)).status_code  # type: ignore[arg-type]
    assert "traceparent" not in asked.kinds.metadata


async def test_deadline(asked: Asked) -> None:
    """What takes longer than the client is ready to wait is 504."""
    answer = await asked.client.get("/v1/hold", headers={"grpc-timeout": "50m"})

    assert 504 == answer.status_code
    assert "DEADLINE_EXCEEDED" == answer.json()["error"]["status"]


async def test_no_time_at_all(asked: Asked) -> None:
    """A deadline of zero is one, and not the absence of one."""
    assert 504 == (await asked.client.get("/v1/hold", headers={"grpc-timeout": "0S"})).status_code


async def test_message_too_large(asked: Asked) -> None:
    """An answer larger than a message may be is an error of the same form."""
    assert 200 == (await asked.client.get("/v1/large?count=15")).status_code
    answer = await asked.client.get("/v1/large?count=17")

    assert 429 == answer.status_code
    assert "RESOURCE_EXHAUSTED" == answer.json()["error"]["status"]


async def test_client_leaves(asked: Asked) -> None:
    """A client that hangs up (a real socket) ends the unary call behind it."""
    config = uvicorn.Config(asked.app, log_config=None, lifespan="off", port=0, host="127.0.0.1")
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server.serve())
    async with asyncio.timeout(10):
        while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /v1/hold HTTP/1.1\r\nhost: localhost\r\n\r\n")
        await asyncio.wait_for(asked.kinds.held.wait(), 10)
        assert not asked.kinds.cancelled.is_set()
        writer.close()
        await asyncio.wait_for(asked.kinds.cancelled.wait(), 10)
    finally:
        server.should_exit = True
        await serving
