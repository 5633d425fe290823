"""`DocumentService`: translates, decides nothing."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

from ackrep.runner.v1 import document_pb2, document_pb2_grpc
from services.errors import InvalidArgumentError
from services.runner.documents.rendering import Documents

log = logging.getLogger(__name__)

_CHUNK = 256 * 1024
_MOST_ENTITIES = 1_000
_WAITING = 1_000


class DocumentServicer(document_pb2_grpc.DocumentServiceServicer):
    """Makes documents of the entities that the catalog knows."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def RenderParameters(
        self, request: document_pb2.RenderParametersRequest, context: Any
    ) -> document_pb2.RenderParametersResponse:
        made = await self._documents.parameters(
            _entity(request.name), request.revision, _Messages()
        )
        return document_pb2.RenderParametersResponse(tex=made.tex, path=made.path)

    async def RenderDocument(
        self, request: document_pb2.RenderDocumentRequest, context: Any
    ) -> AsyncIterator[document_pb2.RenderDocumentResponse]:
        if len(request.entities) > _MOST_ENTITIES:
            raise InvalidArgumentError(f"entities must not be more than {_MOST_ENTITIES}")
        names = list(dict.fromkeys(map(_entity, request.entities)))
        messages = _Messages()
        work = asyncio.create_task(
            self._documents.render(
                names, request.revision, messages, plots=not request.without_plots
            )
        )
        work.add_done_callback(lambda _: messages.end())
        try:
            async for message in messages:
                yield message
            pdf = await work
            for begin in range(0, len(pdf), _CHUNK):
                yield document_pb2.RenderDocumentResponse(
                    data=pdf[begin : begin + _CHUNK],
                    fraction=min(1.0, (begin + _CHUNK) / len(pdf)),
                )
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


def _entity(name: str) -> str:
    key = name.removeprefix("entities/")
    if not key or "/" in key:
        raise InvalidArgumentError(f"{name!r} names no entity; write entities/KEY")
    return f"entities/{key}"


class _Messages:
    """A listener whose messages are read as they come. What nobody reads is not kept for ever."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[document_pb2.RenderDocumentResponse | None] = asyncio.Queue()

    def progress(self, text: str, fraction: float | None = None) -> None:
        if self._queue.qsize() < _WAITING:
            self._queue.put_nowait(
                document_pb2.RenderDocumentResponse(progress=text, fraction=fraction)
            )

    def warning(self, text: str) -> None:
        if self._queue.qsize() < 2 * _WAITING:
            self._queue.put_nowait(document_pb2.RenderDocumentResponse(warning=text))

    def end(self) -> None:
        self._queue.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[document_pb2.RenderDocumentResponse]:
        while (message := await self._queue.get()) is not None:
            yield message
