"""Use cases of the audit log."""

import asyncio
import dataclasses
import logging
from datetime import timedelta

from services.scheduler.domain.access import LONGEST_TEXT, AuditEntry, AuditFilter
from services.scheduler.domain.listing import after_token, page_size, page_token
from services.scheduler.domain.names import new_id
from services.scheduler.ports.access import AuditLog
from services.scheduler.ports.store import Clock

log = logging.getLogger(__name__)

_SHORT_TEXT = 64


class Auditing:
    """Keeps who did what, for so long.

    Args:
        entries: Where it is kept.
        clock: Tells the time.
        age: How long; nothing means for ever.
    """

    def __init__(self, *, entries: AuditLog, clock: Clock, age: timedelta | None) -> None:
        self._entries = entries
        self._clock = clock
        self._age = age

    async def record(self, entry: AuditEntry) -> AuditEntry:
        """Adds an entry, whose id and time are made here; texts are cut to what is kept."""
        entry = dataclasses.replace(
            entry,
            id=new_id(),
            create_time=self._clock(),
            principal=entry.principal[:_SHORT_TEXT],
            address=entry.address[:_SHORT_TEXT],
            action=entry.action[:LONGEST_TEXT],
            resource=entry.resource[:LONGEST_TEXT],
            request_id=entry.request_id[:_SHORT_TEXT],
        )
        await self._entries.add(entry)
        return entry

    async def list_page(
        self, condition: AuditFilter, *, size: int, token: str
    ) -> tuple[list[AuditEntry], str]:
        """Lists a page of the log, newest first, and the next one's token."""
        limit = page_size(size)
        query = f"audit {condition}"
        found = await self._entries.list_page(
            condition, limit=limit + 1, before=after_token(token, query=query)
        )
        page = found[:limit]
        return page, page_token(page[-1].id, query=query) if len(found) > limit else ""

    async def run(self, *, every: float) -> None:
        """Removes entries that are too old, once and then after so many seconds each, for ever."""
        while self._age is not None:
            try:
                if gone := await self._entries.remove(before=self._clock() - self._age):
                    log.info(f"{gone} entries of the audit log were older than {self._age}")
            except Exception:
                log.exception("removing old audit entries failed; it goes on")
            await asyncio.sleep(every)
