"""Images of environments: what is in them, and which one an environment is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class EnvironmentImage:
    """An image, or a virtual environment, and what is in it."""

    digest: str
    environment: str
    """Name that a runner first told of it as."""
    python: str
    packages: tuple[str, ...]
    """`name==version`, in order."""
    first_seen: datetime


@dataclass(frozen=True, kw_only=True)
class RunnerReport:
    """What a runner that is heard of said of its environments last."""

    runner: str
    runtime: str
    """Version of the runtime that it injects."""
    heard: datetime
    """Last heartbeat, or registration."""
    environments: Mapping[str, str] | None
    """Names, also with a reference, to digests of those that are ready; none before it said so."""


def agreed_image(environment: str, reports: Iterable[RunnerReport]) -> str:
    """The image that an environment is for all runners that have it ready.

    Empty where none has, or where they have different ones: then nobody knows beforehand in which
    one a check will run.
    """
    found = {
        report.environments[environment]
        for report in reports
        if report.environments and report.environments.get(environment)
    }
    return found.pop() if len(found) == 1 else ""


def agreed_runtime(reports: Iterable[RunnerReport]) -> str:
    """The version of the runtime that all runners inject; empty where there is not one alone."""
    found = {report.runtime for report in reports}
    return found.pop() if len(found) == 1 else ""
