"""The queue as it stands, and what holds it up."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.scheduler.domain.check import Check

MOST_INTERACTIVE = 20
"""Single checks of one requester beyond so many are bulk: nobody looks at each of them."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where a newcomer joins the queue; see `domain.ordering.ranks`."""

    virtual_time: float = 0.0
    """Lowest rank that waits in the pool; 0 where nothing waits."""
    behind: float = 0.0
    """Rank at which the requester's waiting single checks end; 0 where there are none.

    They share what a requester gets with its runs that wait, so each takes its time so many times.
    """
    flows: int = 0
    """Runs of the requester that have checks waiting, and 1 for its single checks."""
    singles: int = 0
    """Waiting single checks of the requester."""
    waiting: int = 0
    """Waiting checks of all."""


@dataclass(frozen=True, kw_only=True)
class Joining:
    """All that places newcomers in the queue."""

    standing: Standing
    """Where they join it."""
    run_times: Mapping[str, Sequence[float]]
    """By entity, the seconds of as many of its latest checks as their order follows from."""
    killers: Mapping[str, Check]
    """By inputs digest, the newest dead letter whose every attempt lost its runner."""


@dataclass(frozen=True, kw_only=True)
class Pause:
    """Checks of a pool, or of one environment in it, that are not to start."""

    pool: str
    environment: str
    """Empty means all of the pool."""
    reason: str
    create_time: datetime

    def holds(self, *, pool: str, environment: str) -> bool:
        """Whether it holds up such checks."""
        return self.pool == pool and self.environment in ("", environment)


def paused(pauses: Iterable[Pause], *, pool: str, environment: str) -> Pause | None:
    """The pause that holds up such checks, if there is one."""
    return next((one for one in pauses if one.holds(pool=pool, environment=environment)), None)


@dataclass(frozen=True, kw_only=True)
class QueueLine:
    """The checks of one pool and environment that wait or run."""

    pool: str
    environment: str
    waiting: int
    published: int
    """Of those that wait, how many were handed to runners' queues."""
    running: int
    oldest: datetime | None
    """When the check that waits longest was asked for."""
    expected_seconds: float
    """Sum over those that wait."""
