"""What the scheduler needs of the world: a store, a broker, files, a clock."""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.scheduler.domain.check import (
    Artefact,
    Check,
    EntityVerdict,
    Run,
    Runner,
    RunSummary,
    Verdict,
)
from services.scheduler.domain.listing import CheckFilter
from services.scheduler.domain.machine import Directive
from services.scheduler.domain.queue import Joining, Pause, QueueLine
from services.scheduler.ports.bisections import Bisections
from services.scheduler.ports.inputs import Environments
from services.scheduler.ports.promotions import Promotions, Trials
from services.scheduler.ports.retention import Retention
from services.scheduler.ports.runners import Registry
from services.scheduler.ports.schedules import Schedules

Clock = Callable[[], datetime]
"""Tells the time, in UTC."""

Transition = Callable[[Check], Check]
"""One of the changes of `domain.machine`, with all arguments but the check bound."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message for watchers that a transaction wants published."""

    subject: str
    message_id: str
    """The broker drops a second message of the same id."""
    payload: bytes
    number: int = 0
    """Place in the outbox; set by the store."""


Announce = Callable[[Check | None, Check], Sequence[Message]]
"""Says which messages a change of a check (from, to) calls for; from nothing where it is new."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A check before and after a transition; the same object where nothing changed."""

    before: Check
    after: Check


@dataclass(frozen=True, kw_only=True)
class Publication:
    """A job message to be, or that was, published."""

    check: str
    pool: str
    environment: str
    attempt: int
    """Attempts made before."""
    number: int
    """Counts publications of the check; part of the message id."""
    sequence: int = 0
    """Where the message lies in the stream; 0 before it is published."""


class Checks(Protocol):
    """Checks and their results. Each method is one transaction."""

    async def create(self, check: Check, *, request_id: str = "") -> tuple[Check, bool]:
        """Adds a check, and says whether it did.

        It is added as a finished one where an equal result exists (`domain.reuse`). Otherwise gives
        the one that the same request made before, or the equal active one.
        """

    async def requested(self, request_id: str) -> Check | None:
        """Gives the check that a request made before."""

    async def with_results(self, checks: Sequence[Check]) -> list[Check]:
        """Gives new checks, finished where an equal result exists and no equal one is active.

        `create` does so by itself: this is for who wants to know before.
        """

    async def get(self, check_id: str) -> Check:
        """Gets a check.

        Raises:
            NotFoundError: There is none of that id.
        """

    async def update(
        self, check_id: str, transition: Transition, *, durable: bool = True
    ) -> Change:
        """Changes a check by a transition, alone; what it announces goes into the outbox.

        Args:
            check_id: Which one.
            transition: What to change.
            durable: Whether it has to outlive a power cut. A claim or a start need not where the
                store is on the machine of the runner, which the same cut ends.

        Raises:
            NotFoundError: There is none of that id.
            Error: Whatever the transition raised; nothing was changed.
        """

    async def previous(self, check: Check) -> Check | None:
        """Gets the check of the same entity that was created before; no trial.

        Those of proposals are left out too, unless it is of one itself.
        """

    async def list_page(self, condition: CheckFilter, *, limit: int, before: str) -> list[Check]:
        """Lists checks older than the id `before` (all where empty), newest first."""

    async def artefact(self, sha256: str) -> Artefact | None:
        """Gets an artefact of any finished check."""


class Verdicts(Protocol):
    """How each entity is: its newest finished check that was not cancelled."""

    async def list_page(
        self,
        *,
        limit: int,
        after: str = "",
        verdict: Verdict | None = None,
        entities: Collection[str] | None = None,
    ) -> list[EntityVerdict]:
        """Lists verdicts of entities, by entity.

        The newest check is the one created last, whichever finishes last: a slow check of an old
        revision does not hide what is known of a newer one.

        Args:
            limit: At most so many.
            after: Only entities whose keys sort after this one.
            verdict: Only entities whose newest check has this verdict.
            entities: Only these keys.
        """


class Runs(Protocol):
    """Runs. Each method is one transaction, durable when it returns."""

    async def create(
        self, run: Run, checks: Sequence[Check], *, request_id: str = ""
    ) -> tuple[RunSummary, bool]:
        """Adds a run with its checks, and says whether it did; equal active checks are shared.

        Otherwise gives the one that the same request made before.
        """

    async def requested(self, request_id: str) -> RunSummary | None:
        """Gives the run that a request made before."""

    async def get(self, run_id: str) -> RunSummary:
        """Gets a run.

        Raises:
            NotFoundError: There is none of that id.
        """

    async def list_page(self, *, limit: int, before: str, revision: str = "") -> list[RunSummary]:
        """Lists runs (of a tree id) older than the id `before` (all where empty), newest first."""

    async def own(self, run_id: str) -> list[str]:
        """Lists the ids of the unfinished checks of a run that belong to no other one."""

    async def changes(self, run_id: str, *, after: int, limit: int) -> list[Check]:
        """Lists the checks of a run that changed after a change number, in order of change."""


class Queue(Protocol):
    """The queue in the store, and the leases."""

    async def waiting(
        self, *, now: datetime, window: Callable[[str, str], int]
    ) -> list[Publication]:
        """Lists the next checks to publish, in the order of the queue.

        For each pool and environment as many as there is room for beside the published ones in
        the window, whose size `window(pool, environment)` says.
        """

    async def next(self, *, limit: int) -> list[Check]:
        """Lists the waiting checks that start next, by pool and environment, in that order."""

    async def mark_published(self, done: Sequence[Publication], *, now: datetime) -> None:
        """Notes where the job messages of still queued checks lie."""

    async def published(self, *, before: datetime) -> list[Publication]:
        """Lists queued checks whose job messages were published before a time."""

    async def unpublish(self, lost: Sequence[Publication]) -> None:
        """Puts queued checks whose job messages are lost back, to be published anew."""

    async def expired(self, *, now: datetime) -> list[str]:
        """Lists the ids of active checks whose lease has run out."""

    async def extend_leases(self, *, until: datetime) -> int:
        """Makes no lease end before a time, and says how many there are."""


class Policy(Protocol):
    """What the order of the queue follows from, and its pauses."""

    async def joining(
        self, *, pool: str, requester: str, entities: Collection[str], digests: Collection[str]
    ) -> Joining:
        """Gives all that places checks of entities (keys) in the queue, read at once.

        Killers are looked for among `digests` of inputs.
        """

    async def run_times(self, entities: Collection[str], *, limit: int) -> dict[str, list[float]]:
        """Gives seconds from start to finish of the latest checks of entities, newest first.

        Only of checks that ran and came to an end of their own; entities without any are left out.

        Args:
            entities: Keys.
            limit: At most so many of each.
        """

    async def lines(self) -> list[QueueLine]:
        """Lists what waits and runs, by pool and environment."""

    async def pause(self, pause: Pause) -> None:
        """Adds a pause; one of the same pool and environment is replaced."""

    async def resume(self, *, pool: str, environment: str) -> bool:
        """Ends a pause, and says whether there was one."""

    async def pauses(self) -> list[Pause]:
        """Lists all pauses, by pool and environment."""


class DeadLetters(Protocol):
    """Checks that were given up as infrastructure errors, and not replayed since."""

    async def list_page(self, *, limit: int, before: str) -> list[Check]:
        """Lists those older than the id `before` (all where empty), newest first."""

    async def count(self) -> int:
        """Says how many there are."""

    async def replayed(self, check_id: str, *, by: str) -> None:
        """Notes which check stands for a dead letter now; it is none any more."""


class Outbox(Protocol):
    """Messages that committed transactions want published."""

    async def pending(self, *, after: int = 0, limit: int) -> list[Message]:
        """Lists the oldest messages after a number; later transactions get larger numbers."""

    async def remove(self, numbers: Sequence[int]) -> None:
        """Forgets messages that the broker has."""


class Runners(Protocol):
    """The runners that were heard of."""

    async def register(self, runner: Runner) -> list[str]:
        """Makes a runner known.

        Gives the ids of the active checks that earlier incarnations of it hold.
        """

    async def heartbeat(
        self,
        *,
        runner: str,
        incarnation: str,
        attempts: Sequence[tuple[str, int]],
        free_slots: int,
        draining: bool,
        now: datetime,
        expires: datetime,
    ) -> list[Directive] | None:
        """Renews the leases of a runner and says what to do with each attempt.

        Gives nothing if this incarnation is not known.
        """

    async def list_all(self, *, since: datetime) -> list[Runner]:
        """Lists the runners heard of since a time, by id."""

    async def held(self) -> list[tuple[str, str]]:
        """Lists runner and check id of each active check."""


@dataclass(frozen=True, kw_only=True)
class Store:
    """All of the above over one database."""

    checks: Checks
    verdicts: Verdicts
    runs: Runs
    queue: Queue
    policy: Policy
    dead_letters: DeadLetters
    outbox: Outbox
    runners: Runners
    registry: Registry
    environments: Environments
    trials: Trials
    promotions: Promotions
    retention: Retention
    schedules: Schedules
    bisections: Bisections


class Artefacts(Protocol):
    """Files addressed by their sha256."""

    async def missing(self, digests: Sequence[str]) -> list[str]:
        """Lists those of the digests that the store does not hold, in order."""

    async def put(self, digest: str, *, size: int, chunks: AsyncIterator[bytes]) -> None:
        """Stores a file; durable when it returns.

        Raises:
            InvalidArgumentError: The bytes do not have that digest or size.
        """

    def read(self, digest: str) -> AsyncIterator[bytes]:
        """Streams a file in chunks.

        Raises:
            NotFoundError: There is none of that digest.
        """


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened in a check, as watchers get it."""

    attempt: int
    sequence: int
    payload: bytes
    """The whole event, serialised."""

    @property
    def position(self) -> tuple[int, int]:
        """Where it stands in the order of events."""
        return self.attempt, self.sequence


class EventReader(Protocol):
    """The events of one check while it runs."""

    async def next(self) -> Event:
        """Waits for the next event. May repeat events and leave some out after a disturbance."""


class Broker(Protocol):
    """JetStream: what is about to run, and what watchers see meanwhile."""

    async def ensure(self, *, pools: Sequence[str]) -> None:
        """Makes the streams and the runners' consumers exist.

        Raises:
            UnavailableError: The broker does not answer.
        """

    async def publish_job(self, job: Publication) -> int:
        """Publishes a job message, and says where it lies.

        Raises:
            UnavailableError: The broker does not answer, or its stream is gone.
        """

    async def has_job(self, job: Publication) -> bool:
        """Whether a published job message is still there.

        Raises:
            UnavailableError: The broker does not answer.
        """

    async def publish_event(self, message: Message) -> None:
        """Publishes a message of the outbox.

        Raises:
            UnavailableError: The broker does not answer, or its stream is gone.
        """

    def events(self, check: str) -> AbstractAsyncContextManager[EventReader]:
        """Reads the events of a check from their beginning, and goes on as they come."""
