"""What users ask of the scheduler: create, look up, cancel checks and runs."""

from collections.abc import Sequence
from functools import partial

from services.errors import InvalidArgumentError
from services.scheduler.checks.creating import Creating
from services.scheduler.checks.placing import Placing
from services.scheduler.checks.selecting import Selecting
from services.scheduler.domain import machine
from services.scheduler.domain.check import (
    Check,
    EntityVerdict,
    Run,
    RunSummary,
    Verdict,
)
from services.scheduler.domain.listing import (
    DEFAULT_VERDICTS,
    LARGEST_VERDICTS,
    MOST_ENTITIES,
    after_token,
    page_size,
    page_token,
    parse_filter,
)
from services.scheduler.domain.names import new_id
from services.scheduler.domain.ordering import Priority
from services.scheduler.domain.selection import Selection
from services.scheduler.ports.inputs import Catalog
from services.scheduler.ports.store import Clock, Store
from services.scheduler.queue.bells import Bells

_LONGEST_REQUEST_ID = 64
_LONGEST_REQUESTER = 128


class Scheduler:
    """Use cases of `SchedulerService`."""

    def __init__(
        self,
        *,
        store: Store,
        creating: Creating,
        selecting: Selecting,
        placing: Placing,
        catalog: Catalog,
        bells: Bells,
        clock: Clock,
    ) -> None:
        self._store = store
        self._creating = creating
        self._selecting = selecting
        self._placing = placing
        self._catalog = catalog
        self._bells = bells
        self._clock = clock

    async def create_check(
        self,
        *,
        entity: str,
        revision: str = "",
        environment: str = "",
        request_id: str = "",
        force: bool = False,
        requester: str = "",
        priority: Priority | None = None,
    ) -> Check:
        """Creates a check of an entity (key), or gives the equal active one.

        Where an equal result exists it is finished with that from the beginning, unless forced.
        A repeated request gives the first one's check, whatever has changed since.

        Raises:
            NotFoundError: Unknown entity or revision.
            NotCheckableError: It cannot be checked; the message says why.
            ResourceExhaustedError: Too many checks wait.
        """
        _require_short(request_id, requester)
        if request_id and (known := await self._store.checks.requested(request_id)) is not None:
            return known
        wanted = await self._creating.check(
            entity=entity, revision=revision, environment=environment, force=force
        )
        [wanted] = await self._store.checks.with_results([wanted])
        if not wanted.finished:  # what need not run needs no place either
            wanted = await self._placing.single(wanted, requester=requester, priority=priority)
        check, created = await self._store.checks.create(wanted, request_id=request_id)
        if created:
            if not check.finished:
                self._bells.queue.ring()
            self._bells.check_changed(check.id, announced=not check.reused_from)
        return check

    async def create_run(
        self,
        *,
        title: str = "",
        revision: str = "",
        entities: Sequence[str] = (),
        selection: Selection | None = None,
        environment: str = "",
        request_id: str = "",
        force: bool = False,
        requester: str = "",
        priority: Priority | None = None,
    ) -> RunSummary:
        """Creates a run with one check for each selected entity.

        An entity whose closure does not exist, as its metadata refer to something that is not
        there, gets a check that is finished from the beginning: a script error, with the
        diagnostic as message. So the others run, and the run shows what is broken. Where an equal
        result exists the check is finished with that, unless forced. A repeated request gives the
        first one's run, whatever has changed since.

        Raises:
            NotFoundError: Unknown entity or revision.
            InvalidArgumentError: Nothing is selected.
            ResourceExhaustedError: Too many checks wait.
        """
        _require_short(request_id, requester)
        if request_id and (known := await self._store.runs.requested(request_id)) is not None:
            return known
        tree, commit = await self._catalog.revision(revision)
        wanted = selection or Selection(entities=tuple(entities))
        keys = await self._selecting.keys(wanted, revision=tree)
        run = Run(id=new_id(), title=title, revision=tree, commit=commit, create_time=self._clock())
        checks = await self._store.checks.with_results(
            await self._creating.of_run(run, keys, environment=environment, force=force)
        )
        coming = [check for check in checks if not check.finished]
        if coming:
            coming = await self._placing.of_run(coming, requester=requester, priority=priority)
        checks = [*coming, *(check for check in checks if check.finished)]
        summary, created = await self._store.runs.create(run, checks, request_id=request_id)
        if created:
            self._bells.queue.ring()
            self._bells.outbox.ring()
            self._bells.changes.ring()
        return summary

    async def get_check(self, check: str) -> Check:
        """Gets a check by its id."""
        return await self._store.checks.get(check)

    async def list_checks(
        self, *, filter_text: str, size: int, token: str
    ) -> tuple[list[Check], str]:
        """Lists a page of checks, newest first, and the token of the next one."""
        condition = parse_filter(filter_text)
        limit = page_size(size)
        query = f"checks {condition}"
        found = await self._store.checks.list_page(
            condition, limit=limit + 1, before=after_token(token, query=query)
        )
        page = _fitting(found[:limit])
        more = len(found) > len(page)
        return page, page_token(page[-1].id, query=query) if more else ""

    async def list_verdicts(
        self, *, verdict: Verdict | None, entities: Sequence[str], size: int, token: str
    ) -> tuple[list[EntityVerdict], str]:
        """Lists a page of how entities (keys; all where empty) are, and the next one's token.

        Raises:
            InvalidArgumentError: Too many entities, or a bad page size or token.
        """
        if len(entities) > MOST_ENTITIES:
            raise InvalidArgumentError(
                f"{len(entities)} entities are named, at most {MOST_ENTITIES} can be",
                field="entities",
            )
        limit = page_size(size, default=DEFAULT_VERDICTS, largest=LARGEST_VERDICTS)
        query = f"verdicts {verdict} {sorted(entities)}"
        found = await self._store.verdicts.list_page(
            limit=limit + 1,
            after=after_token(token, query=query),
            verdict=verdict,
            entities=frozenset(entities) or None,
        )
        page = found[:limit]
        more = len(found) > limit
        return page, page_token(page[-1].entity, query=query) if more else ""

    async def cancel_check(self, check: str) -> Check:
        """Stops a check: at once where it is queued, else with its runner's next heartbeat."""
        change = await self._store.checks.update(check, partial(machine.cancel, now=self._clock()))
        if change.after is not change.before:
            self._bells.check_changed(check, announced=change.after.finished)
            self._bells.queue.ring()
        return change.after

    async def cancel_run(self, run: str) -> RunSummary:
        """Stops the unfinished checks of a run that nobody else waits for.

        Those stay that are in another run too, or that somebody asked for by themselves.
        """
        await self._store.runs.get(run)
        for check in await self._store.runs.own(run):
            await self.cancel_check(check)
        return await self._store.runs.get(run)

    async def get_run(self, run: str) -> RunSummary:
        """Gets a run by its id."""
        return await self._store.runs.get(run)

    async def list_runs(
        self, *, size: int, token: str, revision: str = ""
    ) -> tuple[list[RunSummary], str]:
        """Lists a page of runs, newest first, and the token of the next one.

        Only those of a revision (tree id), if one is given.
        """
        limit = page_size(size)
        query = f"runs {revision}".strip()
        found = await self._store.runs.list_page(
            limit=limit + 1, before=after_token(token, query=query), revision=revision
        )
        page = found[:limit]
        more = len(found) > limit
        return page, page_token(page[-1].run.id, query=query) if more else ""


_LARGEST_PAGE_BYTES = 8 * 1024 * 1024


def _fitting(checks: list[Check]) -> list[Check]:
    """Cuts a page so that its results fit into one message; at least one check remains."""
    total = 0
    for place, check in enumerate(checks):
        total += len(check.result.payload) if check.result else 0
        if total > _LARGEST_PAGE_BYTES and place:
            return checks[:place]
    return checks


def _require_short(request_id: str, requester: str) -> None:
    for text, field, longest in (
        (request_id, "request_id", _LONGEST_REQUEST_ID),
        (requester, "requester", _LONGEST_REQUESTER),
    ):
        if len(text) > longest:
            raise InvalidArgumentError(f"{field} has more than {longest} characters", field=field)
