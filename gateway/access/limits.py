"""How often: token buckets in memory, one for each client, and no more of them than fit."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

_MOST = 10_000
"""Clients that are counted at once; those longest not seen are forgotten, and begin afresh."""


class Buckets:
    """One bucket for each key: it holds `burst`, and `rate` flow in each second.

    Args:
        rate: So many a second in the long run; 0 means no limit at all.
        burst: So many at once.
        clock: Seconds that only grow.
        most: Keys that are counted at once.
    """

    def __init__(
        self,
        *,
        rate: float,
        burst: float,
        clock: Callable[[], float] = time.monotonic,
        most: int = _MOST,
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._most = most
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> int:
        """Takes one; returns 0, or the whole seconds until there is one again (and takes none)."""
        if not self._rate:
            return 0
        level, now = self._level(key)
        wait = self._wait(level)
        self._levels[key] = (level if wait else level - 1, now)
        self._levels.move_to_end(key)
        while len(self._levels) > self._most:
            self._levels.popitem(last=False)
        return wait

    def wait(self, key: str) -> int:
        """Whole seconds until one can be taken; 0 means now."""
        return self._wait(self._level(key)[0]) if self._rate else 0

    def _level(self, key: str) -> tuple[float, float]:
        now = self._clock()
        level, then = self._levels.get(key, (self._burst, now))
        return min(self._burst, level + (now - then) * self._rate), now

    def _wait(self, level: float) -> int:
        return 0 if level >= 1 else max(1, math.ceil((1 - level) / self._rate))
