"""Files and archives handed out, trees taken in."""

from collections.abc import AsyncIterator
from typing import Final

from google.api.httpbody_pb2 import HttpBody

from ackrep.catalog.v1 import catalog_pb2
from ackrep.catalog.v1 import content_pb2 as pb
from ackrep.catalog.v1 import content_pb2_grpc as rpc
from services.catalog.archives import Format
from services.catalog.content import Content, Download
from services.catalog.servicer.requests import Context, key_of, tree_of
from services.errors import InvalidArgumentError

SERVICE: Final = pb.DESCRIPTOR.services_by_name["ContentService"].full_name

_FORMATS: Final = {
    pb.DownloadArchiveRequest.FORMAT_UNSPECIFIED: Format.ZIP,
    pb.DownloadArchiveRequest.FORMAT_ZIP: Format.ZIP,
    pb.DownloadArchiveRequest.FORMAT_TAR_GZ: Format.TAR_GZ,
}


class ContentServicer(rpc.ContentServiceServicer):
    """Answers calls for content."""

    def __init__(self, content: Content) -> None:
        self._content = content

    async def DownloadFile(
        self, request: pb.DownloadFileRequest, context: Context
    ) -> AsyncIterator[HttpBody]:
        key, tree = key_of(request.entity, field="entity"), tree_of(request.revision)
        async with self._content.file(key, request.path, tree=tree) as download:
            async for message in _messages(download, context):
                yield message

    async def DownloadArchive(
        self, request: pb.DownloadArchiveRequest, context: Context
    ) -> AsyncIterator[HttpBody]:
        key, tree = key_of(request.entity, field="entity"), tree_of(request.revision)
        if request.format not in _FORMATS:
            raise InvalidArgumentError(f"format is {request.format}, which is no kind of archive")
        async with self._content.archive(key, _FORMATS[request.format], tree=tree) as download:
            async for message in _messages(download, context):
                yield message

    async def FindMissingBlobs(
        self, request: pb.FindMissingBlobsRequest, context: Context
    ) -> pb.FindMissingBlobsResponse:
        raise NotImplementedError

    async def UploadRevision(
        self, request_iterator: AsyncIterator[pb.UploadRevisionRequest], context: Context
    ) -> catalog_pb2.Revision:
        raise NotImplementedError


async def _messages(download: Download, context: Context) -> AsyncIterator[HttpBody]:
    """The headers as initial metadata, then the content; only the first message has the type."""
    metadata = [
        ("etag", download.etag),
        ("cache-control", download.cache_control),
        ("content-disposition", download.disposition),
    ]
    if download.size is not None:
        # Not `content-length`: HTTP/2 would hold the framed messages against it.
        metadata.append(("x-content-length", str(download.size)))
    await context.send_initial_metadata(tuple(metadata))
    kind = download.content_type
    async for piece in download.pieces:
        yield HttpBody(content_type=kind, data=piece)
        kind = ""
