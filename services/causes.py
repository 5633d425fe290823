"""Why a check probably failed, and what to do: told from its last line alone.

Only causes that one line names beyond doubt are told; for everything else the traceback speaks.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Cause:
    """What probably went wrong."""

    explanation: str
    """One sentence."""
    remedy: str
    """What to do, one sentence or two."""


@dataclass(frozen=True)
class Surroundings:
    """What is known about the entity that failed."""

    key: str
    environment: str = ""
    """Name of the environment; empty if it is not known."""
    packages: Mapping[str, str] | None = None
    """Module to key of the method package that has it, for all of the data repository."""
    listed: frozenset[str] = frozenset()
    """Keys of the method packages that the entity lists."""


_MISSING: Final = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
_NO_NAME: Final = re.compile(r"ImportError: cannot import name '(\w+)' from '([\w.]+)'")
_NO_ATTRIBUTE: Final = re.compile(r"AttributeError: module '([\w.]+)' has no attribute '(\w+)'")
_NO_FILE: Final = re.compile(
    r"(?:FileNotFoundError: \[Errno 2\] No such file or directory|OSError): '([^']+)'"
)
_NOT_WRITTEN: Final = re.compile(r"NotImplementedError\b")
_BUILTINS: Final = {"float", "int", "bool", "complex", "object", "str"}


def modules_of(paths: Iterable[str]) -> set[str]:
    """The modules that a method package with these files has: what lies in `src/` or `_build/`."""
    parts = (path.split("/") for path in paths)
    return {
        rest[0].removesuffix(".py") for top, *rest in parts if top in {"src", "_build"} and rest
    }


def is_about_modules(message: str) -> bool:
    """Whether it matters for the cause which modules the data repository has."""
    return any(one.match(message) for one in (_MISSING, _NO_ATTRIBUTE, _NO_NAME))


def likely(message: str, surroundings: Surroundings) -> Cause | None:
    """The cause that the last line of a traceback names, or None.

    Args:
        message: E.g. `ModuleNotFoundError: No module named 'assimulo'`.
        surroundings: Of the entity that failed.
    """
    for pattern, explain in (
        (_MISSING, _missing),
        (_NO_ATTRIBUTE, _no_attribute),
        (_NO_NAME, _no_name),
        (_NO_FILE, _no_file),
    ):
        if found := pattern.match(message):
            return explain(found, surroundings)
    if _NOT_WRITTEN.match(message):
        return Cause(
            "a part of this entity is still to be written", "write it where the traceback ends"
        )
    return None


def _missing(found: re.Match[str], around: Surroundings) -> Cause:
    module = found[1].partition(".")[0]
    package = (around.packages or {}).get(module)
    if package and package not in around.listed:
        return Cause(
            f"the module {module} is in the method package {package}, which {around.key} does not "
            "list",
            f"add {package} to method_package_list in its metadata.yml",
        )
    return Cause(
        f"the package {module} is not in {around.environment or 'the environment of this check'}",
        f"choose an environment that has it ({_shown(around)}), add it to the environment's "
        "requirements, or, if it is code of the data repository, make it a method package and list "
        "that",
    )


def _no_attribute(found: re.Match[str], around: Surroundings) -> Cause:
    module, name = found[1], found[2]
    if module == "numpy" and name in _BUILTINS:
        return Cause(
            f"NumPy 1.24 removed numpy.{name}, which was another name of Python's own {name}",
            f"write {name} in place of numpy.{name}",
        )
    return _another_version(module, name, around)


def _no_name(found: re.Match[str], around: Surroundings) -> Cause:
    return _another_version(found[2], found[1], around)


def _another_version(module: str, name: str, around: Surroundings) -> Cause:
    if module.partition(".")[0] in (around.packages or {}):
        return Cause(
            f"the module {module} has no {name}",
            "it belongs to a method package of this data repository: "
            f"`ackrep explain {around.key}` tells whether that has changed",
        )
    return Cause(
        f"{module} has no {name} in the version that is installed here",
        f"see which version that is ({_shown(around)}) and what its release notes put in its place",
    )


def _no_file(found: re.Match[str], around: Surroundings) -> Cause:
    return Cause(
        f"{found[1]} does not exist where the check ran",
        "a check sees the folders that the metadata names, as git would commit them: is the file "
        "ignored by git, or in a folder that metadata.yml does not refer to?",
    )


def _shown(around: Surroundings) -> str:
    return f"`ackrep env show {around.environment or 'NAME'}`"
