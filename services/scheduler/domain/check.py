"""Checks, runs and runners as plain values.

Numbers of `State` and `Verdict` are those of the protos, so that they translate by value.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import IntEnum

SCHEDULER_SEQUENCE = 2**40
"""Sequence of a final event that the scheduler wrote by itself: sorts after all of an attempt."""


UNTRUSTED_POOL = "untrusted"
"""Pool of the checks of proposals; runners know it by the same name (`services.bus`)."""


class State(IntEnum):
    """Where a check stands."""

    QUEUED = 1
    PREPARING = 2
    RUNNING = 3
    FINISHED = 4


ACTIVE = frozenset({State.PREPARING, State.RUNNING})
"""States in which a runner holds the check."""


class Verdict(IntEnum):
    """What came out of a check."""

    SUCCESS = 1
    INACCURATE = 2
    SCRIPT_ERROR = 3
    TIMED_OUT = 4
    LIMIT_EXCEEDED = 5
    INFRASTRUCTURE_ERROR = 6
    CANCELLED = 7


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a check may use."""

    wall_seconds: float = 300.0
    """Elapsed time."""
    cpu_seconds: float = 300.0
    """Processor time."""
    memory_bytes: int = 2 * 1024**3
    """Memory of all its processes together."""
    processes: int = 128
    """Processes and threads."""
    file_bytes: int = 64 * 1024**2
    """Size of one file."""
    output_bytes: int = 8 * 1024**2
    """Standard output and error together."""
    artefact_bytes: int = 256 * 1024**2
    """All artefacts together."""


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """A file that a check produced."""

    sha256: str
    path: str
    size: int
    content_type: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a check ended.

    `payload` is the whole result as it arrived (serialised, opaque here); empty where the
    scheduler wrote the result by itself.
    """

    verdict: Verdict
    message: str = ""
    artefacts: tuple[Artefact, ...] = ()
    log: str = ""
    """sha256 of the log artefact; empty where nothing ran."""
    payload: bytes = b""
    image: str = ""
    """Digest of the image it ran in; empty where nothing ran, or none is known."""
    runtime: str = ""
    """Version of the runtime that was injected."""
    on_revision: bool = False
    """Whether it depends on the whole revision, not only on the closure."""


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder of a closure."""

    key: str
    path: str
    tree: str


@dataclass(frozen=True, kw_only=True)
class Basis:
    """What a check depends on beside what it says itself, as known when it was created."""

    closure: str
    """Digest of the closure's content."""
    folders: tuple[Folder, ...] = field(default=(), compare=False)
    """The closure; stores keep it once for each digest, and read it only where it is asked for."""
    image: str = ""
    """Digest of the image that the environment is; empty where that is not known."""
    runtime: str = ""
    """Version of the runtime; empty where runners do not agree on one."""
    forced: bool = False
    """Whether it is to run even where an equal result exists."""


@dataclass(frozen=True, kw_only=True)
class FailedAttempt:
    """An attempt that ended without a verdict."""

    attempt: int
    runner: str
    reason: str
    end_time: datetime
    reported: bool = False
    """True if its runner ended it itself (release or failure), so that repeating is no error."""


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right of one runner to run the present attempt."""

    runner: str
    incarnation: str
    claim_id: str
    claim_time: datetime
    expires: datetime


@dataclass(frozen=True, kw_only=True)
class Check:
    """One request to run one entity at one revision in one environment."""

    id: str
    entity: str
    """Key."""
    revision: str
    """Tree id."""
    environment: str
    """Name of the environment; with `@` and a reference, one image of it."""
    inputs_digest: str
    create_time: datetime
    commit: str = ""
    run: str = ""
    """Id of the run it was created for; empty for a single check."""
    pool: str = "default"
    priority: int = 0
    """Higher goes first."""
    rank: float = 0.0
    """Within a priority, lower goes first; see `domain.ordering`."""
    requester: str = ""
    """Who asked, for fair shares; empty where unknown."""
    expected_seconds: float = 0.0
    """How long it is expected to occupy a slot; 0 where that was not looked at."""
    seed: int = 0
    limits: Limits = field(default_factory=Limits)
    state: State = State.QUEUED
    attempt: int = 0
    """Attempts made: the number of claims."""
    failures: int = 0
    """Attempts that count towards the limit of infrastructure failures."""
    not_before: datetime | None = None
    """Queued, but not to be claimed earlier (back-off)."""
    lease: Lease | None = None
    start_time: datetime | None = None
    finish_time: datetime | None = None
    cancel_requested: bool = False
    failed_attempts: tuple[FailedAttempt, ...] = ()
    result: Result | None = None
    basis: Basis | None = None
    """None where nothing could run, and for checks of earlier versions."""
    reused_from: str = ""
    """Id of the check that ran and whose result this is; empty where it ran itself."""
    finished_by: int = 0
    """Attempt whose runner finished it; 0 where the scheduler did."""
    final_sequence: int = 0
    """Sequence of the event that carries the verdict, within `attempt`."""
    change: int = 0
    """Number of its last change, counted over all checks; set by the store."""

    @property
    def finished(self) -> bool:
        """Whether it has a verdict."""
        return self.state is State.FINISHED

    @property
    def joinable(self) -> bool:
        """Whether an equal request gets this check: it will have a verdict, and not `CANCELLED`."""
        return not self.finished and not self.cancel_requested

    @property
    def untrusted(self) -> bool:
        """Whether it is of a proposal: that says nothing of how its entity is on the main line."""
        return self.pool == UNTRUSTED_POOL

    @property
    def of_candidate(self) -> bool:
        """Whether it tries one image by reference: that says nothing of how its entity is."""
        return "@" in self.environment


@dataclass(frozen=True, kw_only=True)
class EntityVerdict:
    """How an entity is: its newest finished check, in short."""

    entity: str
    """Key."""
    verdict: Verdict
    """Never `CANCELLED`: a check that somebody stopped says nothing about its entity."""
    check: str
    """Id."""
    finish_time: datetime
    revision: str
    """Tree id."""


def entity_verdict(check: Check) -> EntityVerdict | None:
    """Gives what a check says about its entity.

    Nothing if it is not finished, was cancelled, tried an image that is not in use, or is of a
    proposal.
    """
    if check.result is None or check.result.verdict is Verdict.CANCELLED:
        return None
    if check.of_candidate or check.untrusted:
        return None
    return EntityVerdict(
        entity=check.entity,
        verdict=check.result.verdict,
        check=check.id,
        finish_time=check.finish_time or check.create_time,
        revision=check.revision,
    )


@dataclass(frozen=True, kw_only=True)
class Run:
    """A named group of checks."""

    id: str
    title: str
    revision: str
    commit: str
    create_time: datetime


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """A run and how far it is."""

    run: Run
    check_count: int = 0
    verdicts: tuple[tuple[Verdict, int], ...] = ()
    finish_time: datetime | None = None
    change: int = 0
    """Number of the last change of its checks that is counted."""

    def after(self, check: "Check") -> "RunSummary":
        """The summary once a check of the run has changed; without the time of its end.

        A finished check never changes, so each is counted once.
        """
        if check.change <= self.change:
            return self
        counts = dict(self.verdicts)
        if check.result is not None:
            counts[check.result.verdict] = counts.get(check.result.verdict, 0) + 1
        return replace(self, verdicts=tuple(sorted(counts.items())), change=check.change)

    @property
    def finished_count(self) -> int:
        """Number of its checks that have a verdict."""
        return sum(count for _, count in self.verdicts)

    @property
    def finished(self) -> bool:
        """Whether all its checks have a verdict."""
        return self.finished_count >= self.check_count


@dataclass(frozen=True, kw_only=True)
class Runner:
    """What is known of a runner."""

    id: str
    incarnation: str
    pool: str
    slots: int
    backend: str
    runtime_version: str
    host: str
    heartbeat_time: datetime
    free_slots: int = 0
    draining: bool = False
    engine_version: str = ""
    """Of its container engine; empty where it has none."""

    @property
    def pools(self) -> tuple[str, ...]:
        """The pools that it pulls jobs from; `pool` names them with commas between."""
        return tuple(self.pool.split(","))
