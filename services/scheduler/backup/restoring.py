"""Brings a copy back, into a scratch place to prove it or into an empty system to use it."""

import asyncio
import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from services.errors import (
    InvalidArgumentError,
    NotFoundError,
    PreconditionError,
    UnavailableError,
)
from services.scheduler.artefacts.files import FileArtefacts
from services.scheduler.backup.archive import Reader
from services.scheduler.backup.manifest import (
    DATABASE,
    DamagedBackupError,
    Manifest,
    Member,
    tables_of,
)
from services.scheduler.backup.snapshots import contents, copy_database, tables_with_rows
from services.scheduler.domain import machine
from services.scheduler.domain.check import Check
from services.scheduler.domain.listing import CheckFilter
from services.scheduler.domain.names import artefact_id
from services.scheduler.messages import announce, result_message
from services.scheduler.ports.store import Store
from services.scheduler.sql import Database, sql_store

_READ = 50
"""Checks that are read back with all they have."""

Progress = Callable[[int], None]
"""Told how many bytes of the copy are read."""


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What was brought back and proved."""

    version: str
    create_time: str
    schema: str
    bytes: int
    tables: int
    rows: int
    checks: int
    runs: int
    artefacts: int
    requeued: int
    """Checks that were running, and wait again."""
    read_checks: int
    """Newest checks that the store read back with their results."""
    read_artefacts: int
    """Files that were read back for them."""
    missing: tuple[str, ...]
    """Artefacts that were lost before the copy was made."""


async def restore(
    file: BinaryIO,
    *,
    database_url: str,
    artefacts: Path,
    scratch: Path,
    durable: bool,
    progress: Progress,
) -> Restored:
    """Brings a copy back into an empty database and an empty folder, and proves each step.

    Args:
        file: The copy.
        database_url: SQLAlchemy URL of the target.
        artefacts: Folder of the artefact store; made if it does not exist.
        scratch: An empty folder for the time being.
        durable: Whether what is brought back has to outlive a power cut.
        progress: Told how far it is.

    Raises:
        DamagedBackupError: The copy is not what was written; the message names the part.
        PreconditionError: The target is not empty, or the copy is of a newer version.
    """
    database = _opened(database_url)
    try:
        await _require_empty(database, artefacts)
        manifest, read = await asyncio.to_thread(
            _unpack, file, artefacts=artefacts, copied=scratch / DATABASE, progress=progress
        )
        if durable:
            await asyncio.to_thread(os.sync)  # once for all files: the database comes after them
        await asyncio.to_thread(_compare_tables, manifest, scratch / DATABASE)
        source = Database(f"sqlite:///{scratch / DATABASE}")
        try:
            await source.prepare()  # an older schema becomes the present one
        finally:
            await source.close()
        await database.prepare()
        await database.write(partial(_fill, copied=scratch / DATABASE))
        store = sql_store(database, announce=announce)
        files = FileArtefacts(artefacts)
        checks, found = await _read_back(store, files)
        requeued = await _requeue(store)
        return Restored(
            version=manifest.version,
            create_time=manifest.create_time,
            schema=manifest.schema,
            bytes=read,
            tables=len(manifest.tables),
            rows=sum(table.rows for table in manifest.tables.values()),
            checks=manifest.tables["checks"].rows,
            runs=manifest.tables["runs"].rows,
            artefacts=len(manifest.members) - 1,
            requeued=requeued,
            read_checks=checks,
            read_artefacts=found,
            missing=manifest.missing,
        )
    finally:
        await database.close()


def _opened(url: str) -> Database:
    try:
        if make_url(url).get_backend_name() in {"sqlite", "postgresql"}:
            return Database(url)
    except (ArgumentError, NoSuchModuleError):
        pass
    raise InvalidArgumentError(
        "the database has to be an SQLAlchemy URL such as sqlite:////path/scheduler.sqlite or "
        "postgresql://user@host/name"
    )


async def _require_empty(database: Database, artefacts: Path) -> None:
    try:
        full = await database.read(tables_with_rows)
    except DBAPIError as error:
        raise UnavailableError(f"cannot use the database: {error.orig}") from error
    except OSError as error:
        raise UnavailableError(f"cannot reach the database: {error}") from error
    if full:
        raise PreconditionError(
            f"the database is not empty: there are rows in {', '.join(full)}; name an empty one"
        )
    if artefacts.is_dir() and any(path.is_file() for path in artefacts.rglob("*")):
        raise PreconditionError(f"the folder {artefacts} is not empty; name an empty or a new one")


def _unpack(
    file: BinaryIO, *, artefacts: Path, copied: Path, progress: Progress
) -> tuple[Manifest, int]:
    """Writes the database and all artefacts, and compares each with its digest."""
    reader = Reader(file)
    artefacts.mkdir(parents=True, exist_ok=True)
    for member, chunks in reader.members():
        path = copied if member.name == DATABASE else _place(member, artefacts)
        path.parent.mkdir(exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        with part.open("wb") as target:
            for chunk in chunks:
                target.write(chunk)
                progress(file.tell())
        part.replace(path)
    progress(file.tell())
    return reader.manifest, file.tell()


def _place(member: Member, artefacts: Path) -> Path:
    """Where an artefact goes, by its digest; a name of the copy leads nowhere else."""
    if len(member.sha256) != hashlib.sha256().digest_size * 2 or not member.sha256.isalnum():
        raise DamagedBackupError(f"{member.name} is no artefact")
    return artefacts / member.sha256[:2] / member.sha256


def _compare_tables(manifest: Manifest, copied: Path) -> None:
    """Compares the rows of the copied database with what the manifest says of them."""
    found = tables_of(copied)
    for name in sorted({*found, *manifest.tables}):
        if found.get(name) != manifest.tables.get(name):
            raise DamagedBackupError(f"the rows of the table {name} are not those of the manifest")
    with contextlib.closing(sqlite3.connect(copied)) as connection:
        said = connection.execute("pragma integrity_check").fetchone()[0]
        if said != "ok":
            raise DamagedBackupError(f"{DATABASE} is damaged: {said}")
        if (lost := connection.execute("pragma foreign_key_check").fetchone()) is not None:
            raise DamagedBackupError(f"a row of {lost[0]} refers to one of {lost[2]} that is lost")


def _fill(target: Connection, *, copied: Path) -> None:
    """Copies all rows, reads them back, and compares both."""
    engine = create_engine(f"sqlite:///{copied}")
    try:
        with engine.connect() as source:
            copy_database(source, target)
            wanted, found = contents(source), contents(target)
    finally:
        engine.dispose()
    for name, content in wanted.items():
        if content != found[name]:
            raise DamagedBackupError(f"the rows of {name} came out of the database differently")


async def _read_back(store: Store, files: FileArtefacts) -> tuple[int, int]:
    """Reads the newest checks, runs and verdicts as the system does, with the checks' files."""
    checks = await store.checks.list_page(CheckFilter(), limit=_READ, before="")
    for run in await store.runs.list_page(limit=_READ, before=""):
        await store.runs.changes(run.run.id, after=0, limit=_READ)
    await store.verdicts.list_page(limit=_READ)
    found = 0
    for digest in _digests(checks):
        content = hashlib.sha256()
        try:
            async for chunk in files.read(digest):
                content.update(chunk)
        except NotFoundError:
            continue  # removed, or lost before: the manifest says which
        if content.hexdigest() != digest:
            raise DamagedBackupError(f"artefacts/{digest} came out of the store differently")
        found += 1
    return len(checks), found


def _digests(checks: Sequence[Check]) -> list[str]:
    """The files of results, each once."""
    found: dict[str, None] = {}
    for check in checks:
        if check.result is not None:
            named = [artefact_id(one.name) for one in result_message(check.result).artefacts]
            found.update(dict.fromkeys([*named, *([check.result.log] if check.result.log else [])]))
    return list(found)


async def _requeue(store: Store) -> int:
    """Ends the leases of what was running: no runner of today holds it.

    The attempts made stay counted, and this is none that failed. Job messages of the old broker
    are forgotten, so that each waiting check is published anew.
    """
    now = datetime.now(UTC)
    held = await store.runners.held()
    for _, check_id in held:
        check = await store.checks.get(check_id)
        await store.checks.update(
            check_id,
            partial(
                machine.release,
                attempt=check.attempt,
                reason="the system was restored from a backup",
                now=now,
            ),
        )
    while published := await store.queue.published(before=now + timedelta(days=365_000)):
        await store.queue.unpublish(published)
    return len(held)
