"""Copies of the scheduler's store for tests: something to copy, and how it is copied."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from ackrep.scheduler.v1 import check_pb2
from services.scheduler.artefacts.files import FileArtefacts
from services.scheduler.backup.creation import Backup
from services.scheduler.backup.manifest import Manifest
from services.scheduler.backup.restoring import Restored, restore
from services.scheduler.backup.snapshots import snapshot_of
from services.scheduler.domain.check import Artefact, Check, Run
from services.scheduler.domain.names import new_id
from services.scheduler.messages import announce
from services.scheduler.ports.store import Store
from services.scheduler.sql import Database, sql_store
from tests.scheduler_stores import NOW, a_check, a_runner, claim, finish


@dataclass(frozen=True)
class Kept:
    """All that a scheduler keeps."""

    url: str
    folder: Path
    database: Database
    store: Store
    files: FileArtefacts

    async def checked(self, entity: str, content: bytes = b"a plot") -> Check:
        """Finishes a check that left a file and a log."""
        check, _ = await self.store.checks.create(a_check(entity))
        return await self.finished(check, content)

    async def finished(self, check: Check, content: bytes = b"a plot") -> Check:
        """Finishes a check that waits."""
        await claim(self.store, check)
        digest = await self.put(content)
        log = await self.put(f"log of {check.id}".encode())
        payload = check_pb2.Result(
            verdict=check_pb2.VERDICT_SUCCESS,
            log=f"artefacts/{log}",
            artefacts=[check_pb2.Artefact(name=f"artefacts/{digest}", path="plot.png")],
        )
        return await finish(
            self.store,
            check,
            payload=payload.SerializeToString(),
            log=log,
            artefacts=(
                Artefact(
                    sha256=digest, path="plot.png", size=len(content), content_type="image/png"
                ),
            ),
        )

    async def put(self, content: bytes) -> str:
        """Stores a file."""
        digest = hashlib.sha256(content).hexdigest()

        async def chunks() -> AsyncIterator[bytes]:
            yield content

        await self.files.put(digest, size=len(content), chunks=chunks())
        return digest

    def backup(self) -> Backup:
        """What copies it."""
        return Backup(
            snapshot=snapshot_of(self.url), artefacts=self.files, clock=lambda: NOW, version="1.2.3"
        )


async def opened(url: str, folder: Path) -> Kept:
    """Opens a database and a folder of artefacts, which are made where they are not there."""
    database = Database(url)
    await database.prepare()
    return Kept(
        url=url,
        folder=folder,
        database=database,
        store=sql_store(database, announce=announce),
        files=FileArtefacts(folder),
    )


async def filled(kept: Kept) -> None:
    """Leaves a bit of everything: finished, waiting, published and running checks, a run."""
    await kept.store.runners.register(a_runner())
    run = Run(id=new_id(), title="all", revision="a" * 40, commit="c" * 40, create_time=NOW)
    _, created = await kept.store.runs.create(
        run, [a_check(entity, run=run.id) for entity in ("AAAAA", "BBBBB", "CCCCC")]
    )
    assert created
    first, second, _ = await kept.store.runs.changes(run.id, after=0, limit=10)
    await kept.finished(first)
    await claim(kept.store, second)
    for number in range(5):
        await kept.checked(f"D{number:04d}", b"a plot" if number % 2 else bytes([number]) * 3000)
    await kept.store.checks.create(a_check("EEEEE"))
    waiting = await kept.store.queue.waiting(now=NOW, window=lambda *_: 10)
    await kept.store.queue.mark_published(waiting, now=NOW)


async def copied(
    kept: Kept, path: Path, *, meanwhile: Callable[[], Awaitable[object]] | None = None
) -> Manifest:
    """Copies all there is into a file; waits for `meanwhile` after each of the first parts."""
    manifest = None
    parts = 0
    with path.open("wb") as file:
        async for part in kept.backup().create():
            if isinstance(part, Manifest):
                manifest = part
            else:
                file.write(part)
            parts += 1
            if meanwhile is not None and parts < 6:
                await meanwhile()
    assert manifest is not None
    return manifest


async def restored(path: Path, *, url: str, artefacts: Path, scratch: Path) -> Restored:
    """Brings a copy back."""
    scratch.mkdir(exist_ok=True)
    with path.open("rb") as file:
        return await restore(
            file,
            database_url=url,
            artefacts=artefacts,
            scratch=scratch,
            durable=False,
            progress=lambda _: None,
        )
