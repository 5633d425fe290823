"""Makes a copy: the database at one moment, then every artefact that it refers to."""

import asyncio
import contextlib
import hashlib
import logging
import sqlite3
from collections.abc import AsyncGenerator, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path
from typing import Protocol

from services.scheduler.backup import archive
from services.scheduler.backup.manifest import (
    DATABASE,
    Manifest,
    Member,
    artefact_member,
    tables_of,
)
from services.scheduler.ports.retention import Snapshot
from services.scheduler.ports.store import Clock

log = logging.getLogger(__name__)

_REFERRED = """
    select sha256 from check_artefacts union select log from results where log <> ''
    order by 1
"""
_REMOVED = "select sha256 from removed_artefacts"
_STAMP = "select version_num from alembic_version"


class ArtefactFiles(Protocol):
    """The artefact store, as a copy needs it."""

    def keeping(self) -> AbstractAsyncContextManager[None]:
        """Sees to it that no file is removed while the block runs, by any process."""

    def scratch(self, name: str) -> AbstractContextManager[Path]:
        """Gives the path of a file, not there yet, that is gone after the block."""

    def path(self, digest: str) -> Path:
        """Where a file lies, if it is there."""


class Backup:
    """Makes copies while the system works.

    Args:
        snapshot: Copies the database.
        artefacts: The files.
        clock: Tells the time.
        version: Version of ACKREP, for the manifest.
    """

    def __init__(
        self, *, snapshot: Snapshot, artefacts: ArtefactFiles, clock: Clock, version: str
    ) -> None:
        self._snapshot = snapshot
        self._artefacts = artefacts
        self._clock = clock
        self._version = version

    async def create(self) -> AsyncGenerator[Manifest | bytes]:
        """Yields what the copy holds, then its bytes.

        Artefacts are never changed, and none is removed while the copy is made; so it is enough
        that the database is of one moment.
        """
        async with self._artefacts.keeping():
            with self._artefacts.scratch("backup") as database:
                now = self._clock()
                await self._snapshot.write(database)
                manifest = await asyncio.to_thread(
                    self._describe, database, now.isoformat(timespec="seconds")
                )
                log.info(f"a backup of {archive.length(manifest)} bytes is being made")
                yield manifest
                yield archive.beginning(manifest)
                for member in manifest.members:
                    path = database
                    if member.name != DATABASE:
                        path = self._artefacts.path(member.sha256)
                    yield archive.header(member.name, member.size)
                    with path.open("rb") as file:
                        while chunk := await asyncio.to_thread(file.read, archive.CHUNK):
                            yield chunk
                    yield archive.padding(member.size)
                yield archive.ending()

    def _describe(self, database: Path, now: str) -> Manifest:
        with contextlib.closing(sqlite3.connect(database)) as connection:
            referred = [digest for (digest,) in connection.execute(_REFERRED)]
            removed = {digest for (digest,) in connection.execute(_REMOVED)}
            (schema,) = connection.execute(_STAMP).fetchone()
        with database.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        members = [Member(name=DATABASE, size=database.stat().st_size, sha256=digest)]
        members += self._files(referred)
        there = {member.sha256 for member in members}
        missing = tuple(one for one in referred if one not in there and one not in removed)
        if missing:
            log.warning(f"{len(missing)} artefacts are not where they should be, e.g. {missing[0]}")
        return Manifest(
            version=self._version,
            create_time=now,
            schema=schema,
            members=tuple(members),
            tables=tables_of(database),
            missing=missing,
        )

    def _files(self, digests: list[str]) -> Iterator[Member]:
        for digest in digests:
            with contextlib.suppress(FileNotFoundError):
                size = self._artefacts.path(digest).stat().st_size
                yield Member(name=artefact_member(digest), size=size, sha256=digest)
