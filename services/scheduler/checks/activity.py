"""Telling those who show lists that something happens, at a bounded rate."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.scheduler.ports.activity import Change, Changes
from services.scheduler.ports.store import Clock
from services.scheduler.queue.bells import Bells

_POLL = 2.0
"""Seconds after which one looks though no bell of this process rang."""
_TOGETHER = 0.2
"""Seconds in which changes are gathered: a thousand checks a second are five messages."""
_NAMED = 200
"""Changes whose entities are named in one message."""
_JUST_NOW = timedelta(seconds=10)


@dataclass(frozen=True, kw_only=True)
class Activity:
    """Where the scheduler stands."""

    change: int
    """Number of the last change."""
    read_time: datetime
    """Just before it was read: who looks later than that sees it."""
    entities: Sequence[str] = ()
    """Keys of those whose checks changed since the last time."""
    finished: Sequence[str] = ()
    """Those of them with a check that finished."""
    more: bool = False
    """Whether more changed than is named."""


class WatchActivity:
    """Follows the changes of all checks."""

    def __init__(self, *, changes: Changes, bells: Bells, clock: Clock) -> None:
        self._changes = changes
        self._bells = bells
        self._clock = clock

    async def follow(self) -> AsyncGenerator[Activity]:
        """Gives where it stands, then what changed since, for ever.

        The first names what changed just now: whoever drew a page before it began to watch looks
        again.
        """
        now = self._clock()
        last = await self._changes.newest()
        recent = await self._changes.after(max(0, last - _NAMED), limit=_NAMED)
        yield _activity([one for one in recent if one.time > now - _JUST_NOW], last, now=now)
        while True:
            rings = self._bells.changes.rings
            now = self._clock()
            changed = await self._changes.after(last, limit=_NAMED)
            if not changed:
                await self._bells.changes.wait(since=rings, timeout=_POLL)
                continue
            last = changed[-1].number
            more = len(changed) == _NAMED
            if more:
                last = max(last, await self._changes.newest())
            yield _activity(changed, last, now=now, more=more)
            await asyncio.sleep(_TOGETHER)


def _activity(
    changed: Sequence[Change], last: int, *, now: datetime, more: bool = False
) -> Activity:
    return Activity(
        change=last,
        read_time=now,
        entities=sorted({one.entity for one in changed}),
        finished=sorted({one.entity for one in changed if one.finished}),
        more=more,
    )
