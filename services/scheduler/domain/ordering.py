"""In which order waiting checks run: by priority, then fair shares, then the longest first.

Within a priority, each check gets a *rank* when it is created, and the queue runs the lowest rank
first. Ranks are start tags of start-time fair queuing (Goyal, Vin, Cheng: "Start-time Fair
Queuing", IEEE/ACM Transactions on Networking 5(5), 1997): seconds of work that a *flow* has been
given. A flow is a run, or the single checks of one requester. Flows that wait side by side get
equal shares of time, whoever came first and however many checks each has; a requester with several
flows shares what one would get among them.

Within a run the checks that are expected to take longest come first, so that no long one is left
alone at the end (Graham: "Bounds on Multiprocessing Timing Anomalies", SIAM Journal on Applied
Mathematics 17(2), 1969: at most 4/3 of the shortest possible time).
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Final

import numpy as np

UNKNOWN_SECONDS: Final = 10.0
"""Expected where nothing was ever run."""
LEAST_SECONDS: Final = 0.05
"""What even the quickest check costs: no flow runs without end because its checks are short."""
HISTORY: Final = 9
"""How many of an entity's latest run times are looked at."""


class Priority(IntEnum):
    """Who waits for a check; numbers are kept in SQL, higher goes first."""

    BACKGROUND = -10
    """Nobody: schedules, re-checks of old results, bisections."""
    BULK = 0
    """Somebody waits for a whole run."""
    INTERACTIVE = 10
    """Somebody waits for this one."""


def expected(history: Mapping[str, Sequence[float]], entities: Sequence[str]) -> list[float]:
    """Says how long each check will take, in seconds.

    The median of an entity's latest times, as single ones are off where the machine was busy. An
    entity that never ran is taken for a longer one than most (the upper quartile of all others):
    starting it late would cost more than starting it early.

    Args:
        history: Latest run times by entity, in seconds.
        entities: Keys, in the order of the answer.
    """
    known = {
        entity: max(float(np.median(times[:HISTORY])), LEAST_SECONDS)
        for entity, times in history.items()
        if len(times)
    }
    others = float(np.quantile(list(known.values()), 0.75)) if known else UNKNOWN_SECONDS
    return [known.get(entity, others) for entity in entities]


def ranks(costs: Sequence[float], *, virtual_time: float, behind: float, flows: int) -> list[float]:
    """Gives the ranks of checks that join one flow together, in the order of `costs`.

    Args:
        costs: Expected seconds of each.
        virtual_time: Lowest rank that waits in the pool, 0 where nothing waits: a flow that begins
            now begins there, and gets nothing for the time before.
        behind: Rank at which the flow's waiting checks end; 0 where it has none.
        flows: Flows of the same requester that wait, this one included.
    """
    seconds = np.asarray(costs, dtype=float)
    order = np.argsort(-seconds, kind="stable")
    shares = seconds[order] * max(1, flows)
    starts = max(virtual_time, behind) + np.concatenate(([0.0], np.cumsum(shares)[:-1]))
    found = np.empty(len(seconds))
    found[order] = starts
    return [float(rank) for rank in found]
