"""Takes in the tree of a far client's working copy, and indexes it.

Blobs are kept as soon as they are whole and verified, whatever becomes of the upload: a repeated
one need not send them again. Only the tree of a whole upload is written, and only that is indexed,
so an upload that breaks off leaves nothing that anybody could see.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from services.catalog.app import Catalog
from services.catalog.domain.content.manifests import (
    ManifestFile,
    TreeObject,
    checked,
    tree_objects,
)
from services.catalog.domain.entities import OBJECT_ID, Revision
from services.catalog.source_ports import Snapshot
from services.errors import (
    DeadlineExceededError,
    InvalidArgumentError,
    NotFoundError,
    PreconditionError,
    ResourceExhaustedError,
)

_IDLE_SECONDS: Final = 120.0
"""An upload that sends nothing for so long has been given up by its client."""
_PATH_BYTES: Final = 128 * 1024 * 1024
"""Most bytes of all paths together: they are in memory while the upload lasts."""
_LONGEST_TEXT: Final = 500
_NAMED: Final = 5
"""So many paths an error names."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a tree holds, or the next files of it."""

    files: Sequence[ManifestFile]
    base_commit: str = ""
    clean: bool = False
    title: str = ""
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class BlobPart:
    """Next bytes of a blob."""

    blob: str
    data: bytes
    more: bool


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of one upload."""

    files: int
    blob_bytes: int
    """Of each file sent."""
    total_bytes: int
    """Of all that is sent."""


class Draft(Protocol):
    """A blob while it comes in."""

    size: int
    """Bytes so far."""

    async def add(self, data: bytes) -> None:
        """Adds bytes.

        Raises:
            ResourceExhaustedError: The disk is full.
        """
        ...

    async def keep(self, id_: str) -> bool:
        """Writes it into the store; False, and nothing is written, where its id is another.

        Raises:
            ResourceExhaustedError: The disk is full.
        """
        ...

    def close(self) -> None:
        """Gives up what the draft holds; what was kept stays."""
        ...


class ObjectWriter(Protocol):
    """Adds to the object store."""

    async def missing(self, ids: Sequence[str], *, kind: str) -> list[str]:
        """Which of these the store does not hold as objects of that kind, in the order asked."""
        ...

    def draft(self) -> "Draft":
        """A new blob of which nothing is known yet."""
        ...

    async def write_trees(self, trees: Iterable[TreeObject]) -> None:
        """Writes trees that the store lacks.

        Raises:
            ResourceExhaustedError: The disk is full.
        """
        ...


class Uploads:
    """Uploads of one catalog; any number at once.

    Args:
        catalog: Indexes what came.
        objects: Where content is kept.
        limits: Bounds of each upload.
    """

    def __init__(self, *, catalog: Catalog, objects: ObjectWriter, limits: Limits) -> None:
        self._catalog = catalog
        self._objects = objects
        self._limits = limits

    async def missing(self, blobs: Sequence[str]) -> list[str]:
        """Which blobs the store lacks."""
        return await self._objects.missing(blobs, kind="blob")

    async def receive(self, parts: AsyncIterator[Manifest | BlobPart]) -> Revision:
        """Takes in one upload.

        Args:
            parts: Manifests first, then blobs.

        Raises:
            InvalidArgumentError: The parts are no tree, or a blob's content is not its own.
            PreconditionError: A blob is lacking.
            ResourceExhaustedError: A limit is reached, or the disk is full.
            DeadlineExceededError: The client sends nothing more.
        """
        upload = _Upload(self._objects, self._limits)
        with contextlib.closing(upload):
            async for part in _in_time(parts):
                await upload.take(part)
            tree = await upload.finish()
        manifest = upload.manifest
        commit = manifest.base_commit if manifest.clean else ""
        await self._check_clean(manifest, tree)
        return await self._catalog.add(
            Snapshot(
                revision=Revision(
                    tree=tree,
                    commit=commit,
                    base_commit=manifest.base_commit,
                    dirty=not commit,
                    source=_text(manifest.source),
                    title=_text(manifest.title),
                )
            )
        )

    async def _check_clean(self, manifest: Manifest, tree: str) -> None:
        """A commit has one tree: what was indexed of it is believed, not who uploads."""
        if not manifest.clean:
            return
        try:
            known = await self._catalog.revision(manifest.base_commit)
        except NotFoundError:
            return
        if known.commit == manifest.base_commit and known.tree != tree:
            raise InvalidArgumentError(
                f"the tree {tree} is said to be that of the commit {manifest.base_commit}, and "
                "is not",
                tree=tree,
            )


class _Upload:
    """One upload while it lasts."""

    def __init__(self, objects: ObjectWriter, limits: Limits) -> None:
        self._objects = objects
        self._limits = limits
        self._first: Manifest | None = None
        self._files: list[ManifestFile] = []
        self._path_bytes = 0
        self._names: dict[str, bytes] | None = None
        """A path of each blob, once the manifest is whole."""
        self._lacking: set[str] = set()
        self._blob = ""
        self._draft: Draft | None = None
        self._received = 0

    @property
    def manifest(self) -> Manifest:
        """The first manifest, of a finished upload."""
        assert self._first is not None  # noqa: S101  # no upload begins without
        return self._first

    async def take(self, part: Manifest | BlobPart) -> None:
        """Takes the next part."""
        if isinstance(part, BlobPart):
            if self._names is None:
                await self._begin()
            await self._take_blob(part)
            return
        if self._names is not None:
            raise InvalidArgumentError("a manifest came after a blob")
        if self._first is None:
            _check_words(part)
            self._first = part
        self._files += part.files
        self._path_bytes += sum(len(file.path) for file in part.files)
        if self._path_bytes > _PATH_BYTES:
            raise ResourceExhaustedError(
                f"all paths together have more than {_PATH_BYTES} bytes", limit=str(_PATH_BYTES)
            )
        if len(self._files) > self._limits.files:
            raise ResourceExhaustedError(
                f"the tree has more than {self._limits.files} files "
                "(ACKREP_CATALOG_UPLOAD_FILES); are there files that .gitignore should name?",
                limit=str(self._limits.files),
            )

    async def _begin(self) -> None:
        """Checks the whole manifest, and what of it is lacking."""
        if self._first is None:
            raise InvalidArgumentError("an upload begins with a manifest")
        await asyncio.to_thread(checked, self._files)
        self._names = {file.blob: file.path for file in self._files}
        self._lacking = set(await self._objects.missing(list(self._names), kind="blob"))

    async def _take_blob(self, part: BlobPart) -> None:
        if self._draft is None:
            if part.blob not in (self._names or {}):
                raise InvalidArgumentError(
                    f"the blob {part.blob[:100]!r} is not in the manifest", blob=part.blob[:100]
                )
            self._blob, self._draft = part.blob, self._objects.draft()
        if part.blob != self._blob:
            raise self._broken_off()
        self._received += len(part.data)
        self._check_sizes(self._draft.size + len(part.data))
        await self._draft.add(part.data)
        if part.more:
            return
        if not await self._draft.keep(self._blob):
            raise InvalidArgumentError(
                f"what was sent for {self._path(self._blob)} is not the blob {self._blob}; "
                "did the file change meanwhile?",
                blob=self._blob,
            )
        self._lacking.discard(self._blob)
        self.close()

    def _broken_off(self) -> InvalidArgumentError:
        return InvalidArgumentError(f"the blob {self._blob} broke off", blob=self._blob)

    def _check_sizes(self, size: int) -> None:
        limits = self._limits
        if size > limits.blob_bytes:
            raise ResourceExhaustedError(
                f"{self._path(self._blob)} is larger than {limits.blob_bytes} bytes "
                "(ACKREP_CATALOG_UPLOAD_BLOB_BYTES)",
                limit=str(limits.blob_bytes),
            )
        if self._received > limits.total_bytes:
            raise ResourceExhaustedError(
                f"the upload is larger than {limits.total_bytes} bytes "
                "(ACKREP_CATALOG_UPLOAD_BYTES); are there files that .gitignore should name?",
                limit=str(limits.total_bytes),
            )

    def close(self) -> None:
        """Gives up the blob that is not whole."""
        if self._draft is not None:
            self._draft.close()
            self._draft = None

    async def finish(self) -> str:
        """Writes the trees; gives the id of the whole one."""
        if self._names is None:
            await self._begin()
        if self._draft is not None:
            raise self._broken_off()
        # Somebody else may have sent them meanwhile.
        lacking = await self._objects.missing(sorted(self._lacking), kind="blob")
        if lacking:
            shown = ", ".join(self._path(blob) for blob in lacking[:_NAMED])
            more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
            raise PreconditionError(
                f"the content of {shown}{more} is lacking; ask FindMissingBlobs and send it",
                blobs=",".join(lacking[:_NAMED]),
                count=str(len(lacking)),
            )
        trees = await asyncio.to_thread(lambda: list(tree_objects(self._files)))
        tree = trees[-1].id
        await self._objects.write_trees(trees)
        return tree

    def _path(self, blob: str) -> str:
        path = (self._names or {}).get(blob, b"")
        return path[:200].decode("utf-8", "backslashreplace")


def _check_words(manifest: Manifest) -> None:
    if manifest.base_commit and not OBJECT_ID.fullmatch(manifest.base_commit):
        raise InvalidArgumentError(
            f"base_commit is {manifest.base_commit[:100]!r}, which is no git commit id"
        )
    if manifest.clean and not manifest.base_commit:
        raise InvalidArgumentError("a clean tree is that of a commit: base_commit is required")
    for name, text in (("title", manifest.title), ("source", manifest.source)):
        if len(text) > _LONGEST_TEXT:
            raise InvalidArgumentError(f"{name} is longer than {_LONGEST_TEXT} characters")


def _text(said: str) -> str:
    """What somebody far away calls something, in one line."""
    return _CONTROL.sub(" ", said)


async def _in_time(
    parts: AsyncIterator[Manifest | BlobPart],
) -> AsyncIterator[Manifest | BlobPart]:
    while True:
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                part = await anext(parts)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise DeadlineExceededError(
                f"nothing came for {_IDLE_SECONDS:g} s; start the upload again: what was sent "
                "is kept"
            ) from error
        yield part
