"""Schedules: which entities are due, and how many of them fit into the time that may be taken."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.scheduler.domain.check import EntityVerdict


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When to check what. Exactly one of `cron`, `on_change` and `max_age` is set."""

    id: str
    create_time: datetime
    title: str = ""
    cron: str = ""
    """Five fields, in UTC."""
    on_change: bool = False
    max_age: timedelta | None = None
    filter: str = ""
    """Of the catalog; empty means every checkable entity."""
    daily_budget: timedelta | None = None
    force: bool = False
    last_time: datetime | None = None
    """When it last made a run."""
    last_run: str = ""
    last_error: str = ""
    revision: str = ""
    """Tree id that it saw last, for `on_change`."""

    @property
    def requester(self) -> str:
        """Who asks for its checks."""
        return f"schedules/{self.id}"


def stale(
    entities: Iterable[str],
    verdicts: Mapping[str, EntityVerdict],
    *,
    now: datetime,
    max_age: timedelta,
) -> list[str]:
    """Those entities (keys) whose newest result is older than allowed, the oldest first.

    One that has none is older than all others.
    """
    ages = []
    for entity in entities:
        known = verdicts.get(entity)
        if known is None or now - known.finish_time > max_age:
            ages.append((known.finish_time.timestamp() if known else 0.0, entity))
    return [entity for _, entity in sorted(ages)]


def within_budget(
    entities: Sequence[str],
    costs: Sequence[float],
    *,
    budget: timedelta | None,
    spent: float,
) -> list[str]:
    """The first entities that fit into what is left of a budget.

    One that alone would take more than a whole budget still gets its turn, when nothing was spent:
    it would never be checked otherwise.

    Args:
        entities: Keys, the most urgent first.
        costs: Expected seconds of each.
        budget: For 24 hours; none means any time.
        spent: Seconds of it that were taken in the last 24 hours.
    """
    if budget is None:
        return list(entities)
    left = budget.total_seconds() - spent
    chosen: list[str] = []
    for entity, cost in zip(entities, costs, strict=True):
        if cost > left and (chosen or spent > 0):
            break
        chosen.append(entity)
        left -= cost
    return chosen
