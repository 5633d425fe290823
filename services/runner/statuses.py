"""Workplaces and environments as they are shown."""

from dataclasses import dataclass

from services.runner.domain.workplaces import WorkplaceInfo


@dataclass(frozen=True, kw_only=True)
class PlaceStatus:
    """A workplace as it is shown."""

    info: WorkplaceInfo
    checks_run: int
    state: str
    """`idle`, `busy` or `retiring`."""


@dataclass(frozen=True, kw_only=True)
class EnvironmentStatus:
    """An environment as it is shown."""

    state: str
    """`absent`, `preparing`, `ready` or `failed`."""
    digest: str = ""
    message: str = ""
