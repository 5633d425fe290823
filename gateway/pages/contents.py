"""Files of entities as pages need them: read whole, told apart by how they are shown."""

import asyncio
import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import grpc
from markupsafe import Markup

from ackrep.catalog.v1 import catalog_pb2, content_pb2
from gateway.pages import prose
from gateway.pages.latest import TIMEOUT
from gateway.pages.members import entities_named
from gateway.upstream import Upstream
from services.errors import Error
from services.rpc import remote_errors

IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".webp")
"""Names of pictures that browsers may show from the API's address of a file."""
_PROSE = (".md", ".markdown")
_MOST_TEXTS = 4
_MOST_PDFS = 6
_MOST_KEYS = 200


@dataclass(frozen=True)
class Text:
    """A Markdown file of an entity, as it was written."""

    path: str
    content: str
    failure: str = ""
    """Why it could not be read."""


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
    """Reads the Markdown files of an entity, `README.md` first."""
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
    except Error as failure:  # a page without one text is better than none
        return Text(path, "", failure.message)
    return Text(path, data.decode("utf-8", "replace").lstrip("\ufeff"))


async def place_of(
    upstream: Upstream, entity: catalog_pb2.Entity, texts: Iterable[str], *, revision: str
) -> prose.Place:
    """Says whose texts these are, so that their relative links and their keys lead somewhere."""
    keys = dict.fromkeys(key for text in texts for key in prose.keys_in(text))
    with remote_errors():
        named = await entities_named(
            upstream,
            (f"entities/{key}" for key in list(keys)[:_MOST_KEYS]),
            revision=revision,
        )
    return prose.Place(
        entity=entity.name,
        revision=revision,
        files=frozenset(file.path for file in entity.files),
        titles={one.key: one.title for one in named.values()},
    )


def rendered(text: Text, place: prose.Place) -> Markup:
    """Renders a Markdown file."""
    if text.failure:
        return Markup("<p>It cannot be read just now: {}</p>").format(text.failure)
    return prose.markdown(text.content, replace(place, folder=posixpath.dirname(text.path)))
