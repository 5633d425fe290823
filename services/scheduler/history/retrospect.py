"""Use cases of `HistoryService`: looking back, and exchange of runs."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.errors import InvalidArgumentError, NotFoundError, PreconditionError
from services.scheduler.domain.check import Check, RunSummary
from services.scheduler.domain.history import Cause, EntityHistory, FailureGroup, Sighting, grouped
from services.scheduler.domain.imports import read_file
from services.scheduler.domain.listing import (
    LARGEST_PAGE,
    MOST_ENTITIES,
    after_token,
    page_size,
    page_token,
)
from services.scheduler.domain.matrix import (
    DEFAULT_ROWS,
    DEFAULT_RUNS,
    MOST_ROWS,
    MOST_RUNS,
    Row,
    rows,
    rows_that_fit,
)
from services.scheduler.history import exchange
from services.scheduler.ports.history import History, ImportedRun
from services.scheduler.ports.store import Artefacts, Store

_BATCH = 200
"""Outcomes that one transaction makes anew."""
_ALL = 1_000_000
_RUNS_OF_CAUSE = 200
_TIMES = {
    "%Y-%m-%dT%H:%M:%S": timedelta(seconds=1),
    "%Y-%m-%dT%H:%M": timedelta(minutes=1),
    "%Y-%m-%dT%H": timedelta(hours=1),
    "%Y-%m-%d": timedelta(days=1),
}
"""How times may be written, and how much time that names."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A run in the matrix."""

    summary: RunSummary
    environments: Sequence[tuple[str, str]]
    """Names and digests."""
    source: ImportedRun | None


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """A page of runs beside each other."""

    columns: Sequence[Column]
    rows: Sequence[Row]
    next_token: str
    causes: Mapping[str, tuple[str, str]]
    """Fingerprint and title of each failed check (id) of the runs."""


class Retrospect:
    """Looks back at results; imports and exports runs."""

    def __init__(self, *, store: Store, history: History, artefacts: Artefacts) -> None:
        self._store = store
        self._history = history
        self._artefacts = artefacts

    async def catch_up(self) -> int:
        """Makes outcomes that an older version did not keep, and says how many."""
        total = 0
        while made := await self._history.catch_up(limit=_BATCH):
            total += made
        return total

    async def groups(self, run: str) -> list[FailureGroup]:
        """Groups the failures of a run (id), or of the present state where empty.

        Raises:
            NotFoundError: There is no such run.
        """
        if run:
            await self._store.runs.get(run)
        failures = await self._history.failures(run)
        causes = sorted({failure.outcome.fingerprint for failure in failures})
        return grouped(failures, await self._history.first_seen(causes))

    async def cause(self, fingerprint: str) -> tuple[Cause, Check]:
        """Says which checks ever failed by a cause, and gives the newest in full.

        Raises:
            NotFoundError: Nothing ever failed so.
        """
        found = await self._history.cause(fingerprint, runs=_RUNS_OF_CAUSE)
        if found is None:
            raise NotFoundError(
                f"nothing ever failed by failureGroups/{fingerprint}",
                name=f"failureGroups/{fingerprint}",
            )
        return found, await self._store.checks.get(found.last_seen.check)

    async def examples(self, groups: Sequence[FailureGroup]) -> list[Check]:
        """Gets the example of each group, in full."""
        return list(
            await asyncio.gather(*(self._store.checks.get(one.example.check) for one in groups))
        )

    async def entity(self, entity: str) -> EntityHistory:
        """Says how an entity (key) fared.

        Raises:
            NotFoundError: No check of it ever finished.
        """
        found = await self._history.entity(entity)
        if not found.check_count:
            raise NotFoundError(
                f"no check of entities/{entity} ever finished", name=f"entities/{entity}"
            )
        return found

    async def sightings(self, entity: str, *, size: int, token: str) -> tuple[list[Sighting], str]:
        """Lists a page of the finished checks of an entity, newest first, and the next token."""
        limit = page_size(size)
        query = f"history {entity}"
        found = await self._history.sightings(
            entity, limit=limit + 1, before=after_token(token, query=query)
        )
        page = found[:limit]
        more = len(found) > limit
        return page, page_token(page[-1].check, query=query) if more else ""

    async def matrix(
        self, *, runs: Sequence[str], count: int, entities: Sequence[str], size: int, token: str
    ) -> Matrix:
        """Shows runs (ids), or the newest ones, beside each other, for entities (keys).

        Raises:
            NotFoundError: There is no such run.
            InvalidArgumentError: Too many runs or entities, or a bad page size or token.
        """
        _require_at_most(runs, MOST_RUNS, field="runs")
        _require_at_most(entities, MOST_ENTITIES, field="entities")
        asked = list(dict.fromkeys(runs))
        # The token names the columns too: a run that begins meanwhile does not move them.
        query = f"matrix {asked} {count} {sorted(entities)}"
        after = after_token(token, query=query)
        newest, _, after = after.rpartition(" ")
        if asked:
            summaries = await asyncio.gather(*map(self._store.runs.get, asked))
        else:
            limit = page_size(count, default=DEFAULT_RUNS, largest=MOST_RUNS)
            before = f"{int(newest, 16) + 1:032x}" if newest else ""
            summaries = (await self._store.runs.list_page(limit=limit, before=before))[::-1]
        ids = [summary.run.id for summary in summaries]
        limit = page_size(size, default=DEFAULT_ROWS, largest=MOST_ROWS)
        limit = rows_that_fit(limit, columns=len(ids))
        keys = await self._history.keys(ids, entities=entities, after=after, limit=limit + 1)
        page, more = keys[:limit], len(keys) > limit
        cells, causes, columns = await asyncio.gather(
            self._history.cells(ids, entities=page),
            self._history.causes(ids),
            self._columns(summaries),
        )
        last = f"{max(ids, default='')} {page[-1]}" if more else ""
        return Matrix(
            columns=columns,
            rows=rows(cells, runs=ids),
            causes=causes,
            next_token=page_token(last, query=query) if more else "",
        )

    async def _columns(self, summaries: Sequence[RunSummary]) -> list[Column]:
        ids = [summary.run.id for summary in summaries]
        environments = await self._history.environments(ids)
        sources = await self._history.imported(ids)
        return [
            Column(
                summary=summary,
                environments=environments.get(summary.run.id, ()),
                source=sources.get(summary.run.id),
            )
            for summary in summaries
        ]

    async def runs_at(self, time: str) -> list[RunSummary]:
        """Finds runs by the time (or its beginning, in UTC) at which they were asked for.

        Raises:
            InvalidArgumentError: It cannot be read as a time.
        """
        start, end = span(time)
        found = await self._history.runs_between(start, end, limit=LARGEST_PAGE)
        return list(await asyncio.gather(*map(self._store.runs.get, found)))

    async def import_run(self, file_name: str, content: bytes) -> tuple[RunSummary, bool]:
        """Takes over a results file, and says whether it was new.

        Raises:
            InvalidArgumentError: It is not of the 2022 results format.
            PreconditionError: The run of that time was imported from other content.
        """
        file = await asyncio.to_thread(read_file, file_name, content)
        run, checks = exchange.run_of(file), exchange.checks_of(file)
        source = ImportedRun(
            run=file.run,
            file_name=file.file_name,
            content_digest=file.digest,
            core_commit=file.core_commit,
            build_url=file.build_url,
        )
        known = (await self._history.imported([file.run])).get(file.run)
        if known is None:  # logs are durable before the verdicts that name them
            for one in file.checks:
                await self._keep(exchange.log_of(one))
        created = await self._history.add(source, content, run=run, checks=checks)
        return await self._store.runs.get(run.id), created

    async def export_run(self, run: str) -> tuple[str, bytes]:
        """Writes a run as a results file: name and content.

        Raises:
            NotFoundError: There is no such run.
            PreconditionError: It is not finished.
        """
        summary = await self._store.runs.get(run)
        source = (await self._history.imported([run])).get(run)
        content = await self._history.content(run) if source else None
        if source and content is not None:
            return source.file_name, content
        if not summary.finished:
            open_checks = summary.check_count - summary.finished_count
            raise PreconditionError(f"runs/{run} is not finished: {open_checks} checks are open")
        return exchange.exported(summary, await self._store.runs.changes(run, after=-1, limit=_ALL))

    async def _keep(self, log: bytes) -> None:
        if not log:
            return

        async def chunks() -> AsyncIterator[bytes]:
            yield log

        digest = hashlib.sha256(log).hexdigest()
        await self._artefacts.put(digest, size=len(log), chunks=chunks())


def span(time: str) -> tuple[datetime, datetime]:
    """Reads a time in UTC or its beginning: from when to before when.

    Raises:
        InvalidArgumentError: It cannot be read.
    """
    text = time.strip().removesuffix("Z").replace(" ", "T")
    for pattern, length in _TIMES.items():
        with contextlib.suppress(ValueError, OverflowError):
            start = datetime.strptime(text, pattern).replace(tzinfo=UTC)
            return start, start + length
    raise InvalidArgumentError(
        f"{time!r} is no time: write it as 2022-11-04T10:49, in UTC, or the beginning of that",
        field="time",
    )


def _require_at_most(given: Sequence[str], most: int, *, field: str) -> None:
    if len(given) > most:
        raise InvalidArgumentError(
            f"{len(given)} {field} are named, at most {most} can be", field=field
        )
