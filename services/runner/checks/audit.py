"""The cold audit: now and then a check of a warm workplace is repeated in a fresh one.

The same inputs must give the same verdict and the same numbers, warm or cold. Where they do not,
something of one check has reached another, or the entity is not deterministic: the difference is
kept and told, and the warm workplace takes no other check. The result that was reported stays.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from services.errors import Error
from services.plans import Plan
from services.runner.domain.environments import Definition
from services.runner.ports import Backend
from services.runner.sessions.outcome import FileEvent, Number, Outcome, ResultEvent, Verdict
from services.runner.sessions.session import Limits, SessionBrokenError, Tree
from services.runner.workplaces.pool import Pool

log = logging.getLogger(__name__)

COMPARABLE: Final = frozenset({Verdict.SUCCESS, Verdict.INACCURATE, Verdict.SCRIPT_ERROR})
"""Other verdicts say more about the machine's load than about the entity."""
_WAITING = 2
_LARGEST_BYTES = 16 * 1024**2
"""Larger closures are not kept for an audit."""
_KEPT = 20
_LOOKS = 3
"""The runner is idle when it was so often in succession."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A check that was run, with all that is needed to run it again."""

    definition: Definition
    plan: Plan
    trees: Sequence[Tree]
    limits: Limits
    seed: int
    check: str
    workplace: str
    """Id of the warm workplace."""
    digest: str
    """Of its environment."""
    outcome: Outcome


class Audit:
    """Samples checks, and repeats them while nothing else is to be done.

    Args:
        backend: Where fresh workplaces come from.
        pool: Where the warm ones are.
        every: One of so many checks is repeated; 0: none.
        idle: Whether the runner has nothing else to do.
        look_seconds: How often that is looked at.
    """

    def __init__(
        self,
        backend: Backend,
        pool: Pool,
        *,
        every: int,
        idle: Callable[[], bool],
        look_seconds: float = 1.0,
    ) -> None:
        self._backend = backend
        self._pool = pool
        self._every = every
        self._idle = idle
        self._look_seconds = look_seconds
        self._seen = 0
        self._waiting: deque[Sample] = deque(maxlen=_WAITING)
        self._arrived = asyncio.Event()
        self.done = 0
        """Audits that came to a comparison."""
        self.differences: deque[str] = deque(maxlen=_KEPT)
        """What they found, latest last."""

    def offer(self, sample: Sample) -> None:
        """Notes a check that was run; keeps it if it is its turn."""
        if not self._every or sample.outcome.verdict not in COMPARABLE:
            return
        self._seen += 1
        small = sum(len(tree.tar) for tree in sample.trees) <= _LARGEST_BYTES
        if self._seen % self._every == 0 and small:
            self._waiting.append(sample)
            self._arrived.set()

    async def run(self) -> None:
        """Audits for ever."""
        while True:
            self._arrived.clear()
            while not self._waiting:
                await self._arrived.wait()
                self._arrived.clear()
            await self._rest()
            try:
                await self._audit(self._waiting.popleft())
            except (Error, SessionBrokenError) as error:
                log.warning(f"an audit could not be made: {error}")
            except Exception:
                log.exception("an audit failed; others go on")

    async def _rest(self) -> None:
        """Waits until nothing was to be done for some time: between two checks is none."""
        quiet = 0
        while quiet < _LOOKS:
            await asyncio.sleep(self._look_seconds)
            quiet = quiet + 1 if self._idle() else 0

    async def _audit(self, sample: Sample) -> None:
        workplace = await self._backend.open(sample.definition, digest=sample.digest)
        try:
            outcome: Outcome | None = None
            async for event in workplace.run(
                sample.plan,
                trees=sample.trees,
                limits=sample.limits,
                seed=sample.seed,
                check=sample.check,
            ):
                if isinstance(event, FileEvent):
                    event.body.close()
                elif isinstance(event, ResultEvent):
                    outcome = event.outcome
        finally:
            await workplace.close()
        if outcome is None or outcome.verdict not in COMPARABLE:
            return
        self.done += 1
        found = differences(sample.outcome, outcome)
        if not found:
            log.info(f"audit of {sample.check}: the same in a fresh workplace")
            return
        text = f"{sample.check} differs in a fresh workplace: {'; '.join(found)}"
        self.differences.append(text)
        log.warning(text)
        self._pool.condemn(sample.workplace, reason=f"an audit differs: {found[0]}")


def differences(warm: Outcome, cold: Outcome) -> list[str]:
    """In what two outcomes of the same inputs differ; empty if they agree."""
    found = []
    if warm.verdict is not cold.verdict:
        found.append(f"{warm.verdict} became {cold.verdict}")
    if not _same([warm.score], [cold.score]):
        found.append(f"score {warm.score} became {cold.score}")
    if not _same(warm.final_state_errors, cold.final_state_errors):
        found.append("final_state_errors changed")
    numbers = {number.name: number for number in cold.numbers}
    for number in warm.numbers:
        other = numbers.pop(number.name, None)
        if other is None or not _same_number(number, other):
            found.append(f"{number.name} {'is gone' if other is None else 'changed'}")
    found.extend(f"{name} is new" for name in numbers)
    return found


def _same_number(one: Number, other: Number) -> bool:
    return (one.dtype, one.shape) == (other.dtype, other.shape) and _same(one.data, other.data)


def _same(one: Iterable[object], other: Iterable[object]) -> bool:
    """Whether the values are equal; what is no number equals itself."""
    left, right = list(one), list(other)
    return len(left) == len(right) and all(
        a == b
        or (isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b))
        for a, b in zip(left, right, strict=True)
    )
