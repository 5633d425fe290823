"""What is going to happen, all of it drawn from a seed, so that it can be printed and replayed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from tests.chaos.entities import KINDS


class Action(StrEnum):
    """What is done to the system."""

    KILL = "kill"
    """SIGKILL, and after a while a start."""
    KILL_AT = "kill at"
    """The same, in the moment in which a check is seen in a state."""
    STOP = "stop"
    """SIGSTOP, and after a while SIGCONT."""
    DELETE = "delete stream"
    WIPE = "wipe"
    """Kill the broker and remove all it stored."""
    KILL_CONTAINER = "kill container"


class Moment(StrEnum):
    """States in which checks are seen."""

    QUEUED = "queued"
    PREPARING = "preparing"
    RUNNING = "running"
    ARTEFACT = "artefact"
    FINISHED = "finished"


RUNNERS = ("runner-a", "runner-b")
TARGETS = ("scheduler", *RUNNERS, "nats", "gateway", "catalog")
ENGINE = "engine"
"""The Docker engine, where the story has one of its own."""
HOLDER = "holder"
"""The runner that has the check that was seen."""


@dataclass(frozen=True)
class Disturbance:
    """One of the things that happen."""

    action: Action
    target: str
    seconds: float = 0.0
    """How long the target is away."""
    moment: Moment | None = None

    def __str__(self) -> str:
        when = f" when a check is {self.moment}" if self.moment else ""
        away = f", {self.seconds:.1f} s away" if self.seconds else ""
        return f"{self.action} {self.target}{when}{away}"


@dataclass(frozen=True)
class Batch:
    """Checks that are asked for while a disturbance happens."""

    keys: tuple[str, ...]
    way: str
    """`run`, `grpc` or `http`: how they are asked for."""
    cancelled: frozenset[str] = frozenset()
    """Those that somebody stops after a moment."""


@dataclass(frozen=True)
class Plan:
    """A seed and what follows from it."""

    seed: int
    lease_seconds: float
    wall_seconds: float
    steps: tuple[tuple[Disturbance, Batch], ...]

    @property
    def keys(self) -> list[str]:
        """All entities."""
        return [key for _, batch in self.steps for key in batch.keys]

    def __str__(self) -> str:
        lines = [f"chaos seed {self.seed}: {len(self.keys)} checks, {len(self.steps)} disturbances"]
        for number, (disturbance, batch) in enumerate(self.steps, 1):
            stopped = f", {len(batch.cancelled)} cancelled" if batch.cancelled else ""
            lines.append(
                f"{number:4}. {disturbance}; {len(batch.keys)} checks by {batch.way}{stopped}"
            )
        return "\n".join(lines)


_ENGINES_SHARE = 0.2
"""Of the disturbances at random that happen to the engine, where there is one."""


@dataclass
class _Draw:
    random: random.Random
    lease_seconds: float
    engine: bool = False
    engine_seconds: float = 0.0
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(10_000)))

    def disturbances(self, count: int, *, docker: bool) -> list[Disturbance]:
        """The indispensable ones first, then at random, in random order."""
        stopped = self.random.choice(RUNNERS)
        chosen = [
            Disturbance(Action.STOP, stopped, self.lease_seconds + 2),
            Disturbance(Action.DELETE, "JOBS"),
            Disturbance(Action.DELETE, "EVENTS"),
        ]
        others = [
            Disturbance(Action.WIPE, "nats", self._away()),
            *(Disturbance(Action.KILL, target, self._away()) for target in TARGETS),
            *(
                Disturbance(Action.KILL_AT, target, self._away(), moment)
                for moment in Moment
                for target in ("scheduler", HOLDER)
            ),
        ]
        if docker:
            others += [Disturbance(Action.KILL_CONTAINER, runner) for runner in RUNNERS]
        if self.engine:
            chosen.append(self._to_engine(Action.STOP, self.lease_seconds + 2))
            chosen.append(self._to_engine(Action.KILL, self._away()))
            others += [
                self._to_engine(Action.KILL_AT, self._away(), moment)
                for moment in (Moment.PREPARING, Moment.RUNNING, Moment.ARTEFACT)
            ]
        self.random.shuffle(others)
        chosen += others[: max(0, count - len(chosen))]
        while len(chosen) < count:
            chosen.append(self._any(docker=docker))
        self.random.shuffle(chosen)
        return chosen

    def _any(self, *, docker: bool) -> Disturbance:
        actions = [Action.KILL] * 4 + [Action.KILL_AT] * 5 + [Action.STOP] * 2 + [Action.WIPE]
        if docker:
            actions += [Action.KILL_CONTAINER] * 2
        if self.engine and self.random.random() < _ENGINES_SHARE:
            return self._of_engine()
        action = self.random.choice(actions)
        match action:
            case Action.KILL_AT:
                moment = self.random.choice(list(Moment))
                target = self.random.choice(["scheduler", HOLDER, "nats"])
                return Disturbance(action, target, self._away(), moment)
            case Action.STOP:
                target = self.random.choice(TARGETS)
                beyond = self.lease_seconds + self.random.uniform(1, 3)
                return Disturbance(action, target, beyond)
            case Action.WIPE:
                return Disturbance(action, "nats", self._away())
            case Action.KILL_CONTAINER:
                return Disturbance(action, self.random.choice(RUNNERS))
            case _:
                return Disturbance(action, self.random.choice(TARGETS), self._away())

    def _of_engine(self) -> Disturbance:
        match self.random.choice([Action.KILL, Action.KILL_AT, Action.STOP]):
            case Action.STOP:
                seconds = self.lease_seconds + self.random.uniform(-3, 3)
                return self._to_engine(Action.STOP, seconds)
            case Action.KILL_AT:
                moment = self.random.choice([Moment.PREPARING, Moment.RUNNING, Moment.ARTEFACT])
                return self._to_engine(Action.KILL_AT, self._away(), moment)
            case action:
                return self._to_engine(action, self._away())

    def _to_engine(
        self, action: Action, seconds: float, moment: Moment | None = None
    ) -> Disturbance:
        return Disturbance(action, ENGINE, max(seconds, self.engine_seconds), moment)

    def batch(self, size: int) -> Batch:
        """Checks of entities that nothing else checks."""
        kinds = self.random.choices(KINDS, weights=[kind.weight for kind in KINDS], k=size)
        keys = tuple(f"{kind.letter}{next(self.numbers):04d}" for kind in kinds)
        stopped = frozenset(key for key in keys if self.random.random() < 0.06)
        return Batch(keys, self.random.choice(["run", "grpc", "http"]), stopped)

    def _away(self) -> float:
        return self.random.choice([0.0, self.random.uniform(0.2, 2.5)])


def draw(
    seed: int,
    *,
    checks: int,
    disturbances: int,
    lease_seconds: float = 4.0,
    wall_seconds: float = 8.0,
    docker: bool = False,
    engine: bool = False,
    engine_seconds: float = 0.0,
) -> Plan:
    """Draws a plan: the same arguments, the same plan.

    `engine_seconds`: the engine is away for at least so long, each time.
    """
    drawing = _Draw(random.Random(seed), lease_seconds, engine, engine_seconds)  # noqa: S311  # to be replayed
    steps = drawing.disturbances(disturbances, docker=docker)
    sizes = [checks // len(steps) + (place < checks % len(steps)) for place in range(len(steps))]
    return Plan(
        seed,
        lease_seconds,
        wall_seconds,
        tuple((step, drawing.batch(size)) for step, size in zip(steps, sizes, strict=True)),
    )
