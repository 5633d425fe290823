"""Use cases of verdict changes: listing and following them."""

import contextlib
from collections.abc import AsyncGenerator
from datetime import datetime

from services.errors import InvalidArgumentError
from services.scheduler.domain.listing import after_token, page_size, page_token
from services.scheduler.domain.verdict_changes import ChangeFilter, VerdictChange
from services.scheduler.ports.notifications import VerdictChanges
from services.scheduler.queue.bells import Bell

_POLL = 1.0
"""Seconds after which a watcher looks though no bell rang: another process may have noted some."""
_AT_ONCE = 200


class Changes:
    """Lists verdict changes and follows them.

    Args:
        changes: Where they are noted.
        bell: Rings when checks finish.
    """

    def __init__(self, *, changes: VerdictChanges, bell: Bell) -> None:
        self._changes = changes
        self._bell = bell

    async def list_page(
        self, condition: ChangeFilter, *, size: int, token: str
    ) -> tuple[list[VerdictChange], str]:
        """Lists a page of changes, newest first, and the next one's token.

        Raises:
            InvalidArgumentError: Bad page size, or a token of another query.
        """
        limit = page_size(size)
        kinds = sorted(condition.kinds)
        query = f"changes {kinds} {condition.entity} {condition.since}"
        found = await self._changes.list_page(
            condition, limit=limit + 1, before=_place(after_token(token, query=query))
        )
        page = found[:limit]
        if len(found) <= limit:
            return page, ""
        last = page[-1].after
        place = f"{last.finish_time.isoformat(timespec='microseconds')} {last.check}"
        return page, page_token(place, query=query)

    async def watch(self, token: str) -> AsyncGenerator[tuple[int, VerdictChange | None]]:
        """Streams changes as they are noted, each with its place, for ever.

        Raises:
            InvalidArgumentError: Bad resume token.
        """
        if token and not (token.isdecimal() and token.isascii() and len(token) < 19):
            raise InvalidArgumentError(f"bad resume token {token!r}", field="resume_token")
        if token:
            place = int(token)
        else:
            place = await self._changes.last()
            yield place, None
        while True:
            rings = self._bell.rings
            found = await self._changes.after(place, limit=_AT_ONCE)
            for change in found:
                place = change.number
                yield place, change
            if not found:
                await self._bell.wait(since=rings, timeout=_POLL)


def _place(text: str) -> tuple[datetime, str] | None:
    time, _, check = text.partition(" ")
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(time), check
    return None
