"""What care of the store needs of the world: files that may go, and who refers to them."""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from services.scheduler.domain.retention import FinishedCheck, StoredFile, Use


class Retention(Protocol):
    """What the store knows of artefacts that may go."""

    async def finished(self) -> list[FinishedCheck]:
        """Lists all finished checks, oldest first."""

    async def uses(self, *, kept: Collection[str]) -> dict[str, Use]:
        """Gives every artefact that any result refers to.

        Args:
            kept: Ids of the checks that keep theirs.
        """

    async def mark_removed(
        self, digests: Collection[str], *, chosen: datetime, now: datetime
    ) -> list[str]:
        """Notes that contents go, before they do; lists those that may.

        One may not that a check refers to which finished after they were chosen. No result is
        reused from now on that refers to one that goes: its check would have no files.
        """

    async def removed(self, digest: str) -> datetime | None:
        """When an artefact's content was removed; nothing where it never was."""


class RemovableFiles(Protocol):
    """The artefact store, as retention sees it."""

    async def stored(self) -> list[StoredFile]:
        """Lists all files."""

    async def remove(self, digests: Sequence[str], *, unused_since: float) -> list[str]:
        """Removes files, and lists those that are gone.

        None goes while a copy is made (`keeping`), and none that was asked for after a time.
        """

    def keeping(self) -> AbstractAsyncContextManager[None]:
        """Sees to it that no file is removed while the block runs, by any process."""


class Snapshot(Protocol):
    """The database at one moment."""

    async def write(self, target: Path) -> None:
        """Writes it as an SQLite file, while changes go on.

        Raises:
            ResourceExhaustedError: There is no room.
        """
