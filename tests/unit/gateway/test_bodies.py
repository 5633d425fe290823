"""Files over HTTP: headers, breaking off, and leaving early."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import httpx
import pytest
from google.api import annotations_pb2, httpbody_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, empty_pb2

from ackrep.catalog.v1 import content_pb2
from gateway.__main__ import serve
from gateway.routes import RouteTable
from gateway.settings import Settings
from gateway.transcoding import Transcoder
from gateway.upstream import Upstream
from services import rpc
from services.media import OCTETS, POLICY
from tests.unit.gateway.conftest import Gateway, eventually
from tests.unit.gateway.fake_content import TEXT
from tests.unit.gateway.fake_services import TOKEN, FakeServices
from tests.unit.gateway.test_event_streams import Connection

FILE = "/v1/entities/UXMFA/files/deep/simulation.py"


async def test_headers(client: httpx.AsyncClient, services: FakeServices) -> None:
    """The body is the pieces; headers are those of the service, and no others of it."""
    services.content.metadata |= {"set-cookie": "a=b", "x-frame-options": "ALLOWALL"}
    answer = await client.get(f"{FILE}?revision=revisions/current")

    assert TEXT == answer.content
    assert {
        "etag": '"abc"',
        "content-disposition": "inline",
        "content-length": str(len(TEXT)),
        "content-type": "text/plain; charset=utf-8",
        "content-security-policy": POLICY,
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "x-frame-options": "SAMEORIGIN",
    }.items() <= dict(answer.headers).items()
    assert "set-cookie" not in answer.headers
    assert (
        content_pb2.DownloadFileRequest(
            entity="entities/UXMFA", path="deep/simulation.py", revision="revisions/current"
        )
        == services.content.seen[-1]
    )


async def test_no_length(client: httpx.AsyncClient, services: FakeServices) -> None:
    """A body whose length only the end tells is sent in chunks, an empty one too."""
    del services.content.metadata["x-content-length"]

    assert TEXT == (await client.get(FILE)).content

    services.content.pieces = [b""]
    answer = await client.get(FILE)
    assert (200, b"") == (answer.status_code, answer.content)


@pytest.mark.parametrize("kind", ["", "text", "text/html\r\nx: y", "text/html; a=b"])
async def test_odd_types(client: httpx.AsyncClient, services: FakeServices, kind: str) -> None:
    """What is no type is none."""
    services.content.kind = kind

    assert OCTETS == (await client.get(FILE)).headers["content-type"]


async def test_early_failure(client: httpx.AsyncClient) -> None:
    """A failure before the first byte has its own status and says why, as everywhere."""
    answer = await client.get("/v1/entities/UXMFA/files/nothing.py")

    assert 404 == answer.status_code
    assert "NOT_FOUND" == answer.json()["error"]["status"]
    assert "application/json" == answer.headers["content-type"]


@pytest.mark.parametrize("known", ['"abc"', 'W/"abc"', '"x", "abc"', "*"])
async def test_not_modified(client: httpx.AsyncClient, services: FakeServices, known: str) -> None:
    """Who has it already gets no body; the service is told to stop at once."""
    services.content.pieces = [b"x"]
    services.content.stalls = True
    answer = await client.get(FILE, headers={"if-none-match": known})

    assert (304, b"") == (answer.status_code, answer.content)
    assert '"abc"' == answer.headers["etag"]
    await asyncio.wait_for(services.content.cancelled.wait(), 5)


async def test_modified(client: httpx.AsyncClient) -> None:
    """Who has another one gets this one."""
    answer = await client.get(FILE, headers={"if-none-match": '"abcd", "ab"'})

    assert TEXT == answer.content


async def test_head(client: httpx.AsyncClient) -> None:
    """HEAD gets the headers of GET, and the status of what does not exist."""
    answer = await client.head(FILE)

    assert (200, b"") == (answer.status_code, answer.content)
    assert str(len(TEXT)) == answer.headers["content-length"]
    assert 404 == (await client.head("/v1/entities/UXMFA/files/nothing.py")).status_code


async def test_client_leaves(services: FakeServices, make_gateway: Any) -> None:
    """A client that goes away takes the call with it."""
    gateway: Gateway = make_gateway()
    services.content.stalls = True
    connection = Connection(gateway.app, FILE)
    await connection.next()
    await connection.leave()

    assert 200 == connection.status
    await asyncio.wait_for(services.content.cancelled.wait(), 5)


async def test_slow_client(services: FakeServices, make_gateway: Any) -> None:
    """A client that reads slowly holds the service back: nothing piles up between."""
    gateway: Gateway = make_gateway()
    services.content.pieces = [bytes(1024 * 1024)] * 200
    services.content.metadata = {}
    seen = asyncio.Event()

    async def send(message: Any) -> None:
        if message.get("body"):
            seen.set()
            await asyncio.Event().wait()

    requests = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        if requests:
            return requests.pop()
        return await asyncio.Event().wait()

    scope = {
        "type": "http",
        "method": "GET",
        "path": FILE,
        "raw_path": FILE.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
    }
    answering = asyncio.ensure_future(gateway.app(scope, receive, send))
    await asyncio.wait_for(seen.wait(), 5)
    # What flow control lets through is a few pieces; then it stands still.
    sent = await standstill(lambda: services.content.sent)
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)

    assert 50 * 1024 * 1024 > sent


async def standstill(value: Callable[[], int]) -> int:
    """Waits until a number has stayed the same for a while, and returns it."""
    seen: list[int] = []

    def still() -> bool:
        seen.append(value())
        return len(seen) > 20 and len(set(seen[-20:])) == 1

    await eventually(still)
    return seen[-1]


@pytest.fixture
async def address(services: FakeServices) -> AsyncIterator[str]:
    """A gateway on a real socket."""
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    settings = Settings(
        catalog=services.address,
        scheduler=services.address,
        token=TOKEN,
        address="127.0.0.1:0",
    )
    serving = asyncio.ensure_future(serve(settings, stop, listening=port.set_result))
    yield f"http://127.0.0.1:{await port}"
    stop.set()
    await serving


@pytest.mark.parametrize("declared", ["", str(len(TEXT)), "1000000", "10"])
async def test_broken_streams(services: FakeServices, address: str, declared: str) -> None:
    """A download that fails half-way, or is not as long as was said, is never a whole answer."""
    services.content.metadata = {"x-content-length": declared} if declared else {}
    services.content.breaks = declared in {"", str(len(TEXT))}
    if declared == str(len(TEXT)):
        services.content.pieces = [TEXT[:20]]
    async with httpx.AsyncClient(base_url=address) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(FILE)
        # The gateway goes on.
        services.content.breaks, services.content.metadata = False, {}
        services.content.pieces = [TEXT]
        assert TEXT == (await client.get(FILE)).content


async def test_unary() -> None:
    """An rpc that answers with one body is answered with it."""
    pool = descriptor_pool.Default()
    file = descriptor_pb2.FileDescriptorProto(
        name="one_body.proto",
        package="one_body",
        syntax="proto3",
        dependency=[
            "google/protobuf/empty.proto",
            "google/api/httpbody.proto",
            "google/api/annotations.proto",
        ],
    )
    method = file.service.add(name="Files").method.add(
        name="GetFile",
        input_type=".google.protobuf.Empty",
        output_type=".google.api.HttpBody",
    )
    method.options.Extensions[annotations_pb2.http].get = "/v1/one"
    pool.Add(file)
    service = pool.FindServiceByName("one_body.Files")

    async def answer(_request: Any, context: Any) -> httpbody_pb2.HttpBody:
        await context.send_initial_metadata((("etag", '"1"'),))
        return httpbody_pb2.HttpBody(content_type="image/png", data=b"pixels")

    handler = grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=empty_pb2.Empty.FromString,
        response_serializer=httpbody_pb2.HttpBody.SerializeToString,
    )
    handlers = grpc.method_handlers_generic_handler("one_body.Files", {"GetFile": handler})
    async with rpc.serving(
        address="127.0.0.1:0",
        token=TOKEN,
        register=lambda server: server.add_generic_rpc_handlers((handlers,)),
        services=[],
        grace=0.1,
    ) as port:
        settings = Settings(catalog=f"127.0.0.1:{port}", scheduler="127.0.0.1:1", token=TOKEN)
        async with Upstream(settings) as upstream:
            app = Transcoder(
                upstream, closing=asyncio.Event(), table=RouteTable({"catalog": (service,)})
            )
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                whole = await client.get("/v1/one")
                again = await client.get("/v1/one", headers={"if-none-match": '"1"'})

    assert (b"pixels", "image/png", "6") == (
        whole.content,
        whole.headers["content-type"],
        whole.headers["content-length"],
    )
    assert 304 == again.status_code
