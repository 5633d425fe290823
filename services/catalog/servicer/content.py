"""Files and archives handed out, trees taken in."""

from collections.abc import AsyncIterator
from typing import Final

from google.api.httpbody_pb2 import HttpBody

from ackrep.catalog.v1 import catalog_pb2
from ackrep.catalog.v1 import content_pb2 as pb
from ackrep.catalog.v1 import content_pb2_grpc as rpc
from services.catalog.content.archives import Format
from services.catalog.content.downloads import Content, Download
from services.catalog.content.uploads import BlobPart, Manifest, Uploads
from services.catalog.domain.content.manifests import ManifestFile
from services.catalog.domain.entities import OBJECT_ID
from services.catalog.servicer.messages import revision_message
from services.catalog.servicer.requests import Context, key_of, tree_of
from services.errors import InvalidArgumentError

SERVICE: Final = pb.DESCRIPTOR.services_by_name["ContentService"].full_name
MAX_BLOBS: Final = 10_000

_FORMATS: Final = {
    pb.DownloadArchiveRequest.FORMAT_UNSPECIFIED: Format.ZIP,
    pb.DownloadArchiveRequest.FORMAT_ZIP: Format.ZIP,
    pb.DownloadArchiveRequest.FORMAT_TAR_GZ: Format.TAR_GZ,
}


class ContentServicer(rpc.ContentServiceServicer):
    """Answers calls for content."""

    def __init__(self, content: Content, uploads: Uploads) -> None:
        self._content = content
        self._uploads = uploads

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
        if len(request.blobs) > MAX_BLOBS:
            raise InvalidArgumentError(f"blobs takes at most {MAX_BLOBS} git blob ids")
        for blob in request.blobs:
            if not OBJECT_ID.fullmatch(blob):
                raise InvalidArgumentError(f"{blob[:100]!r} is no git blob id", blob=blob[:100])
        return pb.FindMissingBlobsResponse(blobs=await self._uploads.missing(request.blobs))

    async def UploadRevision(
        self, request_iterator: AsyncIterator[pb.UploadRevisionRequest], context: Context
    ) -> catalog_pb2.Revision:
        return revision_message(await self._uploads.receive(_parts(request_iterator)))


async def _parts(
    requests: AsyncIterator[pb.UploadRevisionRequest],
) -> AsyncIterator[Manifest | BlobPart]:
    async for request in requests:
        if request.WhichOneof("part") == "blob":
            part = request.blob
            yield BlobPart(blob=part.blob, data=part.data, more=part.more)
        elif request.WhichOneof("part") == "manifest":
            manifest = request.manifest
            yield Manifest(
                files=[ManifestFile(file.path, file.mode, file.blob) for file in manifest.files],
                base_commit=manifest.base_commit,
                clean=manifest.clean,
                title=manifest.title,
                source=manifest.source,
            )
        else:
            raise InvalidArgumentError("a part of an upload is a manifest or a part of a blob")


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
