"""Files and archives of entities, as readers take them home."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from services import media
from services.catalog.app import CHUNK_BYTES, Catalog
from services.catalog.domain.entities import TreeEntry, printable
from services.catalog.ports import Objects
from services.errors import InvalidArgumentError, NotFoundError, PreconditionError

IMMUTABLE: Final = "public, max-age=31536000, immutable"
"""Said of what was asked for by its tree: that never changes."""
REVALIDATE: Final = "no-cache"
"""Said of what was asked for at the current revision: it may be kept, and asked for again."""


@dataclass(frozen=True, kw_only=True)
class Download:
    """One file to hand out, with what has to be known before its first byte."""

    etag: str
    """Names exactly these bytes."""
    content_type: str
    disposition: str
    """Value of the HTTP header `Content-Disposition`."""
    size: int | None
    """Bytes; None where only the end will tell."""
    cache_control: str
    pieces: AsyncIterator[bytes]
    """At least one."""


class Content:
    """Hands out files.

    Args:
        catalog: What there is.
        objects: Where the bytes are.
        file_bytes: Larger files are not handed out one by one.
    """

    def __init__(self, *, catalog: Catalog, objects: Objects, file_bytes: int) -> None:
        self._catalog = catalog
        self._objects = objects
        self._file_bytes = file_bytes

    @contextlib.asynccontextmanager
    async def file(self, key: str, path: str, *, tree: str) -> AsyncIterator[Download]:
        """One file of an entity at a revision; of a symbolic link, the text of the link.

        Args:
            key: The entity.
            path: Below its folder; where a name is no UTF-8, as `printable` writes it.
            tree: The revision; empty means the current one.

        Raises:
            NotFoundError: There is no such entity or file, or the store lacks its content.
            PreconditionError: It is larger than the limit.
        """
        if not path:
            raise InvalidArgumentError("path is required: a file below the entity's folder")
        view = await self._catalog.entity(key, tree=tree)
        entry = _find(path, view.files)
        shown = printable(path)[:200]
        if entry is None:
            raise NotFoundError(f"{key} has no file {shown}", key=key, path=shown)
        if entry.size < 0:
            raise NotFoundError(f"the source does not hold the content of {shown}", blob=entry.id)
        if entry.size > self._file_bytes:
            raise PreconditionError(
                f"{shown} has {entry.size} bytes, and at most {self._file_bytes} are handed out "
                "(ACKREP_CATALOG_FILE_BYTES); take it from the data repository",
                size=str(entry.size),
                limit=str(self._file_bytes),
            )
        stream = aiter(self._objects.stream([entry.id], chunk=CHUNK_BYTES))
        _, first = await anext(stream)
        kind = media.source_type(entry.path, first.data)

        async def pieces() -> AsyncIterator[bytes]:
            yield first.data
            async for _, chunk in stream:
                yield chunk.data

        yield Download(
            etag=f'"{entry.id}"',
            content_type=kind,
            disposition=media.disposition(
                entry.path, inline=media.is_shown(kind, media.SHOWN_SOURCES)
            ),
            size=entry.size,
            cache_control=IMMUTABLE if tree else REVALIDATE,
            pieces=pieces(),
        )


def _find(path: str, files: tuple[TreeEntry, ...]) -> TreeEntry | None:
    exact = next((entry for entry in files if entry.path == path), None)
    return exact or next((entry for entry in files if printable(entry.path) == path), None)
