"""Which artefacts lose their content, so that the store does not grow for ever. Results stay."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from services.scheduler.domain.check import Verdict

FAILURES = frozenset(
    {Verdict.INACCURATE, Verdict.SCRIPT_ERROR, Verdict.TIMED_OUT, Verdict.LIMIT_EXCEEDED}
)
"""Verdicts that say that an entity does not work."""


@dataclass(frozen=True, kw_only=True)
class RetentionPolicy:
    """How much is kept."""

    age: timedelta | None = None
    """Artefacts of checks that finished longer ago go; none of them for their age where absent."""
    size: int = 0
    """Bytes that all artefacts together may have; the oldest go first. 0 means any."""
    grace: timedelta = timedelta(days=1)
    """What was uploaded or asked for since then stays: its check may not be finished yet."""

    @property
    def keeps_all(self) -> bool:
        """Whether no artefact of a finished check goes, ever."""
        return self.age is None and not self.size


@dataclass(frozen=True, kw_only=True)
class FinishedCheck:
    """A check, as far as retention looks at it."""

    id: str
    """Sorts by time."""
    entity: str
    environment: str
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file of the artefact store."""

    sha256: str
    size: int
    last_asked: float
    """When it was uploaded, or a runner asked whether it is there; seconds since 1970."""


@dataclass(frozen=True, kw_only=True)
class Use:
    """What refers to an artefact."""

    last: float
    """When the newest check that refers to it finished; seconds since 1970."""
    kept: bool = False
    """Whether a check refers to it that keeps its artefacts."""


@dataclass(frozen=True, kw_only=True)
class Removals:
    """What goes, oldest first."""

    expired: tuple[str, ...] = ()
    """Artefacts of finished checks, which are marked as removed."""
    unknown: tuple[str, ...] = ()
    """Files that no check refers to: of attempts that never finished."""


def keeping(checks: Iterable[FinishedCheck]) -> set[str]:
    """Names the checks that keep their artefacts for ever.

    For each entity and environment these are the last success and the first failure after it: how
    it looked when it worked, and how it broke. Where it never worked, the first failure is kept.

    Args:
        checks: All that are finished, oldest first.
    """
    successes: dict[tuple[str, str], FinishedCheck] = {}
    failures: dict[tuple[str, str], FinishedCheck] = {}
    for check in checks:
        where = check.entity, check.environment
        if check.verdict is Verdict.SUCCESS:
            successes[where] = check
            failures.pop(where, None)
        elif check.verdict in FAILURES:
            failures.setdefault(where, check)
    return {check.id for check in (*successes.values(), *failures.values())}


def removals(
    files: Sequence[StoredFile],
    uses: Mapping[str, Use],
    *,
    policy: RetentionPolicy,
    now: float,
) -> Removals:
    """Chooses the files whose content goes.

    Where no file at all is known to the database, it is not the database of this folder, and
    nothing goes.

    Args:
        files: All that are stored.
        uses: What refers to them; files without an entry are unknown.
        policy: How much is kept.
        now: Seconds since 1970.
    """
    idle = [file for file in files if file.last_asked <= now - policy.grace.total_seconds()]
    unknown = [file for file in idle if file.sha256 not in uses]
    if not any(file.sha256 in uses for file in files):
        unknown = []
    removable = sorted(
        (file for file in idle if file.sha256 in uses and not uses[file.sha256].kept),
        key=lambda file: (uses[file.sha256].last, file.sha256),
    )
    total = sum(file.size for file in files) - sum(file.size for file in unknown)
    oldest = None if policy.age is None else now - policy.age.total_seconds()
    expired = []
    for file in removable:
        too_old = oldest is not None and uses[file.sha256].last < oldest
        if not too_old and not (policy.size and total > policy.size):
            break  # all further ones are younger
        expired.append(file.sha256)
        total -= file.size
    return Removals(
        expired=tuple(expired),
        unknown=tuple(
            file.sha256 for file in sorted(unknown, key=lambda one: (one.last_asked, one.sha256))
        ),
    )
