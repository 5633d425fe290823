"""Workplaces: what is known of one, and when it is replaced. Pure."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from services.errors import EnvironmentUnavailableError, InvalidArgumentError
from services.runner.domain.pools import PoolPolicy
from services.runner.sessions.outcome import Cleanliness

CAPABILITIES: Final = frozenset({"setuid", "setgid", "chown", "kill", "dac_override"})
"""What the supervisor needs to change identity, clean up and kill; all others are dropped."""

FRESH: Final = "fresh"
"""Part of the confinement of a container that is thrown away after its only check."""

_UID_FIRST, _UID_COUNT, _UID_END = 20000, 1000, 65000


CONFINED: Final = frozenset({"landlock", "seccomp"})
"""What a rung has to have for the checks of proposals."""


def require_confined(confinement: str) -> None:
    """Refuses a rung on which nothing that a stranger proposes is to run.

    Raises:
        EnvironmentUnavailableError: The rung lacks Landlock or the filter of system calls.
    """
    if not set(confinement.split("+")) >= CONFINED:
        raise EnvironmentUnavailableError(
            "checks of proposals run only where Landlock and a filter of system calls confine "
            f"them, and here there is {confinement!r}: use Linux 5.13 or newer, or set "
            "ACKREP_RUNNER_UNCONFINED=1 on this runner"
        )


def workplace_name(environment: str) -> str:
    """A new container name, `<environment>_run_<hash>`."""
    return f"{environment}_run_{secrets.token_hex(5)}"


@dataclass(frozen=True, kw_only=True)
class WorkplaceInfo:
    """What is known of a workplace once it can take checks."""

    id: str
    environment: str
    """Name of its definition."""
    environment_digest: str
    confinement: str
    """Rung, e.g. `container+landlock+seccomp+uid`, `container+fresh`, `uid`, `none`."""
    python: str = ""
    packages: tuple[str, ...] = ()
    """`name==version`, in order."""
    shims: tuple[str, ...] = ()
    machine: str = ""
    start_seconds: float = 0.0
    remarks: tuple[str, ...] = ()
    """What is degraded here; stands in every result."""
    preload_failures: tuple[str, ...] = ()
    """Those of the remarks that say what could not be imported ahead."""


def reason_to_retire(
    info: WorkplaceInfo,
    *,
    policy: PoolPolicy,
    checks_run: int,
    broken: bool,
    cleanliness: Cleanliness | None,
    digest: str,
) -> str:
    """Why a workplace must not take another check; empty if it may."""
    if broken:
        return "its stream is broken"
    if cleanliness is not None and cleanliness.oom_kills:
        return "a process in it was killed for memory"
    if cleanliness is not None and not cleanliness.clean:
        return "a check left something behind"
    if digest and info.environment_digest != digest:
        return "the environment has a new digest"
    if FRESH in info.confinement.split("+"):
        return "checks in it cannot be told apart by user id, so each gets a fresh one"
    if checks_run >= policy.checks_per_workplace:
        return f"it has run {checks_run} checks"
    return ""


def uid_range(taken: Collection[int], *, prefer: int = 0) -> tuple[int, int]:
    """First user id and number of them for a new workplace: no overlap, all below 65536.

    Args:
        taken: First user ids of the workplaces that exist.
        prefer: Spreads runners that share a host; any number.
    """
    firsts = list(range(_UID_FIRST, _UID_END - _UID_COUNT + 1, _UID_COUNT))
    start = prefer % len(firsts)
    for first in firsts[start:] + firsts[:start]:
        if first not in taken:
            return first, _UID_COUNT
    raise InvalidArgumentError(f"more than {len(firsts)} workplaces at once")
