"""How tight a container and its engine must be, judged from facts. Pure.

The facts are those that the harness found from inside (`runtime/harness/conformance.py` and
`trial.py`), and what the engine says of its parts. Some findings are fatal, others degrade: no
check runs after the former, and every result says the latter.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from services.errors import EnvironmentUnavailableError
from services.runner.domain.workplaces import CAPABILITIES

TOP_RUNG: Final = "landlock+seccomp+uid"
"""The best confinement of a check's process."""
COMPLETE_LANDLOCK: Final = 6
"""The first version of Landlock that also confines TCP, signals and abstract sockets."""

_RUNC_ESCAPES: Final = (
    ("CVE-2024-21626", ((1, 1, 12),)),
    ("CVE-2025-31133, CVE-2025-52565, CVE-2025-52881", ((1, 2, 8), (1, 3, 3), (1, 4, 0))),
)
"""Known ways out of a container, and where they were closed: the first version of each series."""
_FIXED_CANDIDATES: Final = 3
"""1.4.0-rc.3 is fixed, its predecessors are not."""
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:[-~]?rc\.?(\d+))?")


class LooseContainerError(EnvironmentUnavailableError):
    """A container that is not tight enough to run anybody's code.

    Args:
        found: What is wrong with it, one sentence each.
        environment: Name of its environment.
    """

    def __init__(self, found: Sequence[str], *, environment: str) -> None:
        self.found = tuple(found)
        super().__init__(
            f"containers of {environment} are not tight enough to run checks: {'; '.join(found)}",
            environment=environment,
        )


def faults(conformance: Mapping[str, object]) -> list[str]:
    """What makes a container unfit to run anybody's code; empty if it is as tight as it must be."""
    found = []
    interfaces = [name for name in _texts(conformance.get("interfaces")) if name != "lo"]
    if interfaces:
        found.append(f"it has network interfaces ({', '.join(interfaces)}), so egress may work")
    if egress := _texts(conformance.get("egress")):
        found.append(f"it has a way to other networks ({', '.join(egress)})")
    extra = sorted(set(_texts(conformance.get("capabilities"))) - CAPABILITIES)
    if extra:
        found.append(f"it has capabilities that it must not have ({', '.join(extra)})")
    if conformance.get("root_writable") is True:
        found.append("its root file system is writable")
    if conformance.get("no_new_privs") is False:
        found.append("no_new_privs is not set")
    limits = conformance.get("limits")
    loose = (
        sorted(str(name) for name, bites in limits.items() if bites is False)
        if (isinstance(limits, Mapping))
        else []
    )
    if loose:
        found.append(f"limits do not bite in it ({', '.join(loose)})")
    return found


def degradations(
    conformance: Mapping[str, object], *, rung: str, memory_bytes: int = 0, processes: int = 0
) -> tuple[str, ...]:
    """What is missing in a container that is fit nevertheless; recorded in every result.

    Args:
        conformance: What was found from inside.
        rung: How checks are confined in it.
        memory_bytes: Memory that it was to be limited to; 0: not looked at.
        processes: Processes that it was to be limited to; 0: not looked at.
    """
    found = []
    parts = set(rung.split("+"))
    refused = conformance.get("refused_rungs")
    reasons = (
        "".join(f" ({name}: {why})" for name, why in refused.items())
        if isinstance(refused, Mapping)
        else ""
    )
    if "uid" not in parts:
        found.append(
            f"checks cannot have their own user id in this container, so each gets a fresh one"
            f"{reasons}"
        )
    if "landlock" not in parts:
        found.append(f"the kernel or the engine's profile offers no Landlock{reasons}")
    elif 0 < _number(conformance.get("landlock")) < COMPLETE_LANDLOCK:
        found.append(
            f"version {_number(conformance.get('landlock'))} of Landlock does not confine signals"
            " and abstract sockets"
        )
    if conformance.get("seccomp") is False:
        found.append("the engine applies no seccomp profile")
    for what, wanted in (("memory", memory_bytes), ("processes", processes)):
        limit = _number(conformance.get(f"{what}_limit"))
        if wanted and not 0 < limit <= wanted:
            found.append(f"the engine does not limit the {what} of a container")
    return tuple(f"degraded confinement: {text}" for text in found)


def outdated(components: Mapping[str, str]) -> tuple[str, ...]:
    """Parts of an engine with known ways out of a container.

    Args:
        components: Version of each part, by name, as the engine tells them.
    """
    version = components.get("runc", "")
    known = _version(version)
    if known is None:
        return ()
    escapes = [name for name, fixes in _RUNC_ESCAPES if not _is_fixed(known, fixes)]
    if not escapes:
        return ()
    text = (
        f"runc {version} has known ways out of a container ({', '.join(escapes)}): update it,"
        " unless your distribution closed them in this version"
    )
    return (text,)


def _version(text: str) -> tuple[int, int, int, int] | None:
    found = _VERSION.match(text)
    if found is None:
        return None
    major, minor, patch, candidate = found.groups()
    return int(major), int(minor), int(patch), int(candidate) if candidate else 1000


def _is_fixed(version: tuple[int, int, int, int], fixes: tuple[tuple[int, int, int], ...]) -> bool:
    for fix in fixes:
        if version[:2] == fix[:2]:
            candidate = version[:3] == fix and version[3] >= _FIXED_CANDIDATES
            return version[:3] > fix or candidate
    return version[:2] > fixes[-1][:2]


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else []
