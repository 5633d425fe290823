"""Removes contents of old artefacts, a few at a time, and tells who asks for one of them."""

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.errors import ArtefactExpiredError, NotFoundError
from services.scheduler.domain.retention import RetentionPolicy, keeping, removals
from services.scheduler.ports.retention import RemovableFiles, Retention
from services.scheduler.ports.store import Artefacts, Clock

log = logging.getLogger(__name__)

_BATCH = 200
"""Files that are removed at a time: a copy that begins meanwhile waits for so many."""
_FIRST_AFTER = 60.0
"""Seconds until the first pass, so that a system that lives for one command has none."""


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What a pass removed."""

    expired: int = 0
    """Artefacts of finished checks."""
    unknown: int = 0
    """Files that no check refers to."""


class Sweeper:
    """Removes what the policy does not keep.

    First SQL notes that a content goes, then the file goes: a process that is killed in between
    leaves a file, which the next pass removes, and never a result whose file is gone unexplained.
    """

    def __init__(
        self,
        *,
        retention: Retention,
        files: RemovableFiles,
        clock: Clock,
        policy: RetentionPolicy,
    ) -> None:
        self._retention = retention
        self._files = files
        self._clock = clock
        self._policy = policy

    async def run_once(self) -> Swept:
        """Makes one pass over the whole store."""
        chosen = self._clock()
        files = await self._files.stored()
        kept = await asyncio.to_thread(keeping, await self._retention.finished())
        uses = await self._retention.uses(kept=kept)
        found = await asyncio.to_thread(
            removals, files, uses, policy=self._policy, now=chosen.timestamp()
        )
        swept = Swept()
        for batch in _batches(found.expired):
            marked = await self._retention.mark_removed(batch, chosen=chosen, now=self._clock())
            gone = await self._remove(marked, chosen=chosen)
            swept = dataclasses.replace(swept, expired=swept.expired + len(gone))
        for batch in _batches(found.unknown):
            gone = await self._remove(batch, chosen=chosen)
            swept = dataclasses.replace(swept, unknown=swept.unknown + len(gone))
        if swept != Swept():
            log.info(
                f"removed {swept.expired} artefacts of old checks, "
                f"and {swept.unknown} files that no check refers to"
            )
        return swept

    async def run(self, *, every: float) -> None:
        """Makes a pass again and again, and survives its errors.

        Args:
            every: Seconds from the end of one to the next.
        """
        await asyncio.sleep(min(every, _FIRST_AFTER))
        while True:
            try:
                await self.run_once()
            except Exception:
                log.exception("retention failed; it goes on")
            await asyncio.sleep(every)

    async def _remove(self, digests: Sequence[str], *, chosen: datetime) -> list[str]:
        return await self._files.remove(
            digests, unused_since=(chosen - self._policy.grace).timestamp()
        )


class ExplainedArtefacts:
    """The port `Artefacts`, which knows why a file is gone."""

    def __init__(self, artefacts: Artefacts, *, retention: Retention) -> None:
        self._artefacts = artefacts
        self._retention = retention

    async def missing(self, digests: Sequence[str]) -> list[str]:
        return await self._artefacts.missing(digests)

    async def put(self, digest: str, *, size: int, chunks: AsyncIterator[bytes]) -> None:
        await self._artefacts.put(digest, size=size, chunks=chunks)

    async def read(self, digest: str) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._artefacts.read(digest):
                yield chunk
        except NotFoundError:
            removed = await self._retention.removed(digest)
            if removed is None:
                raise
            raise ArtefactExpiredError(
                f"the content of artefacts/{digest} was removed on {removed:%Y-%m-%d}, as old "
                "artefacts are not kept; its results are. Check the entity again, with --force, "
                "to make it anew",
                name=f"artefacts/{digest}",
                remove_time=removed.isoformat(),
            ) from None


def _batches(digests: Sequence[str]) -> list[Sequence[str]]:
    return [digests[first : first + _BATCH] for first in range(0, len(digests), _BATCH)]
