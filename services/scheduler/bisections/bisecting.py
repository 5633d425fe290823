"""Bisections: begun when somebody asks, carried on by every scheduler process until they end.

What is to be tried next follows from what is stored, and each probe's check has a request id that
follows from its place: a process that is killed in between loses nothing and tries nothing twice.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Sequence

from services.errors import (
    Error,
    NotCheckableError,
    NotFoundError,
    PreconditionError,
    ResourceExhaustedError,
    SourceError,
    UnavailableError,
)
from services.scheduler.domain.bisection import (
    CROSSED,
    Axis,
    Bisection,
    Point,
    Probe,
    State,
    axis_of,
    next_probe,
    suspects,
)
from services.scheduler.domain.check import Check, Verdict
from services.scheduler.domain.check import State as CheckState
from services.scheduler.domain.listing import CheckFilter, after_token, page_size, page_token
from services.scheduler.domain.names import new_id
from services.scheduler.domain.ordering import Priority
from services.scheduler.ports.bisections import Checking, Past
from services.scheduler.ports.store import Clock, Store
from services.scheduler.queue.bells import Bell

log = logging.getLogger(__name__)

_SAYS_NOTHING = (Verdict.CANCELLED, Verdict.INFRASTRUCTURE_ERROR, Verdict.TIMED_OUT)
_LOOK_SECONDS = 1.0
_PAGE = 200
_DEEPEST = 5_000
"""Checks of one entity that are looked through for its last success."""


class Bisecting:
    """Use cases of `BisectionService`, and the loop that carries bisections on."""

    def __init__(
        self, *, store: Store, past: Past, checking: Checking, changes: Bell, clock: Clock
    ) -> None:
        self._store = store
        self._past = past
        self._checking = checking
        self._changes = changes
        self._begun = Bell()
        self._clock = clock

    # Asked for

    async def create(
        self, *, entity: str, good: str = "", bad: str = "", request_id: str = ""
    ) -> Bisection:
        """Begins a bisection.

        Args:
            entity: Key.
            good: Commit at which it was good; empty means that of its last success.
            bad: Commit at which it is bad; empty means that of its newest check.
            request_id: Repeating it gives the first one's bisection.

        Raises:
            PreconditionError: It is not known to have been good and to be bad now.
        """
        if request_id and (known := await self._store.bisections.requested(request_id)) is not None:
            return known
        newest, success = await self._ends(entity)
        if newest.result is not None and newest.result.verdict is Verdict.SUCCESS and not bad:
            raise PreconditionError(f"the newest result of entities/{entity} is a success")
        if success is None and not good:
            raise PreconditionError(
                f"entities/{entity} was never a success here: name a commit at which it was good"
            )
        wanted = Bisection(
            id=new_id(),
            entity=entity,
            good=_point(good, success or newest),
            bad=_point(bad, newest),
            create_time=self._clock(),
        )
        found = await self._store.bisections.create(wanted, request_id=request_id)
        self._begun.ring()
        return found

    async def get(self, bisection_id: str) -> Bisection:
        """Gets a bisection by its id."""
        return await self._store.bisections.get(bisection_id)

    async def list_page(self, *, size: int, token: str) -> tuple[list[Bisection], str]:
        """A page of bisections, newest first, and the token of the next one."""
        limit = page_size(size)
        before = after_token(token, query="bisections")
        found = await self._store.bisections.list_page(limit=limit + 1, before=before)
        page = found[:limit]
        more = len(found) > limit
        return page, page_token(page[-1].id, query="bisections") if more else ""

    async def _ends(self, entity: str) -> tuple[Check, Check | None]:
        """The newest check that says something, and the newest success before it."""
        newest: Check | None = None
        before = ""
        condition = CheckFilter(entity=entity, state=CheckState.FINISHED)
        for _ in range(_DEEPEST // _PAGE):
            page = await self._store.checks.list_page(condition, limit=_PAGE, before=before)
            for check in page:
                verdict = check.result.verdict if check.result else None
                if verdict is None or verdict in _SAYS_NOTHING or "@" in check.environment:
                    continue
                newest = newest or check
                if verdict is Verdict.SUCCESS and check.commit:
                    return newest, check
            if len(page) < _PAGE:
                break
            before = page[-1].id
        if newest is None:
            raise PreconditionError(f"entities/{entity} was never checked here")
        return newest, None

    # Carried on

    async def run(self) -> None:
        """Carries all bisections on, for ever."""
        while True:
            begun, changes = self._begun.rings, self._changes.rings
            running: Sequence[Bisection] = ()
            try:
                running = await self._store.bisections.running()
                for bisection in running:
                    await self._carry_on(bisection)
            except UnavailableError as error:
                log.debug(f"bisections: {error.message}")
            except Exception:
                log.exception("bisections failed; they go on")
                await asyncio.sleep(_LOOK_SECONDS)
            if running:
                await self._changes.wait(since=changes, timeout=_LOOK_SECONDS)
            else:  # checks change all the time, and nobody here waits for one
                await self._begun.wait(since=begun, timeout=_LOOK_SECONDS)

    async def _carry_on(self, bisection: Bisection) -> None:
        try:
            after = await self.step(bisection)
        except UnavailableError:
            raise
        except ResourceExhaustedError as error:  # a full queue has room again some day
            log.debug(f"bisections/{bisection.id}: {error.message}")
            return
        except Error as error:
            after = self._ended(bisection, State.FAILED, error.message)
        if after != bisection:
            await self._store.bisections.update(after)
            self._changes.ring()

    async def step(self, bisection: Bisection) -> Bisection:
        """One step: hears of a check, decides on the axis, tries the next state, or ends."""
        if (pending := bisection.pending) is not None:
            return await self._heard(bisection, pending)
        if not bisection.candidates:
            axis = axis_of(bisection)
            if axis is None:
                point = dataclasses.replace(
                    bisection.bad, environment=bisection.good.environment, check=""
                )
                return await self._tried(bisection, CROSSED, point)
            return await self._on_axis(bisection, axis)
        place = next_probe(bisection.findings)
        if place is None:
            return self._found(bisection)
        return await self._tried(bisection, place, bisection.candidates[place])

    async def _heard(self, bisection: Bisection, pending: Probe) -> Bisection:
        check = await self._store.checks.get(pending.point.check)
        if check.result is None:
            return bisection
        heard = dataclasses.replace(
            pending, verdict=check.result.verdict, known=bool(check.reused_from)
        )
        probes = tuple(heard if probe is pending else probe for probe in bisection.probes)
        return dataclasses.replace(bisection, probes=probes)

    async def _tried(self, bisection: Bisection, place: int, point: Point) -> Bisection:
        try:
            revision = await self._past.index(point.commit)
            check = await self._checking.create_check(
                entity=bisection.entity,
                revision=revision,
                environment=point.environment,
                request_id=f"bisect-{bisection.id}-{place}",
                requester=f"bisections/{bisection.id}",
                priority=Priority.BACKGROUND,
            )
        except (NotFoundError, NotCheckableError, SourceError) as error:
            probe = Probe(place=place, point=point, failed=error.message)
        else:
            probe = Probe(place=place, point=dataclasses.replace(point, check=check.id))
        return dataclasses.replace(bisection, probes=(*bisection.probes, probe))

    async def _on_axis(self, bisection: Bisection, axis: Axis) -> Bisection:
        good, bad = bisection.good, bisection.bad
        if axis is Axis.ENVIRONMENT:
            name = bad.environment.partition("@")[0]
            images = await self._store.environments.images(name)
            order = [f"{name}@{image.digest.removeprefix('sha256:')}" for image in images]
            between = _between(order, good.environment, bad.environment)
            middle = [
                dataclasses.replace(bad, environment=environment, check="")
                for environment in between
            ]
        else:
            # Beside the good image, what it is bad in is the same: see `axis_of`.
            image = good.environment if bisection.crossed is not None else bad.environment
            bad = dataclasses.replace(bad, environment=image)
            paths = await self._paths(bisection)
            commits = await self._past.commits(since=good.commit, until=bad.commit, paths=paths)
            if not commits:
                return self._ended(
                    bisection,
                    State.FINISHED,
                    "no commit between changes anything that the check sees: "
                    "the entity is not deterministic, or depends on the machine",
                )
            # The last of them leaves the closure as it is at the bad end.
            subjects = {commit.id: commit.subject for commit in commits}
            last = commits[-1]
            middle = [
                Point(commit=commit.id, subject=commit.subject, environment=image)
                for commit in commits[:-1]
            ]
            bad = Point(
                commit=last.id,
                subject=subjects[last.id],
                environment=image,
                check=bad.check if last.id == bad.commit else "",
            )
        return dataclasses.replace(bisection, axis=axis, candidates=(good, *middle, bad))

    async def _paths(self, bisection: Bisection) -> list[str]:
        """Folders of the closure at either end: what was moved is in both places."""
        found: list[str] = []
        for point in (bisection.good, bisection.bad):
            revision = await self._past.index(point.commit)
            try:
                found += await self._past.closure_paths(entity=bisection.entity, revision=revision)
            except (NotFoundError, NotCheckableError):
                continue
        return sorted(set(found))

    def _found(self, bisection: Bisection) -> Bisection:
        places = suspects(bisection.findings)
        culprits = tuple(bisection.candidates[place] for place in places)
        last = culprits[-1]
        what = (
            f"commit {last.commit[:10]}{f' ({last.subject})' if last.subject else ''}"
            if bisection.axis is Axis.COMMIT
            else f"the image {last.environment[:60]}"
        )
        if len(culprits) > 1:
            what = f"one of {len(culprits)} that could not be told apart, the last of them {what}"
        after = self._ended(
            bisection, State.FINISHED, f"entities/{bisection.entity} broke with {what}"
        )
        return dataclasses.replace(after, culprits=culprits)

    def _ended(self, bisection: Bisection, state: State, message: str) -> Bisection:
        return dataclasses.replace(
            bisection, state=state, message=message, finish_time=self._clock()
        )


def _point(commit: str, check: Check) -> Point:
    image = check.result.image if check.result else ""
    if not (commit or check.commit):
        raise PreconditionError(
            f"checks/{check.id} is of a working tree that no commit holds: commit, and check again"
        )
    if not image:
        raise PreconditionError(
            f"checks/{check.id} does not say in which image it ran, or nothing ran"
        )
    own = not commit or check.commit.startswith(commit)
    return Point(
        commit=commit or check.commit,
        environment=f"{check.environment.partition('@')[0]}@{image.removeprefix('sha256:')}",
        check=check.id if own else "",
    )


def _between(order: Sequence[str], first: str, last: str) -> list[str]:
    """What lies between two in an order; nothing where they are not in it, or the other way."""
    if first not in order or last not in order:
        return []
    return list(order[order.index(first) + 1 : order.index(last)])
