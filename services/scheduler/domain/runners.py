"""Runners as the scheduler sees them, and those that are to take no new checks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from services.scheduler.domain.check import Runner


@dataclass(frozen=True, kw_only=True)
class Drain:
    """That a runner is to take no new checks until it is resumed, whatever restarts."""

    runner: str
    """Its id."""
    reason: str
    """For people to read; may be empty."""
    create_time: datetime


@dataclass(frozen=True, kw_only=True)
class KnownRunner:
    """A runner, what it told, and what it holds."""

    runner: Runner
    checks: tuple[str, ...] = ()
    """Ids of the checks that it holds, in order."""
    environments: Mapping[str, str] = field(default_factory=dict)
    """Names to digests of those that its present incarnation said are ready."""
    drain: Drain | None = None
