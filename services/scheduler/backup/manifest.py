"""What a copy says about itself: the digest of each of its files, and of the rows of each table."""

import dataclasses
import hashlib
import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.errors import PreconditionError

FORMAT = 1
DATABASE = "scheduler.sqlite"
"""Name of the member that holds the database."""


class DamagedBackupError(PreconditionError):
    """A copy is not what was written; the message names the part."""

    reason = "BACKUP_DAMAGED"


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file of the copy."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class TableContent:
    """All rows of one table."""

    rows: int
    sha256: str
    """Sum of the digests of the rows, so that no order is needed."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a copy holds."""

    version: str
    """Version of ACKREP that made it."""
    create_time: str
    """When its database was copied, in UTC."""
    schema: str
    """Revision of the database's schema."""
    members: tuple[Member, ...]
    """The database, then artefacts by digest."""
    tables: dict[str, TableContent]
    missing: tuple[str, ...] = ()
    """Artefacts that rows refer to, but that the store had lost before."""

    def encoded(self) -> bytes:
        """As JSON."""
        return json.dumps(
            {"format": FORMAT, **dataclasses.asdict(self)}, indent=1, sort_keys=True
        ).encode()

    @classmethod
    def decoded(cls, text: bytes) -> "Manifest":
        """Reads JSON.

        Raises:
            PreconditionError: A newer version made the copy.
            DamagedBackupError: It is no manifest.
        """
        try:
            found: dict[str, Any] = json.loads(text)
            form = found.pop("format")
            if form != FORMAT:
                raise PreconditionError(
                    f"the backup has format {form}, and this version of ACKREP reads {FORMAT}; "
                    "restore it with the version that made it"
                )
            return cls(
                **{
                    **found,
                    "members": tuple(Member(**one) for one in found["members"]),
                    "tables": {name: TableContent(**one) for name, one in found["tables"].items()},
                    "missing": tuple(found["missing"]),
                }
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedBackupError(f"manifest.json cannot be read: {error}") from error


def artefact_member(digest: str) -> str:
    """Names the member that holds an artefact."""
    return f"artefacts/{digest[:2]}/{digest}"


def content_of(rows: Iterable[Iterable[Any]]) -> TableContent:
    """Counts and digests rows, whatever order and database they come from."""
    count = total = 0
    for row in rows:
        count += 1
        total += int.from_bytes(hashlib.sha256(repr([*map(_plain, row)]).encode()).digest())
    return TableContent(rows=count, sha256=f"{total % 2**256:064x}")


def _plain(value: Any) -> Any:
    """A value as SQLite has it."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    return value


def tables_of(path: Path) -> dict[str, TableContent]:
    """Digests all tables of an SQLite file."""
    connection = sqlite3.connect(path)
    try:
        names = connection.execute(
            "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"
        )
        return {
            name: content_of(connection.execute(f'select * from "{name}"'))  # noqa: S608  # its own
            for (name,) in sorted(names)
        }
    finally:
        connection.close()
