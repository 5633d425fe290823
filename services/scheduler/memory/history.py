"""History in memory, over the ports of any store: for tests, and to show what it means."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from services.scheduler.domain.check import Check, Run, State, Verdict
from services.scheduler.domain.fingerprints import FAILURES
from services.scheduler.domain.history import FAILING, TELLING, Cause, EntityHistory, Sighting
from services.scheduler.domain.listing import CheckFilter
from services.scheduler.domain.matrix import Cell
from services.scheduler.history.outcomes import outcome_of
from services.scheduler.ports.history import ImportedRun, require_same
from services.scheduler.ports.store import Store

_ALL = 1_000_000


class MemoryHistory:
    """The port `History`: nothing is kept but files of imported runs."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._imported: dict[str, tuple[ImportedRun, bytes]] = {}

    async def catch_up(self, *, limit: int) -> int:
        del limit  # outcomes are made when they are asked for
        return 0

    async def failures(self, run: str) -> list[Sighting]:
        condition = CheckFilter(run=run or None)
        found = [one for one in await self._finished(condition) if one.verdict in FAILURES]
        if not run:
            newest = {one.check for one in await self._store.verdicts.list_page(limit=_ALL)}
            found = [one for one in found if one.check in newest]
        return sorted(found, key=lambda one: (one.entity, one.check))

    async def first_seen(self, fingerprints: Sequence[str]) -> dict[str, Sighting]:
        return {
            one.outcome.fingerprint: one
            for one in await self._finished(CheckFilter())  # newest first: the oldest stays
            if one.outcome.fingerprint in fingerprints
        }

    async def cause(self, fingerprint: str, *, runs: int) -> Cause | None:
        found = [
            one
            for one in await self._finished(CheckFilter())
            if one.outcome.fingerprint == fingerprint
        ]
        if not found:
            return None
        wanted = {one.check for one in found}
        summaries = await self._store.runs.list_page(limit=_ALL, before="")
        members = await self._members([summary.run.id for summary in summaries])
        counts = Counter(run for run, check in members if check.id in wanted)
        return Cause(
            first_seen=found[-1],
            last_seen=found[0],
            count=len(found),
            entities=tuple(sorted({one.entity for one in found})),
            runs=tuple(sorted(counts.items(), reverse=True)[:runs]),
        )

    async def causes(self, runs: Sequence[str]) -> dict[str, tuple[str, str]]:
        return {
            one.check: (one.outcome.fingerprint, one.outcome.title)
            for run in runs
            for one in await self.failures(run)
        }

    async def entity(self, entity: str) -> EntityHistory:
        finished = await self._finished(CheckFilter(entity=entity))
        telling = [one for one in finished if one.verdict in TELLING and "@" not in one.environment]
        newest = next(iter(telling), None)
        passed = next((one for one in telling if one.verdict is Verdict.SUCCESS), None)
        since = [
            one
            for one in telling
            if one.verdict in FAILING and (passed is None or one.check > passed.check)
        ]
        return EntityHistory(
            entity=entity,
            newest=newest,
            passed_last=passed,
            failing_since=since[-1] if since and newest and newest.verdict in FAILING else None,
            check_count=len(finished),
        )

    async def sightings(self, entity: str, *, limit: int, before: str) -> list[Sighting]:
        found = await self._finished(CheckFilter(entity=entity))
        return [one for one in found if not before or one.check < before][:limit]

    async def environments(self, runs: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
        found: dict[str, list[tuple[str, str]]] = {}
        for run in runs:
            used = {
                (one.environment, one.outcome.environment_digest)
                for one in await self._finished(CheckFilter(run=run))
            }
            if used:
                found[run] = sorted(used)
        return found

    async def keys(
        self, runs: Sequence[str], *, entities: Sequence[str], after: str, limit: int
    ) -> list[str]:
        found = {check.entity for _, check in await self._members(runs)}
        return sorted(key for key in found if key > after and (not entities or key in entities))[
            :limit
        ]

    async def cells(self, runs: Sequence[str], *, entities: Sequence[str]) -> list[Cell]:
        return [
            Cell(
                run=run,
                entity=check.entity,
                check=check.id,
                verdict=check.result.verdict if check.result else None,
            )
            for run, check in await self._members(runs)
            if check.entity in entities
        ]

    async def runs_between(self, start: datetime, end: datetime, *, limit: int) -> list[str]:
        return [
            summary.run.id
            for summary in await self._store.runs.list_page(limit=_ALL, before="")
            if start <= summary.run.create_time < end
        ][:limit]

    async def add(
        self, source: ImportedRun, content: bytes, *, run: Run, checks: Sequence[Check]
    ) -> bool:
        known = self._imported.get(run.id)
        if known is not None:
            require_same(source, known[0].content_digest)
            return False
        told = {message.number for message in await self._store.outbox.pending(limit=_ALL)}
        await self._store.runs.create(run, checks)
        new = await self._store.outbox.pending(limit=_ALL)
        await self._store.outbox.remove([m.number for m in new if m.number not in told])
        self._imported[run.id] = source, content
        return True

    async def imported(self, runs: Sequence[str]) -> dict[str, ImportedRun]:
        return {run: self._imported[run][0] for run in runs if run in self._imported}

    async def content(self, run: str) -> bytes | None:
        return self._imported[run][1] if run in self._imported else None

    async def _members(self, runs: Sequence[str]) -> list[tuple[str, Check]]:
        return [
            (run, check)
            for run in runs
            for check in await self._store.checks.list_page(
                CheckFilter(run=run), limit=_ALL, before=""
            )
        ]

    async def _finished(self, condition: CheckFilter) -> list[Sighting]:
        """Lists finished checks, newest first."""
        return [
            Sighting(
                check=check.id,
                entity=check.entity,
                verdict=check.result.verdict,
                time=check.finish_time or check.create_time,
                run=check.run,
                commit=check.commit,
                revision=check.revision,
                environment=check.environment,
                outcome=outcome,
            )
            for check in await self._store.checks.list_page(condition, limit=_ALL, before="")
            if check.state is State.FINISHED
            and check.result is not None
            and (outcome := outcome_of(check)) is not None
        ]
