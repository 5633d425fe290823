"""Saving the current figure beside an entity, as both generations of entities do it."""

from __future__ import annotations

import os
import sys
from typing import Any

from ackrep_core import context

DPI = 192


def save_plot_in_dir(name: str = "plot.png", plt: Any = None) -> None:
    """Save the current figure.

    `save_plot_in_dir()` and `save_plot_in_dir("plot_1.png")` write into `_data/` beside the calling
    file. `save_plot_in_dir(folder, plt)`, the older form, writes `plot.png` into `_solution_data/`
    or `_system_model_data/` in that folder, by which of the two words its path has.
    """
    if plt is None:
        import matplotlib.pyplot as plt

        caller = sys._getframe(1).f_globals.get("__file__")
        folder = os.path.dirname(os.path.abspath(caller)) if caller else os.getcwd()
        target = os.path.join(folder, "_data", name)
    else:
        target = os.path.join(name, _older_folder(name), "plot.png")
    os.makedirs(os.path.dirname(target), exist_ok=True)
    plt.savefig(target, dpi=DPI)


def _older_folder(folder: str) -> str:
    known = context.current()
    path = (known.relative(folder) if known is not None else None) or os.path.abspath(folder)
    if "solution" in path:
        return "_solution_data"
    if "model" in path:
        return "_system_model_data"
    raise NotImplementedError(
        "%s is neither a problem solution's nor a system model's folder" % folder
    )
