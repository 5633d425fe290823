"""gRPC as all services speak it: token, errors there and back, health, reflection, shutdown."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from ackrep.catalog.v1 import catalog_pb2 as pb
from ackrep.catalog.v1 import catalog_pb2_grpc as stubs
from services import errors, rpc

TOKEN = "t0ken"
SERVICE = "ackrep.catalog.v1.CatalogService"


class Failing(stubs.CatalogServiceServicer):
    """Raises what a test puts into `error`, before or in the middle of an answer."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def GetEntity(self, request: pb.GetEntityRequest, context: Any) -> pb.Entity:
        self.begun.set()
        await self.go_on.wait()
        if self.error is not None:
            raise self.error
        return pb.Entity(name=request.name)

    async def FetchTrees(
        self, request: pb.FetchTreesRequest, context: Any
    ) -> AsyncIterator[pb.FetchTreesResponse]:
        yield pb.FetchTreesResponse(tree="1")
        if self.error is not None:
            raise self.error


Failing.__abstractmethods__ = frozenset()  # the other rpcs are not asked


@pytest.fixture
def servicer() -> Failing:
    return Failing()  # type: ignore[abstract]  # as above


@pytest.fixture
async def port(servicer: Failing) -> AsyncIterator[int]:
    """A server on a free port."""
    async with rpc.serving(
        address="127.0.0.1:0",
        token=TOKEN,
        register=lambda server: stubs.add_CatalogServiceServicer_to_server(servicer, server),
        services=[SERVICE],
        grace=2.0,
    ) as port:
        yield port


@pytest.fixture
async def channel(port: int) -> AsyncIterator[grpc.aio.Channel]:
    async with rpc.dial(f"127.0.0.1:{port}", token=TOKEN) as channel:
        yield channel


async def test_a_call(channel: grpc.aio.Channel) -> None:
    """With the token, calls are answered."""
    answer = await stubs.CatalogServiceStub(channel).GetEntity(pb.GetEntityRequest(name="x"))
    assert "x" == answer.name


@pytest.mark.parametrize("token", ["", "wrong", "t0ke", "t0kenn"])
async def test_a_wrong_token(port: int, token: str, servicer: Failing) -> None:
    """Without the right token nothing is answered, neither messages nor streams."""
    async with rpc.dial(f"127.0.0.1:{port}", token=token) as channel:
        stub = stubs.CatalogServiceStub(channel)
        with pytest.raises(errors.UnauthenticatedError), rpc.remote_errors():
            await stub.GetEntity(pb.GetEntityRequest())
        with pytest.raises(errors.UnauthenticatedError), rpc.remote_errors():
            _ = [part async for part in stub.FetchTrees(pb.FetchTreesRequest())]
    assert not servicer.begun.is_set()


async def test_no_token(port: int) -> None:
    """A caller that sends no metadata at all is refused too."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(errors.UnauthenticatedError), rpc.remote_errors():
            await stubs.CatalogServiceStub(channel).GetEntity(pb.GetEntityRequest())


@pytest.mark.parametrize("cls", errors.all_errors(), ids=lambda cls: cls.__name__)
async def test_errors_come_back(
    channel: grpc.aio.Channel, servicer: Failing, cls: type[errors.Error]
) -> None:
    """Every error arrives as the same class with its message and facts, also from a stream."""
    servicer.error = cls("what is wrong: ü", key="ABCDE", line="3")
    stub = stubs.CatalogServiceStub(channel)

    async def unary() -> None:
        await stub.GetEntity(pb.GetEntityRequest())

    async def stream() -> None:
        _ = [part async for part in stub.FetchTrees(pb.FetchTreesRequest())]

    for call in (unary, stream):
        with pytest.raises(errors.Error) as caught, rpc.remote_errors():
            await call()
        assert cls is type(caught.value)
        assert ("what is wrong: ü", {"key": "ABCDE", "line": "3"}) == (
            caught.value.message,
            caught.value.facts,
        )


async def test_an_error_on_the_wire(channel: grpc.aio.Channel, servicer: Failing) -> None:
    """A status carries exactly one ErrorInfo, of our domain (AIP-193)."""
    servicer.error = errors.StaleAttemptError("too late", attempt="2")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stubs.CatalogServiceStub(channel).GetEntity(pb.GetEntityRequest())
    assert grpc.StatusCode.FAILED_PRECONDITION is caught.value.code()
    raw = dict(caught.value.trailing_metadata() or ())["grpc-status-details-bin"]
    assert isinstance(raw, bytes)
    status = status_pb2.Status.FromString(raw)
    info = error_details_pb2.ErrorInfo()
    assert 1 == len(status.details)
    assert isinstance(status.details[0], AnyMessage)
    assert status.details[0].Unpack(info)
    assert ("STALE_ATTEMPT", "ackrep.dev", {"attempt": "2"}) == (
        info.reason,
        info.domain,
        dict(info.metadata),
    )


async def test_a_stream_that_fails_in_the_middle(
    channel: grpc.aio.Channel, servicer: Failing
) -> None:
    """What was sent before the error arrives, then the error."""
    servicer.error = errors.NotFoundError("gone")
    answers = aiter(stubs.CatalogServiceStub(channel).FetchTrees(pb.FetchTreesRequest()))
    assert "1" == (await anext(answers)).tree
    with pytest.raises(errors.NotFoundError, match="gone"), rpc.remote_errors():
        await anext(answers)


async def test_a_bug_is_not_shown(
    channel: grpc.aio.Channel, servicer: Failing, caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected exception is logged here, and tells the caller nothing."""
    servicer.error = RuntimeError("password is hunter2")
    stub = stubs.CatalogServiceStub(channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetEntity(pb.GetEntityRequest())
    assert grpc.StatusCode.INTERNAL is caught.value.code()
    assert "hunter2" not in str(caught.value.details())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        _ = [part async for part in stub.FetchTrees(pb.FetchTreesRequest())]
    assert grpc.StatusCode.INTERNAL is caught.value.code()
    assert "hunter2" not in str(caught.value.details())
    assert 2 == caplog.text.count("RuntimeError: password is hunter2")


async def test_an_error_of_a_third_service_goes_through(
    channel: grpc.aio.Channel, servicer: Failing, port: int
) -> None:
    """A servicer that calls another one hands on the error that it got."""
    servicer.error = errors.NotFoundError("no entity ABCDE", key="ABCDE")
    stub = stubs.CatalogServiceStub(channel)

    class Between(stubs.CatalogServiceServicer):
        async def GetEntity(self, request: pb.GetEntityRequest, context: Any) -> pb.Entity:
            return await stub.GetEntity(request)

    Between.__abstractmethods__ = frozenset()
    between = Between()  # type: ignore[abstract]  # only one rpc is asked
    async with (
        rpc.serving(
            address="127.0.0.1:0",
            token=TOKEN,
            register=lambda server: stubs.add_CatalogServiceServicer_to_server(between, server),
            services=[SERVICE],
        ) as second,
        rpc.dial(f"127.0.0.1:{second}", token=TOKEN) as outer,
    ):
        with pytest.raises(errors.NotFoundError) as caught, rpc.remote_errors():
            await stubs.CatalogServiceStub(outer).GetEntity(pb.GetEntityRequest())
    assert {"key": "ABCDE"} == caught.value.facts


async def test_nobody_there() -> None:
    """A peer that does not answer is unavailable."""
    async with rpc.dial("127.0.0.1:9", token=TOKEN) as channel:
        with pytest.raises(errors.UnavailableError), rpc.remote_errors():
            await stubs.CatalogServiceStub(channel).GetEntity(pb.GetEntityRequest(), timeout=5)


async def test_a_deadline(channel: grpc.aio.Channel, servicer: Failing) -> None:
    """A call that takes too long ends as a deadline."""
    servicer.go_on.clear()
    with pytest.raises(errors.DeadlineExceededError), rpc.remote_errors():
        await stubs.CatalogServiceStub(channel).GetEntity(pb.GetEntityRequest(), timeout=0.1)


async def test_health_needs_no_token(port: int) -> None:
    """Anybody may ask whether a service lives."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        for name in ("", SERVICE):
            answer = await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service=name)
            )
            assert health_pb2.HealthCheckResponse.SERVING == answer.status


async def test_reflection(channel: grpc.aio.Channel, port: int) -> None:
    """With the token, the service describes itself."""
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    call = stub.ServerReflectionInfo(metadata=(("authorization", f"Bearer {TOKEN}"),))
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    answer = await call.read()
    assert SERVICE in {service.name for service in answer.list_services_response.service}
    call.cancel()


async def test_a_running_call_ends_before_the_server(servicer: Failing) -> None:
    """A server that stops lets running calls end within its grace."""
    servicer.go_on.clear()
    async with rpc.serving(
        address="127.0.0.1:0",
        token=TOKEN,
        register=lambda server: stubs.add_CatalogServiceServicer_to_server(servicer, server),
        services=[SERVICE],
    ) as port:
        channel = rpc.dial(f"127.0.0.1:{port}", token=TOKEN)
        call = asyncio.ensure_future(
            stubs.CatalogServiceStub(channel).GetEntity(pb.GetEntityRequest(name="x"))
        )
        await asyncio.wait_for(servicer.begun.wait(), 5.0)
        asyncio.get_running_loop().call_later(0.1, servicer.go_on.set)
    answer = await asyncio.wait_for(call, 5.0)
    assert "x" == answer.name
    await channel.close()


async def test_a_taken_address(port: int) -> None:
    """An address that cannot be bound is said so."""
    with pytest.raises(errors.UnavailableError, match="cannot listen"):
        async with rpc.serving(
            address="256.0.0.1:1", token=TOKEN, register=lambda _: None, services=[]
        ):
            pass
