"""What finished checks say together: outcomes, sightings, groups of failures, lives of entities."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from services.scheduler.domain.check import Verdict

FAILING = frozenset(
    {
        Verdict.INACCURATE,
        Verdict.SCRIPT_ERROR,
        Verdict.TIMED_OUT,
        Verdict.LIMIT_EXCEEDED,
    }
)
"""Verdicts by which an entity fails; by others it passes, or they say nothing about it."""

TELLING = FAILING | {Verdict.SUCCESS}
"""Verdicts that say how an entity is."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the result of a check says, in short."""

    check: str
    """Id."""
    fingerprint: str = ""
    """Cause of a failure; empty for others."""
    title: str = ""
    """One line about a failure."""
    environment_digest: str = ""
    """Image digest, or the version where only that is known."""
    seconds: float | None = None
    """Elapsed time of the entity's own code."""
    error: float | None = None
    """Largest absolute element of `final_state_errors`."""


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """One finished check, as history sees it."""

    check: str
    entity: str
    verdict: Verdict
    time: datetime
    run: str
    commit: str
    revision: str
    environment: str
    """Name."""
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class FailureGroup:
    """Failed checks with the same cause."""

    fingerprint: str
    title: str
    verdict: Verdict
    members: tuple[Sighting, ...]
    """By entity, then check."""
    first_seen: Sighting

    @property
    def entities(self) -> list[str]:
        """Keys, in order, each once."""
        return sorted({member.entity for member in self.members})

    @property
    def example(self) -> Sighting:
        """The newest of its checks."""
        return max(self.members, key=lambda member: member.check)


@dataclass(frozen=True, kw_only=True)
class Cause:
    """All checks that ever failed by one cause."""

    first_seen: Sighting
    last_seen: Sighting
    count: int
    """Number of failed checks."""
    entities: tuple[str, ...]
    """Keys, in order."""
    runs: tuple[tuple[str, int], ...]
    """The newest runs with the number of their checks that failed so, newest first."""


@dataclass(frozen=True, kw_only=True)
class EntityHistory:
    """How an entity fared."""

    entity: str
    newest: Sighting | None
    """Its newest check that says how it is."""
    passed_last: Sighting | None
    failing_since: Sighting | None
    """Its first failure after `passed_last`; none if it passes."""
    check_count: int
    """Its finished checks of any verdict."""


def grouped(failures: Iterable[Sighting], first_seen: Mapping[str, Sighting]) -> list[FailureGroup]:
    """Groups failures by their fingerprints, largest group first, equal ones by title.

    Args:
        failures: Failed checks.
        first_seen: The first check ever with each of their fingerprints.
    """
    groups: dict[str, list[Sighting]] = {}
    for failure in failures:
        groups.setdefault(failure.outcome.fingerprint, []).append(failure)
    found = []
    for fingerprint, members in groups.items():
        members.sort(key=lambda member: (member.entity, member.check))
        newest = max(members, key=lambda member: member.check)
        found.append(
            FailureGroup(
                fingerprint=fingerprint,
                title=newest.outcome.title,
                verdict=newest.verdict,
                members=tuple(members),
                first_seen=first_seen.get(fingerprint, min(members, key=lambda one: one.check)),
            )
        )
    return sorted(found, key=lambda group: (-len(group.members), group.title, group.fingerprint))


def excerpt(traceback: str, *, lines: int = 12) -> str:
    """Gives the end of a traceback, where its cause stands; says how many lines are left out."""
    kept = [line.rstrip() for line in traceback.splitlines() if line.strip()]
    left_out = len(kept) - lines
    if left_out <= 0:
        return "\n".join(kept)
    return "\n".join([f"[{left_out} lines before]", *kept[-lines:]])
