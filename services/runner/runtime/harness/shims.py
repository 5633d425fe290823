"""Compatibility that an environment's definition asks for by name. Every result names what was added."""

from __future__ import annotations

import inspect
from collections import namedtuple
from typing import Any, Callable, Dict, Iterable, List

ArgSpec = namedtuple("ArgSpec", "args varargs keywords defaults")


def _getargspec() -> None:
    """`inspect.getargspec`, which Python 3.11 removed."""
    if hasattr(inspect, "getargspec"):
        return

    def getargspec(function: Any) -> ArgSpec:
        found = inspect.getfullargspec(function)
        if found.kwonlyargs or found.annotations:
            raise ValueError("the function has keyword-only parameters or annotations")
        return ArgSpec(found.args, found.varargs, found.varkw, found.defaults)

    inspect.getargspec = getargspec  # type: ignore[attr-defined]


def _numpy_aliases() -> None:
    """`numpy.float` and its like, which numpy 1.24 removed."""
    try:
        import numpy
    except ImportError:
        return
    for name, value in (("float", float), ("int", int), ("bool", bool), ("complex", complex)):
        if name not in vars(numpy):
            setattr(numpy, name, value)


def _matplotlib_use() -> None:
    """`matplotlib.use` keeps the backend at hand where the wanted one needs a screen.

    In a fresh interpreter the choice comes before pyplot and is not yet tried; in a warm one pyplot
    is there already, and an entity or library (pyinduct) that prefers a window would fail.
    """
    try:
        import matplotlib
    except ImportError:
        return
    insistent = matplotlib.use

    def use(backend: str, *, force: bool = False) -> None:
        insistent(backend, force=force)

    use.__doc__ = insistent.__doc__
    matplotlib.use = use


SHIMS: Dict[str, Callable[[], None]] = {
    "inspect.getargspec": _getargspec,
    "matplotlib.use": _matplotlib_use,
    "numpy.aliases": _numpy_aliases,
}


def apply(names: Iterable[str]) -> List[str]:
    """Add these; those that are known, in order. Raises KeyError for an unknown one."""
    applied = []
    for name in names:
        SHIMS[name]()
        applied.append(name)
    return applied
