"""How many workplaces there are, and when the next one is started. Pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from services.errors import InvalidArgumentError

WARM_SETTING: Final = "ACKREP_RUNNER_WARM"
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 120.0


@dataclass(frozen=True, kw_only=True)
class Warmth:
    """How many workplaces of one environment there are to be."""

    minimum: int = 0
    """Started before anybody asks, and never closed for being idle."""
    maximum: int = 0
    """Busy, idle and starting ones together; 0: as many as the runner may have."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `MIN` or `MIN-MAX`. Raises InvalidArgumentError."""
        low, dash, high = text.partition("-")
        if not low.isdecimal() or (dash and not high.isdecimal()):
            raise InvalidArgumentError("its bounds are neither MIN nor MIN-MAX, in whole numbers")
        minimum, maximum = int(low), int(high or 0)
        if dash and maximum < max(1, minimum):
            raise InvalidArgumentError(f"at most {maximum} is less than at least {max(1, minimum)}")
        return cls(minimum=minimum, maximum=maximum)


def parse_warm(entries: Iterable[str]) -> dict[str, Warmth]:
    """Reads `name` (one workplace), `name:MIN` and `name:MIN-MAX`, by name of the environment.

    Raises InvalidArgumentError naming the entry.
    """
    found: dict[str, Warmth] = {}
    for entry in entries:
        name, colon, bounds = (part.strip() for part in entry.partition(":"))
        if not name or (colon and not bounds):
            raise InvalidArgumentError(
                f"{WARM_SETTING}: {entry!r} is none of name, name:MIN and name:MIN-MAX"
            )
        if name in found:
            raise InvalidArgumentError(f"{WARM_SETTING}: {name} is there twice")
        try:
            found[name] = Warmth.parse(bounds) if colon else Warmth(minimum=1)
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"{WARM_SETTING}: {entry!r}: {error.message}") from error
    return found


@dataclass(frozen=True, kw_only=True)
class PoolPolicy:
    """Bounds of the warm workplaces of one runner.

    Raises InvalidArgumentError if more are to be kept warm than there may be.
    """

    slots: int = 1
    """Checks at once."""
    spare: int = 2
    """Workplaces beyond the slots: warm ones of other environments, and replacements."""
    checks_per_workplace: int = 1000
    """A workplace is replaced after so many checks."""
    idle_seconds: float = 900.0
    """A workplace unused for so long is closed, unless it is of the minimum."""
    refresh_seconds: float = 0.0
    """How often the registry is asked for newer images; 0: never."""
    warm: Mapping[str, Warmth] = field(default_factory=dict)
    """By name or alias of the environment."""

    def __post_init__(self) -> None:
        wanted = sum(warmth.minimum for warmth in self.warm.values())
        if wanted > self.total:
            raise InvalidArgumentError(
                f"{wanted} workplaces are to be kept warm ({WARM_SETTING}), but there may be "
                f"{self.total}: ACKREP_RUNNER_SLOTS and ACKREP_RUNNER_SPARE together"
            )

    @property
    def total(self) -> int:
        """Workplaces at once, busy, idle and starting together."""
        return self.slots + self.spare

    def warmth(self, names: Iterable[str]) -> Warmth:
        """Bounds of the environment of these names; the first that is known counts."""
        return next((self.warm[name] for name in names if name in self.warm), Warmth())


@dataclass(frozen=True, kw_only=True)
class Stock:
    """The workplaces of one environment, by what they do, and those of all others."""

    busy: int = 0
    idle: int = 0
    starting: int = 0
    elsewhere: int = 0

    @property
    def here(self) -> int:
        """All of this environment."""
        return self.busy + self.idle + self.starting


def full(stock: Stock, warmth: Warmth) -> bool:
    """Whether the environment may have no further workplace, however much room there is."""
    return bool(warmth.maximum) and stock.here >= warmth.maximum


def to_start(stock: Stock, warmth: Warmth, policy: PoolPolicy, *, in_use: bool) -> int:
    """How many workplaces to start ahead of need.

    The minimum always; where checks come in, one beyond the busy ones, up to the slots.
    """
    goal = warmth.minimum
    if in_use:
        goal = max(goal, min(policy.slots, stock.busy + 1))
    bound = policy.total - stock.elsewhere
    if warmth.maximum:
        bound = min(bound, warmth.maximum)
    return max(0, min(goal, bound) - stock.here)


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Starts of workplaces that failed in succession, and when the next may be tried.

    Times are of a clock that never goes back, in seconds.
    """

    failures: int = 0
    reason: str = ""
    until: float = 0.0

    def another(self, reason: str, *, now: float) -> "Trouble":
        """After one more failure: the pause doubles, up to two minutes."""
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self.failures, 60))
        return Trouble(failures=self.failures + 1, reason=reason, until=now + pause)

    def pause(self, now: float) -> float:
        """Seconds until the next start may be tried."""
        return max(0.0, self.until - now)

    def describe(self, now: float) -> str:
        """For people; empty without trouble."""
        if not self.failures:
            return ""
        times = "once" if self.failures == 1 else f"{self.failures} times in succession"
        again = (
            f"next try in {math.ceil(pause)} s" if (pause := self.pause(now)) else "trying again"
        )
        return f"no workplace comes up ({times}, {again}): {self.reason}"
