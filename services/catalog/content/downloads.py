"""Files and archives of entities, as readers take them home."""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from services import media
from services.catalog.app import CHUNK_BYTES, Catalog
from services.catalog.content.archives import Archive, Format
from services.catalog.domain.closures import Closure
from services.catalog.domain.content.archive_layout import MANIFEST, Layout, Member, laid_out
from services.catalog.domain.entities import SYMLINK_MODE, Revision, TreeEntry, printable
from services.catalog.ports import Objects
from services.errors import InvalidArgumentError, NotFoundError, PreconditionError

IMMUTABLE: Final = "public, max-age=31536000, immutable"
"""Said of what was asked for by its tree's whole id: that never changes."""
REVALIDATE: Final = "no-cache"
"""Said of what was asked for at the current revision: it may be kept, and asked for again."""
_LAYOUT: Final = 1
"""Number of the way archives are laid out and written: another one means other bytes."""
_LINK_BYTES: Final = 4096
"""A link with a longer text leads nowhere: no system has such paths."""
_PIECE: Final = 256 * 1024
"""So many bytes of an archive are handed out at once, or a bit more."""
_QUICK: Final = 16 * 1024
"""Up to so many bytes are compressed without a thread of their own."""


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
        archive_bytes: Content of larger archives is not handed out.
    """

    def __init__(
        self, *, catalog: Catalog, objects: Objects, file_bytes: int, archive_bytes: int
    ) -> None:
        self._catalog = catalog
        self._objects = objects
        self._file_bytes = file_bytes
        self._archive_bytes = archive_bytes

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
        files, revision = await self._catalog.files(key, tree=tree)
        entry = _find(path, files)
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
        pieces = self._pieces(entry)
        first = await anext(pieces)
        kind = media.source_type(entry.path, first)
        yield Download(
            etag=f'"{entry.id}"',
            content_type=kind,
            disposition=media.disposition(
                entry.path, inline=media.is_shown(kind, media.SHOWN_SOURCES)
            ),
            size=entry.size,
            cache_control=IMMUTABLE if tree == revision.tree else REVALIDATE,
            pieces=_rejoined(first, pieces),
        )

    async def _pieces(self, entry: TreeEntry) -> AsyncIterator[bytes]:
        if entry.size > CHUNK_BYTES:
            async for _, chunk in self._objects.stream([entry.id], chunk=CHUNK_BYTES):
                yield chunk.data
            return
        # At once, so that nothing is left half-read where only the beginning is wanted.
        contents = await self._objects.blobs([entry.id], limit=CHUNK_BYTES)
        if entry.id not in contents:
            raise NotFoundError(f"the catalog does not hold the blob {entry.id}", blob=entry.id)
        yield contents[entry.id]

    @contextlib.asynccontextmanager
    async def archive(self, key: str, format_: Format, *, tree: str) -> AsyncIterator[Download]:
        """An entity with its closure, at a revision; made while it is read.

        Args:
            key: The entity.
            format_: What kind of archive.
            tree: The revision; empty means the current one.

        Raises:
            NotFoundError: There is no such entity, or the store lacks a file.
            PreconditionError: A reference dangles, or the content is larger than the limit.
        """
        closure, revision = await self._catalog.closure(key, tree=tree)
        layout = await self._layout(closure)
        total = sum(member.size for member in layout.members)
        if total > self._archive_bytes:
            raise PreconditionError(
                f"{key} and what it needs have {total} bytes, and at most {self._archive_bytes} "
                "are handed out (ACKREP_CATALOG_ARCHIVE_BYTES); clone the data repository instead",
                size=str(total),
                limit=str(self._archive_bytes),
            )
        manifest = _manifest(closure, revision, layout)
        digest = hashlib.sha256(f"{_LAYOUT} {format_}\n".encode() + manifest).hexdigest()
        yield Download(
            etag=f'"{digest}"',
            content_type=format_.content_type,
            disposition=media.disposition(f"{key}-{revision.tree[:10]}.{format_}", inline=False),
            size=None,
            # Not immutable: a commit may come to have the tree, and then the manifest names it.
            cache_control=REVALIDATE,
            pieces=self._written(format_.new(), key, manifest, layout),
        )

    async def _layout(self, closure: Closure) -> Layout:
        entries: dict[str, TreeEntry] = {}
        for placed in closure.folders:
            for entry in await self._objects.entries(placed.entity.tree):
                path = f"{placed.entity.path}/{entry.path}" if placed.entity.path else entry.path
                entries[path] = replace(entry, path=path)
        lacking = [entry.path for entry in entries.values() if entry.size < 0]
        if lacking:
            raise NotFoundError(
                f"the source does not hold the content of {printable(lacking[0])[:200]}"
            )
        links = await self._objects.blobs(
            [entry.id for entry in entries.values() if entry.mode == SYMLINK_MODE],
            limit=_LINK_BYTES,
        )
        short = {id_: text for id_, text in links.items() if len(text) <= _LINK_BYTES}
        return await asyncio.to_thread(laid_out, entries.values(), links=short)

    async def _written(
        self, archive: Archive, key: str, manifest: bytes, layout: Layout
    ) -> AsyncIterator[bytes]:
        archive.begin(f"{key}/{MANIFEST}", Member.of_bytes(MANIFEST, manifest))
        archive.write(manifest)
        waiting = bytearray()
        files = [member for member in layout.members if member.target is None]
        stream = aiter(self._objects.stream([file.blob for file in files], chunk=CHUNK_BYTES))
        for member in layout.members:
            archive.begin(f"{key}/{member.name}", member)
            more = member.target is None
            while more:
                _, chunk = await anext(stream)
                more = chunk.more
                if len(chunk.data) > _QUICK:
                    await asyncio.to_thread(archive.write, chunk.data)
                else:
                    archive.write(chunk.data)
                waiting += archive.taken()
                if len(waiting) >= _PIECE:
                    yield bytes(waiting)
                    waiting.clear()
        archive.finish()
        yield bytes(waiting) + archive.taken()


async def _rejoined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _find(path: str, files: Sequence[TreeEntry]) -> TreeEntry | None:
    exact = next((entry for entry in files if entry.path == path), None)
    return exact or next((entry for entry in files if printable(entry.path) == path), None)


def _manifest(closure: Closure, revision: Revision, layout: Layout) -> bytes:
    """What an archive is, as JSON for people and programs."""
    content = {
        "entity": f"entities/{closure.key}",
        "revision": f"revisions/{revision.tree}",
        "commit": revision.commit,
        "base_commit": revision.base_commit,
        "dirty": revision.dirty,
        "digest": closure.digest,
        "environment": closure.environment,
        "folders": [
            {
                "entity": f"entities/{placed.entity.key}",
                "path": placed.entity.path,
                "tree": placed.entity.tree,
            }
            for placed in closure.folders
        ],
        "renamed": layout.renamed,
        "left_out": layout.left_out,
    }
    return json.dumps(content, indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace")
