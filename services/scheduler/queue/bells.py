"""Bells: wake loops and watchers of this process right after a commit, so that nobody polls."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator


class Bell:
    """Wakes whoever waits; one that was busy meanwhile is woken as soon as it waits again."""

    def __init__(self) -> None:
        self._rings = 0
        self._waiting: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        """Wakes all that wait."""
        self._rings += 1
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()

    @property
    def rings(self) -> int:
        """How often it rang; take it before looking, give it to `wait` after."""
        return self._rings

    async def wait(self, *, since: int, timeout: float) -> None:  # noqa: ASYNC109
        """Returns when it has rung more often than `since`, or after `timeout` seconds."""
        if self._rings != since:
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await waiting
        finally:
            self._waiting.discard(waiting)


class Bells:
    """The bells of one process."""

    def __init__(self) -> None:
        self.queue = Bell()
        """A check may be published."""
        self.outbox = Bell()
        """The outbox holds something."""
        self.changes = Bell()
        """Any check changed."""
        self.runners = Bell()
        """A runner registered."""
        self.webhooks = Bell()
        """Something is due to a webhook, or a webhook changed."""
        self._checks: defaultdict[str, set[Bell]] = defaultdict(set)

    @contextlib.contextmanager
    def of_check(self, check: str) -> Iterator[Bell]:
        """Gives a bell that rings when the check is finished."""
        bell = Bell()
        self._checks[check].add(bell)
        try:
            yield bell
        finally:
            self._checks[check].discard(bell)
            if not self._checks[check]:
                del self._checks[check]

    def connected(self) -> None:
        """Rings for all that waits for the broker."""
        self.queue.ring()
        self.outbox.ring()

    def check_changed(self, check: str, *, announced: bool) -> None:
        """Rings for all checks; where the change is announced, for the outbox and this check too.

        Announced is that a check is queued, which nobody follows yet, and that it is finished.
        """
        self.changes.ring()
        if announced:
            self.outbox.ring()
            for bell in tuple(self._checks.get(check, ())):
                bell.ring()
