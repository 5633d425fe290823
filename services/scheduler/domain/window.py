"""How many queued checks are handed to JetStream at a time."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.scheduler.domain.check import Runner


@dataclass(frozen=True, kw_only=True)
class QueueGroup:
    """The queued checks of one pool and environment."""

    pool: str
    environment: str
    published: int
    """Queued checks whose job message is out."""


def window(runners: Iterable[Runner], *, pool: str, minimum: int) -> int:
    """Says how many published and unclaimed jobs a pool is to have per environment.

    Twice the free slots, so that a slot that comes free finds the next job waiting; at least the
    number of slots, as heartbeats tell of free ones late; at least `minimum`, as a runner that is
    not heard of yet may be about to pull.
    """
    mine = [runner for runner in runners if pool in runner.pools and not runner.draining]
    free = sum(runner.free_slots for runner in mine)
    slots = sum(runner.slots for runner in mine)
    return max(minimum, 2 * free, slots)


def room(group: QueueGroup, *, size: int) -> int:
    """How many more checks of a group may be published now."""
    return max(0, size - group.published)
