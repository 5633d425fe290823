"""What history needs of the store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.errors import PreconditionError
from services.scheduler.domain.check import Check, Run
from services.scheduler.domain.history import Cause, EntityHistory, Sighting
from services.scheduler.domain.matrix import Cell


@dataclass(frozen=True, kw_only=True)
class ImportedRun:
    """Where an imported run came from."""

    run: str
    """Id."""
    file_name: str
    content_digest: str
    """sha256 of its data, however they are written."""
    core_commit: str
    build_url: str


class History(Protocol):
    """Finished checks, asked for by what they say; and imported runs."""

    async def catch_up(self, *, limit: int) -> int:
        """Makes outcomes that are missing or of an older method; says how many, at most `limit`."""

    async def failures(self, run: str) -> list[Sighting]:
        """Lists the failed checks of a run, or, where empty, of the present state of entities."""

    async def first_seen(self, fingerprints: Sequence[str]) -> dict[str, Sighting]:
        """Finds the first check ever with each of these fingerprints."""

    async def cause(self, fingerprint: str, *, runs: int) -> Cause | None:
        """Looks at all checks that failed by a cause, in at most `runs` runs; None if none did."""

    async def entity(self, entity: str) -> EntityHistory:
        """Looks at all finished checks of an entity; there may be none."""

    async def sightings(self, entity: str, *, limit: int, before: str) -> list[Sighting]:
        """Lists finished checks of an entity, newest first, from below the id `before` on."""

    async def environments(self, runs: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
        """Lists names and digests of the environments in which checks of runs ran, in order."""

    async def keys(
        self, runs: Sequence[str], *, entities: Sequence[str], after: str, limit: int
    ) -> list[str]:
        """Lists the entities of runs whose keys sort after one; `entities` only, if given."""

    async def cells(self, runs: Sequence[str], *, entities: Sequence[str]) -> list[Cell]:
        """Lists the checks of runs for these entities, all of them where none are given."""

    async def causes(self, runs: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Gives fingerprint and title of each failed check (id) of runs."""

    async def runs_between(self, start: datetime, end: datetime, *, limit: int) -> list[str]:
        """Lists the ids of runs created at `start` or later, before `end`, newest first."""

    async def add(
        self, source: ImportedRun, content: bytes, *, run: Run, checks: Sequence[Check]
    ) -> bool:
        """Adds an imported run with its finished checks, and says whether it did.

        One transaction. Nothing is announced: nobody waits for checks that ended long ago.

        Raises:
            PreconditionError: The run is there, but came from other content.
        """

    async def imported(self, runs: Sequence[str]) -> dict[str, ImportedRun]:
        """Finds where runs came from; those that were not imported are left out."""

    async def content(self, run: str) -> bytes | None:
        """Gives the file that a run was imported from."""


def require_same(source: ImportedRun, digest: str) -> None:
    """Refuses a file whose run is there with content of another digest.

    Raises:
        PreconditionError: It is.
    """
    if source.content_digest != digest:
        raise PreconditionError(
            f"{source.file_name}: the run of that time, runs/{source.run}, was imported from other "
            f"content; `ackrep export-results` writes what it was"
        )
