"""The workplaces of one environment: idle, busy and starting ones."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from services.runner.domain.pools import Stock, Trouble, Warmth
from services.runner.ports import Workplace
from services.runner.statuses import EnvironmentStatus
from services.runner.workplaces.preparations import Environment


@dataclass(eq=False)
class Place:
    """A workplace and what it has been through."""

    workplace: Workplace
    shelf: "Shelf"
    checks: int = 0
    idle_since: float = 0.0
    state: str = "idle"
    condemned: str = ""
    """Why it must not take another check, whatever it is like."""


class Shelf:
    """What there is of one environment; the pool decides what happens to it.

    Args:
        environment: Whose workplaces these are.
        warmth: How many there are to be.
        stir: Called when something has changed for those who wait for a workplace.
    """

    def __init__(
        self, environment: Environment, *, warmth: Warmth, stir: Callable[[], None]
    ) -> None:
        self.environment = environment
        self.warmth = warmth
        self.idle: list[Place] = []
        self.busy: set[Place] = set()
        self.starting: set[asyncio.Task[None]] = set()
        self.waiting = 0
        """Checks that wait for a workplace."""
        self.trouble = Trouble()
        self._stir = stir

    def stock(self, *, all_places: int) -> Stock:
        """Its numbers, and those of the rest of `all_places`."""
        here = len(self.idle) + len(self.busy) + len(self.starting)
        return Stock(
            busy=len(self.busy),
            idle=len(self.idle),
            starting=len(self.starting),
            elsewhere=all_places - here,
        )

    def shelve(self, place: Place) -> None:
        """Makes a workplace available."""
        self.busy.discard(place)
        place.state = "idle"
        place.idle_since = time.monotonic()
        self.idle.append(place)
        self._stir()

    def pop(self) -> Place | None:
        """The idle workplace that was used last: what it reads is likely still in memory."""
        return self.idle.pop() if self.idle else None

    def lend(self, place: Place) -> None:
        """Notes that a check has it."""
        place.state = "busy"
        self.busy.add(place)

    def unfit(self, place: Place) -> str:
        """Why an idle workplace must not take a check; empty if it may."""
        if place.condemned:
            return place.condemned
        if place.workplace.broken:
            return "it has ended"
        if place.workplace.info.environment_digest != self.environment.digest:
            return "the environment has a new digest"
        return ""

    def stumbled(self, reason: str) -> None:
        """Notes a workplace that did not come up, or ended before it ran a check."""
        self.trouble = self.trouble.another(reason, now=time.monotonic())
        self._stir()

    async def status(self) -> EnvironmentStatus:
        """How the environment stands; not ready where no workplace of it comes up."""
        status = await self.environment.status()
        trouble = self.trouble.describe(time.monotonic())
        if status.state != "ready" or not trouble:
            return status
        alive = bool(self.idle or self.busy)
        return EnvironmentStatus(
            state="ready" if alive else "failed", digest=status.digest, message=trouble
        )
