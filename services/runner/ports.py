"""What the runner needs from outside, in its own words."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Protocol

from services.plans import Plan
from services.runner.domain.attempts import Answers, Assignment, Report
from services.runner.domain.environments import Definition
from services.runner.domain.images import Image, Published, Release, Shown
from services.runner.domain.workplaces import WorkplaceInfo
from services.runner.sessions.outcome import Event
from services.runner.sessions.session import Limits, Tree

Progress = Callable[[str, float | None], None]
"""Told what is being prepared, for people, and the part done (0 to 1, None where unknown).

Called in the event loop's thread; must not block.
"""


class Workplace(Protocol):
    """A warm container, or a process that plays its part. One check at a time."""

    @property
    def info(self) -> WorkplaceInfo: ...

    @property
    def broken(self) -> bool:
        """Whether it can take no further check."""
        ...

    def run(
        self, plan: Plan, *, trees: Iterable[Tree], limits: Limits, seed: int, check: str
    ) -> AsyncIterator[Event]:
        """Runs one check; the last event is its result. Raises SessionBrokenError."""
        ...

    async def cancel(self, reason: str) -> None:
        """Stops the check that runs in it, if one does."""
        ...

    async def close(self) -> None:
        """Ends it with everything in it. Idempotent; never raises."""
        ...


class ImageStore(Protocol):
    """The images of environments, where a backend has such.

    Each call raises EnvironmentUnavailableError for what cannot be had, UnavailableError for an
    engine or a registry that does not answer, DeadlineExceededError.
    """

    def repository(self, definition: Definition) -> str:
        """Where its images are pulled from and pushed to, `<registry>/<name>`; or empty."""
        ...

    def freshness_time(self, definition: Definition) -> datetime | None:
        """When the registry was last asked for a newer image."""
        ...

    async def current(self, definition: Definition) -> Image | None:
        """The image that checks would run in; None if it has to be made or pulled first."""
        ...

    async def config(self, image: Image) -> Mapping[str, object]:
        """How its containers would start by themselves: `User`, `Volumes` and so on."""
        ...

    async def shown(self, definition: Definition) -> Sequence[Shown]:
        """Its local images, newest first."""
        ...

    async def build(
        self, definition: Definition, *, tag: str, no_cache: bool, progress: Progress
    ) -> str:
        """Builds one from its Dockerfile as `tag` (empty: `latest`); returns its digest."""
        ...

    async def pull(self, definition: Definition, progress: Progress) -> str:
        """Pulls the one with its tag, whether there is one already or not; returns its digest."""
        ...

    async def push(self, definition: Definition, release: Release, progress: Progress) -> Published:
        """Publishes it as a version and as `latest`; what is in it stays the same.

        Raises AlreadyExistsError if that version is published, PreconditionError without an image
        or a registry.
        """
        ...


class Backend(Protocol):
    """Makes environments ready and opens workplaces in them."""

    @property
    def name(self) -> str:
        """`docker` or `process`."""
        ...

    @property
    def reason(self) -> str:
        """Why this backend is used, for people."""
        ...

    @property
    def engine_version(self) -> str:
        """Docker engine's version, or empty."""
        ...

    @property
    def images(self) -> ImageStore | None:
        """The images of environments; None where there are none."""
        ...

    async def digest(self, definition: Definition) -> str:
        """Digest of the environment as it is here now; empty if it has to be made first."""
        ...

    async def prepare(self, definition: Definition, progress: Progress) -> str:
        """Makes the environment and returns its digest.

        Raises EnvironmentUnavailableError with the reason, UnavailableError without an engine.
        """
        ...

    async def freshen(self, definition: Definition, progress: Progress) -> bool:
        """Asks where the environment comes from for a newer one; whether there is one in use now.

        What was built here is never replaced. Raises EnvironmentUnavailableError,
        UnavailableError or DeadlineExceededError; the present one stays then.
        """
        ...

    async def sweep(self) -> int:
        """Removes what runners left that are gone; returns how many.

        Never what belongs to one that lives. Raises UnavailableError.
        """
        ...

    async def answers(self) -> bool:
        """Whether what workplaces run in answers, asked anew within seconds. Never raises."""
        ...

    async def open(self, definition: Definition, *, digest: str) -> Workplace:
        """Starts a workplace and waits until it can take checks.

        Raises EnvironmentUnavailableError if it must not be used, SessionBrokenError or
        UnavailableError if it does not come up; EngineAwayError as every call may.
        """
        ...

    async def close(self) -> None:
        """Removes everything it started and that still exists."""
        ...


@dataclass(frozen=True, kw_only=True)
class ClosureFolder:
    """One folder that a check depends on."""

    key: str
    type: str
    path: str
    tree: str
    """Git tree id."""
    metadata: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TreePart:
    """A part of one file of a git tree, or the end of the tree."""

    tree: str
    path: str = ""
    mode: int = 0o100644
    data: bytes = b""
    more: bool = False
    """Whether the file goes on in the next part."""
    end: bool = False


class Repository(Protocol):
    """The catalog, as far as a runner asks it."""

    async def closure(self, entity: str, revision: str) -> Sequence[ClosureFolder]: ...

    def trees(self, ids: Sequence[str]) -> AsyncIterator[TreePart]:
        """Content of git trees, one after the other. Raises NotFoundError."""
        ...


@dataclass(frozen=True, kw_only=True)
class Registration:
    """What a runner says of itself."""

    runner: str
    """`runners/{id}`."""
    incarnation: str
    pool: str
    slots: int
    backend: str
    runtime_version: str
    host: str
    engine_version: str = ""
    """Of the container engine; empty where there is none."""


class Dispatch(Protocol):
    """The scheduler, as far as a runner asks it. Each call raises UnavailableError."""

    async def register(self, registration: Registration) -> float:
        """Makes the runner known; returns the seconds between heartbeats."""
        ...

    async def claim(self, check: str, *, claim_id: str) -> Assignment:
        """Raises NotClaimableError, after which the job is to be dropped.

        Or RunnerDrainedError, after which it is to be handed back.
        """
        ...

    async def heartbeat(
        self,
        attempts: Sequence[tuple[str, int]],
        *,
        free_slots: int,
        draining: bool,
        environments: Mapping[str, str],
    ) -> Answers:
        """Renews leases; `environments` are names to digests of those that are ready."""
        ...

    async def start(self, assignment: Assignment) -> None:
        """Says that code runs now. Raises StaleAttemptError."""
        ...

    async def missing(self, artefacts: Sequence[str]) -> set[str]:
        """Those of the named artefacts that are not stored yet."""
        ...

    async def upload(self, artefact: str, *, size: int, body: IO[bytes]) -> None:
        """Stores one artefact; durable when it returns."""
        ...

    async def finish(self, assignment: Assignment, report: Report) -> None:
        """Ends the attempt. Raises StaleAttemptError."""
        ...

    async def release(self, assignment: Assignment, *, reason: str) -> None:
        """Hands the check back; no failure. Raises StaleAttemptError."""
        ...


class Job(Protocol):
    """One message that says: this check is next."""

    @property
    def check(self) -> str: ...

    async def done(self) -> None:
        """It needs no further delivery."""
        ...

    async def later(self, seconds: float) -> None:
        """Deliver it again, to whoever asks then."""
        ...


class Jobs(Protocol):
    """Where jobs come from."""

    async def next(self, *, timeout: float) -> Job | None:  # noqa: ASYNC109  # passed to the broker
        """The next job, or None if none came in time."""
        ...


class EventSink(Protocol):
    """Where watchers listen. Must never make a check wait."""

    async def send(self, *, subject: str, message_id: str, data: bytes) -> None:
        """Stores one event. Raises UnavailableError."""
        ...
