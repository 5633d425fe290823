"""Workplaces and environments as they are shown."""

from dataclasses import dataclass
from datetime import datetime

from services.runner.domain.environments import Definition
from services.runner.domain.images import Shown
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


@dataclass(frozen=True, kw_only=True)
class EnvironmentDetails:
    """An environment with everything that is known of it."""

    definition: Definition
    status: EnvironmentStatus
    images: tuple[Shown, ...] = ()
    """Newest first."""
    repository: str = ""
    """`<registry>/<name>`; empty without a registry."""
    freshness_time: datetime | None = None
    packages: tuple[str, ...] = ()
    """Requirements, one package each."""
