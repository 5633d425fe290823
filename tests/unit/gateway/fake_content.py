"""Files of the made-up repository, and downloads that fail in every way."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from google.api.httpbody_pb2 import HttpBody

from ackrep.catalog.v1 import catalog_pb2, content_pb2, content_pb2_grpc
from services.errors import NotFoundError, UnavailableError
from tests.unit.gateway.fake_drawings import png
from tests.unit.gateway.fake_repository import README

TEXT = b"import numpy as np\n\n\ndef simulate():\n    return '<script>' * 2  # twice\n"

FILES: dict[str, tuple[str, bytes]] = {
    "README.md": ("text/plain; charset=utf-8", README.encode()),
    "data/orbit.png": ("image/png", png()),
    "data/documentation.pdf": ("application/pdf", b"%PDF-1.4\n%%EOF\n"),
}


class FakeContent(content_pb2_grpc.ContentServiceServicer):
    """Each entity has the same files; `pieces` and `metadata` are what a download sends."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = [TEXT[:20], TEXT[20:]]
        self.kind = "text/plain; charset=utf-8"
        self.metadata: dict[str, str] = {
            "etag": '"abc"',
            "content-disposition": "inline",
            "x-content-length": str(len(TEXT)),
        }
        self.breaks = False
        """Whether the stream fails after the last piece."""
        self.stalls = False
        """Whether the stream stands still after the last piece."""
        self.files: dict[str, tuple[str, bytes]] = dict(FILES)
        """Type and content of files that have others than `pieces`, by path."""
        self.sent = 0
        self.cancelled = asyncio.Event()
        self.seen: list[Any] = []

    async def DownloadFile(
        self, request: content_pb2.DownloadFileRequest, context: Any
    ) -> AsyncIterator[HttpBody]:
        self.seen.append(request)
        if request.path == "nothing.py":
            raise NotFoundError(f"no file {request.path}")
        kind, pieces = self.kind, self.pieces
        if request.path in self.files:
            kind, content = self.files[request.path]
            metadata = {**self.metadata, "x-content-length": str(len(content))}
            await context.send_initial_metadata(tuple(metadata.items()))
            yield HttpBody(content_type=kind, data=content)
            return
        await context.send_initial_metadata(tuple(self.metadata.items()))
        whole = False
        try:
            for index, piece in enumerate(pieces):
                yield HttpBody(content_type="" if index else kind, data=piece)
                self.sent += len(piece)
            if self.stalls:
                await asyncio.Event().wait()
            whole = True
        finally:
            # A call that is cancelled while a piece is being sent only drops this generator.
            if not whole:
                self.cancelled.set()
        if self.breaks:
            raise UnavailableError("the disk is gone")

    async def DownloadArchive(
        self, request: content_pb2.DownloadArchiveRequest, context: Any
    ) -> AsyncIterator[HttpBody]:
        raise NotImplementedError
        yield  # makes this an async generator, as a stream asks for

    async def FindMissingBlobs(
        self, request: content_pb2.FindMissingBlobsRequest, context: Any
    ) -> content_pb2.FindMissingBlobsResponse:
        raise NotImplementedError

    async def UploadRevision(self, request_iterator: Any, context: Any) -> catalog_pb2.Revision:
        raise NotImplementedError
