"""When the verdict of an entity became another one, and what differs between then and before."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any

from services.scheduler.domain.check import Verdict


class ChangeKind(IntEnum):
    """What kind of a change it is; numbers are those of the proto."""

    FIRST = 1
    BROKEN = 2
    REPAIRED = 3
    CHANGED = 4


class ChangeCause(IntEnum):
    """What differs between two checks; numbers are those of the proto."""

    UNKNOWN = 0
    DATA = 1
    ENVIRONMENT = 2
    DATA_AND_ENVIRONMENT = 3
    NEITHER = 4


@dataclass(frozen=True, kw_only=True)
class VerdictPoint:
    """A check that says how its entity was."""

    check: str
    """Id."""
    verdict: Verdict
    finish_time: datetime
    revision: str
    """Tree id; empty where not known."""
    commit: str
    environment: str
    """Name."""
    environment_digest: str
    """Of the image; empty where not known."""
    title: str
    """One line about a failure."""
    closure: str = ""
    """Digest of what it saw of the data repository; empty where not known."""


@dataclass(frozen=True, kw_only=True)
class VerdictChange:
    """An entity got another verdict than it had, or its first one."""

    number: int
    """Counts changes in the order in which they were noted."""
    entity: str
    """Key."""
    kind: ChangeKind
    after: VerdictPoint
    before: VerdictPoint | None
    imported: bool = False

    @property
    def cause(self) -> ChangeCause:
        """What differs between the two checks."""
        return ChangeCause.UNKNOWN if self.before is None else cause_of(self.before, self.after)


@dataclass(frozen=True, kw_only=True)
class ChangeFilter:
    """Conditions on changes, all of which have to hold."""

    kinds: frozenset[ChangeKind] = frozenset()
    """Empty asks for nothing."""
    entity: str = ""
    since: datetime | None = None


def kind_of(before: Verdict | None, after: Verdict) -> ChangeKind | None:
    """Says what kind of a change a verdict is after another one; none where they are equal.

    Both say how the entity is (`domain.history.TELLING`).
    """
    if before is None:
        return ChangeKind.FIRST
    if before is after:
        return None
    if after is Verdict.SUCCESS:
        return ChangeKind.REPAIRED
    return ChangeKind.BROKEN if before is Verdict.SUCCESS else ChangeKind.CHANGED


def cause_of(before: VerdictPoint, after: VerdictPoint) -> ChangeCause:
    """Says what differs between two checks, as far as it was kept."""
    data = _differs(before.closure, after.closure)
    if data is None and before.commit and before.commit == after.commit:
        data = False  # nothing is known of closures, but the whole repository was the same
    image = _differs(before.environment_digest, after.environment_digest)
    if before.environment != after.environment:
        image = True
    if data is None or image is None:
        return ChangeCause.UNKNOWN
    if data and image:
        return ChangeCause.DATA_AND_ENVIRONMENT
    if data:
        return ChangeCause.DATA
    return ChangeCause.ENVIRONMENT if image else ChangeCause.NEITHER


def _differs(before: str, after: str) -> bool | None:
    return before != after if before and after else None


def document_of(change: VerdictChange) -> dict[str, Any]:
    """Describes a change as the JSON of its message does; what webhooks are sent."""
    return {
        "entity": f"entities/{change.entity}",
        "kind": f"KIND_{change.kind.name}",
        "after": _point(change.after),
        **({"before": _point(change.before)} if change.before else {}),
        "cause": _CAUSES[change.cause],
        "changeTime": stamp(change.after.finish_time),
    }


_CAUSES = {
    cause: f"CAUSE_{'UNSPECIFIED' if cause is ChangeCause.UNKNOWN else cause.name}"
    for cause in ChangeCause
}


def _point(point: VerdictPoint) -> dict[str, str]:
    return {
        "check": f"checks/{point.check}",
        "verdict": f"VERDICT_{point.verdict.name}",
        "finishTime": stamp(point.finish_time),
        "revision": f"revisions/{point.revision}" if point.revision else "",
        "commit": point.commit,
        "environment": f"environments/{point.environment}",
        "environmentDigest": point.environment_digest,
        "title": point.title,
    }


def stamp(time: datetime) -> str:
    """Writes a time in UTC as JSON of messages has it, e.g. `2026-01-02T03:04:05.678901Z`."""
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")
