"""Files of entities as pages need them: read whole, told apart by how they are shown."""

import asyncio
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from markupsafe import Markup

from ackrep.catalog.v1 import catalog_pb2, content_pb2
from gateway.pages import addresses, prose
from gateway.pages.latest import TIMEOUT
from gateway.upstream import Upstream
from services.rpc import remote_errors

IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".webp")
"""Names of pictures that browsers may show from the API's address of a file."""
_PROSE = (".md", ".markdown")
_MOST_TEXTS = 4
_MOST_PDFS = 6


@dataclass(frozen=True)
class Text:
    """A Markdown file of an entity, rendered."""

    path: str
    html: Markup


async def read(upstream: Upstream, entity: str, path: str, *, revision: str, limit: int) -> bytes:
    """Reads a file of an entity, at most `limit` bytes of it.

    Args:
        upstream: The services.
        entity: `entities/{KEY}`.
        path: Path below the entity's folder.
        revision: `revisions/{id}`; empty for the current one.
        limit: Bytes after which the rest is left out.

    Raises:
        NotFoundError: There is no such file.
        FailedPreconditionError: It is larger than the catalog hands out.
    """
    request = content_pb2.DownloadFileRequest(entity=entity, path=path, revision=revision)
    call: Any = upstream.content.DownloadFile(request, timeout=TIMEOUT)
    data = bytearray()
    try:
        with remote_errors():
            while len(data) < limit and (part := await call.read()) is not grpc.aio.EOF:
                data += part.data
    finally:
        call.cancel()
    return bytes(data[:limit])


def is_image(path: str) -> bool:
    """Whether a file is a picture, by its name."""
    return path.lower().endswith(IMAGES)


def is_pdf(path: str) -> bool:
    """Whether a file is a PDF, by its name."""
    return path.lower().endswith(".pdf")


def documents(entity: catalog_pb2.Entity) -> Sequence[catalog_pb2.File]:
    """Lists the PDF files of an entity, the documentation first."""
    found = [file for file in entity.files if is_pdf(file.path)]
    return sorted(found, key=lambda file: ("do" not in file.path.lower(), file.path))[:_MOST_PDFS]


async def texts(upstream: Upstream, entity: catalog_pb2.Entity, *, revision: str) -> Sequence[Text]:
    """Reads and renders the Markdown files of an entity, `README.md` first."""
    paths = [
        file.path
        for file in entity.files
        if file.path.lower().endswith(_PROSE) and file.size <= prose.MAX_CHARACTERS
    ]
    paths.sort(key=lambda path: (not path.lower().startswith("readme"), path.count("/"), path))
    return await asyncio.gather(
        *(_text(upstream, entity, path, revision) for path in paths[:_MOST_TEXTS])
    )


async def _text(upstream: Upstream, entity: catalog_pb2.Entity, path: str, revision: str) -> Text:
    try:
        data = await read(
            upstream,
            entity.name,
            path,
            # Not the address's: the current one may have changed since the entity was read.
            revision=entity.revision or revision,
            limit=prose.MAX_CHARACTERS,
        )
    except Exception as failure:  # noqa: BLE001  # a page without one text is better than none
        return Text(path, Markup("<p>It cannot be read just now: {}</p>").format(str(failure)))
    text = data.decode("utf-8", "replace").lstrip("\ufeff")
    place = place_of(entity, revision=revision, folder=posixpath.dirname(path))
    return Text(path, await asyncio.to_thread(prose.markdown, text, place))


def place_of(entity: catalog_pb2.Entity, *, revision: str, folder: str = "") -> prose.Place:
    """Says whose text it is, so that its relative links and its keys lead somewhere."""
    edges = (*entity.references, *entity.referrers)
    return prose.Place(
        entity=entity.name,
        folder=folder,
        revision=revision,
        files=frozenset(file.path for file in entity.files),
        titles={addresses.last(edge.entity): edge.title for edge in edges if edge.title},
    )
