"""What users ask of the scheduler: create, look up, cancel checks and runs."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from services.errors import InvalidArgumentError, NotCheckableError
from services.scheduler.bells import Bells
from services.scheduler.domain import machine
from services.scheduler.domain.check import (
    Check,
    EntityVerdict,
    Limits,
    Run,
    Runner,
    RunSummary,
    Verdict,
)
from services.scheduler.domain.inputs import inputs_digest, seed
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
from services.scheduler.ports import Catalog, Clock, Inputs, Store

_CLOSURES_AT_ONCE = 16
"""Requests that creating a run has open at the catalog."""
_RUNTIME_KEPT = timedelta(seconds=5)
_LONGEST_REQUEST_ID = 64


class Scheduler:
    """Use cases of `SchedulerService`."""

    def __init__(
        self,
        *,
        store: Store,
        catalog: Catalog,
        bells: Bells,
        clock: Clock,
        limits: Limits,
        pool: str,
        runner_memory: timedelta,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._bells = bells
        self._clock = clock
        self._limits = limits
        self._pool = pool
        self._runner_memory = runner_memory
        self._runtime: tuple[datetime, str] | None = None

    async def create_check(
        self, *, entity: str, revision: str = "", environment: str = "", request_id: str = ""
    ) -> Check:
        """Creates a check of an entity (key), or gives the equal active one.

        Raises:
            NotFoundError: Unknown entity or revision.
            NotCheckableError: It cannot be checked; the message says why.
        """
        _require_short(request_id)
        inputs = await self._catalog.inputs(entity=entity, revision=revision)
        wanted = await self._check(inputs, environment=environment)
        check, created = await self._store.checks.create(wanted, request_id=request_id)
        if created:
            self._bells.queue.ring()
            self._bells.check_changed(check.id, announced=True)
        return check

    async def create_run(
        self,
        *,
        title: str = "",
        revision: str = "",
        entities: Sequence[str] = (),
        environment: str = "",
        request_id: str = "",
    ) -> RunSummary:
        """Creates a run with one check for each entity (key), or for each checkable one.

        An entity whose closure does not exist, as its metadata refer to something that is not
        there, gets a check that is finished from the beginning: a script error, with the
        diagnostic as message. So the others run, and the run shows what is broken.

        Raises:
            NotFoundError: Unknown entity or revision.
            InvalidArgumentError: Nothing is selected.
        """
        _require_short(request_id)
        tree, commit = await self._catalog.revision(revision)
        keys = list(dict.fromkeys(entities)) or await self._catalog.checkable(revision=tree)
        if not keys:
            raise InvalidArgumentError("the data repository holds nothing that can be checked")
        run = Run(id=new_id(), title=title, revision=tree, commit=commit, create_time=self._clock())
        gate = asyncio.Semaphore(_CLOSURES_AT_ONCE)

        async def planned(key: str) -> Check:
            async with gate:
                return await self._planned(key, run=run, environment=environment)

        checks = await asyncio.gather(*map(planned, keys))
        summary, created = await self._store.runs.create(run, checks, request_id=request_id)
        if created:
            self._bells.queue.ring()
            self._bells.outbox.ring()
            self._bells.changes.ring()
        return summary

    async def _planned(self, key: str, *, run: Run, environment: str) -> Check:
        try:
            inputs = await self._catalog.inputs(entity=key, revision=run.revision)
        except NotCheckableError as error:
            broken = Inputs(
                entity=key,
                revision=run.revision,
                commit=run.commit,
                environment=environment,
                digest=f"broken: {error.message}",
            )
            check = await self._check(broken, environment=environment, run=run.id)
            return machine.broken(check, message=error.message, now=check.create_time)
        return await self._check(inputs, environment=environment, run=run.id)

    async def _check(self, inputs: Inputs, *, environment: str, run: str = "") -> Check:
        chosen = environment or inputs.environment
        return Check(
            id=new_id(),
            entity=inputs.entity,
            revision=inputs.revision,
            commit=inputs.commit,
            environment=chosen,
            run=run,
            pool=self._pool,
            inputs_digest=inputs_digest(
                entity=inputs.entity,
                closure=inputs.digest,
                environment=chosen,
                runtime=await self._runtime_version(),
                limits=self._limits,
            ),
            seed=seed(entity=inputs.entity, closure=inputs.digest, environment=chosen),
            limits=self._limits,
            create_time=self._clock(),
        )

    async def _runtime_version(self) -> str:
        now = self._clock()
        kept = self._runtime
        if kept is None or now - kept[0] > _RUNTIME_KEPT:
            runners = [
                runner
                for runner in await self._store.runners.list_all(since=now - timedelta(days=365))
                if runner.pool == self._pool
            ]
            newest = max(runners, key=lambda runner: runner.heartbeat_time, default=None)
            kept = self._runtime = now, newest.runtime_version if newest else ""
        return kept[1]

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

    async def get_run(self, run: str) -> RunSummary:
        """Gets a run by its id."""
        return await self._store.runs.get(run)

    async def list_runs(self, *, size: int, token: str) -> tuple[list[RunSummary], str]:
        """Lists a page of runs, newest first, and the token of the next one."""
        limit = page_size(size)
        found = await self._store.runs.list_page(
            limit=limit + 1, before=after_token(token, query="runs")
        )
        page = found[:limit]
        more = len(found) > limit
        return page, page_token(page[-1].run.id, query="runs") if more else ""

    async def list_runners(
        self, *, size: int, token: str
    ) -> tuple[list[tuple[Runner, list[str]]], str]:
        """Lists a page of the runners heard of lately, with the checks they hold."""
        limit = page_size(size)
        after = after_token(token, query="runners")
        since = self._clock() - self._runner_memory
        runners = [
            runner
            for runner in await self._store.runners.list_all(since=since)
            if runner.id > after
        ]
        held: dict[str, list[str]] = {}
        for runner, check in await self._store.runners.held():
            held.setdefault(runner, []).append(check)
        page = runners[:limit]
        more = len(runners) > limit
        return (
            [(runner, held.get(runner.id, [])) for runner in page],
            page_token(page[-1].id, query="runners") if more else "",
        )


_LARGEST_PAGE_BYTES = 8 * 1024 * 1024


def _fitting(checks: list[Check]) -> list[Check]:
    """Cuts a page so that its results fit into one message; at least one check remains."""
    total = 0
    for place, check in enumerate(checks):
        total += len(check.result.payload) if check.result else 0
        if total > _LARGEST_PAGE_BYTES and place:
            return checks[:place]
    return checks


def _require_short(request_id: str) -> None:
    if len(request_id) > _LONGEST_REQUEST_ID:
        raise InvalidArgumentError(
            f"request_id has more than {_LONGEST_REQUEST_ID} characters", field="request_id"
        )
