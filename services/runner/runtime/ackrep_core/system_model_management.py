"""What models and their simulations use: `GenericModel`, `import_parameters`, `save_plot_in_dir`."""

from __future__ import annotations

from typing import Any

from ackrep_core.parameters import import_parameters
from ackrep_core.plots import save_plot_in_dir

__all__ = ["GenericModel", "import_parameters", "save_plot_in_dir"]  # noqa: F822 - made on demand


def __getattr__(name: str) -> Any:
    # Needs sympy, which simulations and solutions do not always import.
    if name == "GenericModel":
        from ackrep_core.models import GenericModel

        return GenericModel
    raise AttributeError("module %r has no attribute %r" % (__name__, name))
