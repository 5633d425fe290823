"""`DocumentService` over gRPC: messages, the document in pieces, errors as statuses."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import grpc
import pytest

from ackrep.runner.v1 import document_pb2, document_pb2_grpc
from services import rpc
from services.errors import NotFoundError, PreconditionError
from services.runner.documents.ports import Listener
from services.runner.documents.rendering import Documents, ParameterFile
from services.runner.servicer.documents import DocumentServicer


class Given:
    """Documents that are given by hand."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[str], str, bool]] = []
        self.cancelled = asyncio.Event()

    async def parameters(self, entity: str, revision: str, listener: Listener) -> ParameterFile:
        if entity != "entities/UXMFA":
            raise NotFoundError(f"there is no {entity}")
        return ParameterFile(tex="tex", path="a/parameters.tex")

    async def render(
        self, entities: Sequence[str], revision: str, listener: Listener, *, plots: bool
    ) -> bytes:
        self.asked.append((list(entities), revision, plots))
        listener.progress("setting it", 0.5)
        listener.warning("no plots")
        if entities == ["entities/WRONG"]:
            raise PreconditionError("TeX refuses it")
        if entities == ["entities/SLOWW"]:
            try:
                await asyncio.sleep(3600)
            finally:
                self.cancelled.set()
        return b"%PDF-" + bytes(600_000)


@contextlib.asynccontextmanager
async def served(given: Given) -> AsyncIterator[Any]:
    """A client of the service over these documents."""

    def register(server: grpc.aio.Server) -> None:
        servicer = DocumentServicer(cast("Documents", given))
        document_pb2_grpc.add_DocumentServiceServicer_to_server(servicer, server)

    async with (
        rpc.serving(address="127.0.0.1:0", token="t", register=register, services=[]) as port,
        rpc.dial(f"127.0.0.1:{port}", token="t") as channel,
    ):
        yield document_pb2_grpc.DocumentServiceStub(channel)


async def test_a_document_comes_in_pieces() -> None:
    """First what happens, then all bytes; each entity is asked for once."""
    given = Given()
    async with served(given) as stub:
        request = document_pb2.RenderDocumentRequest(
            entities=["entities/UXMFA", "UXMFA"], revision="revisions/1", without_plots=True
        )
        messages = [message async for message in stub.RenderDocument(request)]
    assert [(["entities/UXMFA"], "revisions/1", False)] == given.asked
    assert ["progress", "warning", "data"] == [m.WhichOneof("body") for m in messages[:3]]
    assert ("setting it", 0.5, "no plots") == (
        messages[0].progress,
        messages[0].fraction,
        messages[1].warning,
    )
    assert b"%PDF-" + bytes(600_000) == b"".join(message.data for message in messages)
    assert 1.0 == messages[-1].fraction
    assert max(len(message.data) for message in messages) <= 1 << 20


async def test_errors_come_after_what_was_said() -> None:
    """A refusal is a status, behind the warnings that explain it."""
    async with served(Given()) as stub:
        request = document_pb2.RenderDocumentRequest(entities=["entities/WRONG"])
        call = stub.RenderDocument(request)
        heard = [(await call.read()).WhichOneof("body") for _ in range(2)]
        with pytest.raises(PreconditionError, match="TeX refuses it"), rpc.remote_errors():
            await call.read()
    assert ["progress", "warning"] == heard


async def test_who_leaves_ends_the_work() -> None:
    """A caller that goes away does not leave TeX running."""
    given = Given()
    async with served(given) as stub:
        request = document_pb2.RenderDocumentRequest(entities=["entities/SLOWW"])
        call = stub.RenderDocument(request)
        assert "setting it" == (await call.read()).progress
        call.cancel()
        async with asyncio.timeout(10):
            await given.cancelled.wait()


async def test_parameters() -> None:
    """The table with its place; what is no entity's name is refused."""
    async with served(Given()) as stub:
        request = document_pb2.RenderParametersRequest(name="entities/UXMFA")
        made = await stub.RenderParameters(request)
        assert ("tex", "a/parameters.tex") == (made.tex, made.path)
        for name, code in (
            ("entities/NONEE", grpc.StatusCode.NOT_FOUND),
            ("entities/a/b", grpc.StatusCode.INVALID_ARGUMENT),
            ("", grpc.StatusCode.INVALID_ARGUMENT),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.RenderParameters(document_pb2.RenderParametersRequest(name=name))
            assert code == caught.value.code()
