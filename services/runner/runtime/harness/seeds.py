"""Random state: the same for the same seed, in a check's process and in a notebook's kernel."""

from __future__ import annotations

import random
import sys
from typing import Any, List


def seed_generators(seed: int) -> None:
    """Give every generator that has a global state the same state, for the same seed."""
    random.seed(seed)
    try:
        import numpy
        import numpy.random
    except ImportError:
        return
    numpy.random.seed(seed % 2**32)
    # `numpy.random.default_rng()` without a seed asks this function for one.
    source = sys.modules.get("numpy.random.bit_generator")
    if source is not None and hasattr(source, "randbits"):
        source.randbits = random.Random(seed).getrandbits  # type: ignore[attr-defined]


def keep_in_kernel(shell: Any, seed: int) -> None:
    """Seed an IPython shell, and keep its state for its cells alone.

    Between two cells a kernel draws random numbers itself, more or fewer by how busy the machine
    is. So the state after each cell is put back before the next one.
    """
    seed_generators(seed)
    kept: List[Any] = [random.getstate()]
    running: List[bool] = []

    def before(*_: Any) -> None:
        random.setstate(kept[0])
        running.append(True)

    def after(*_: Any) -> None:
        # Not after the cell that called this function.
        if running:
            kept[0] = random.getstate()
            running.clear()

    shell.events.register("pre_run_cell", before)
    shell.events.register("post_run_cell", after)
