"""What the checks of the made-up scheduler say together: causes, histories, comparisons."""

import hashlib
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ackrep.scheduler.v1 import (
    check_pb2,
    comparison_pb2,
    comparison_pb2_grpc,
    history_pb2,
    history_pb2_grpc,
)
from services.errors import NotFoundError
from tests.unit.gateway.fake_repository import ENVIRONMENT, S, V, stamp
from tests.unit.gateway.fake_scheduler import FakeScheduler
from tests.unit.gateway.paging import begin_of

_FAILURES = {V.VERDICT_INACCURATE, V.VERDICT_SCRIPT_ERROR, V.VERDICT_TIMED_OUT}
COMMITS = ("4be1c0de" * 5, "0badc0de" * 5)
"""Commits of the recorded runs: of the first two, and of the third."""
CAUSE = "ValueError: <no> 'gain' & no 'sense'"
"""The cause of most failures that are recorded."""


def fingerprint(text: str) -> str:
    """The same for the same text."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class FakeHistory(
    history_pb2_grpc.HistoryServiceServicer, comparison_pb2_grpc.ComparisonServiceServicer
):
    """Looks at the checks of a scheduler; a cause is what the message says."""

    def __init__(self, scheduler: FakeScheduler) -> None:
        self._scheduler = scheduler
        self.exported = b"A1AAA: {result: 0}\n"
        self.numbers = comparison_pb2.NumberChange(
            name="final_state_errors", absolute=0.5, relative=0.25, base=2.0, other=1.5
        )

    def record(
        self, key: str, verdicts: Sequence[int], *, days: float = 30.0, imported: bool = True
    ) -> list[check_pb2.Run]:
        """Adds a run for each of these verdicts of an entity, oldest first, of single checks."""
        made = []
        for number, verdict in enumerate(verdicts):
            age = (len(verdicts) - number) * days * 86_400 / len(verdicts)
            name = f"runs/0190{len(self._scheduler.runs) + 1:028x}"
            check = self._scheduler.add(key, verdict, age=age, took=1.0 + number).check
            check.run, check.commit = name, COMMITS[number > 1]
            if check.result.quantities:
                error = 1e-7 * 3.0**number if verdict == V.VERDICT_SUCCESS else 0.3
                check.result.quantities[0].values[:] = [-error, error / 2, 0.0]
            if imported:
                check.result.provenance.environment_digest = f"demo:0.1.{2 + (number > 1)}"
            if verdict == V.VERDICT_SCRIPT_ERROR:
                check.result.message = CAUSE
                check.result.traceback = f"Traceback (most recent call last):\n{CAUSE}"
            run = check_pb2.Run(
                name=name,
                title=f"night {number}",
                revision=check.revision,
                commit=check.commit,
                create_time=check.create_time,
                finish_time=check.finish_time,
                check_count=1,
                finished_count=1,
                verdicts=[check_pb2.VerdictCount(verdict=verdict, count=1)],  # type: ignore[arg-type]
            )
            self._scheduler.runs[name] = run
            made.append(run)
        return made

    def _checks(self, *, run: str = "", entity: str = "") -> list[check_pb2.Check]:
        """Finished checks, newest first."""
        found = [story.check for story in self._scheduler.stories.values()]
        found = [one for one in found if one.state == S.STATE_FINISHED]
        found = [one for one in found if not run or one.run == run]
        found = [one for one in found if not entity or one.entity == entity]
        return sorted(found, key=lambda one: -one.finish_time.ToNanoseconds())

    async def ListFailureGroups(
        self, request: Any, context: Any
    ) -> history_pb2.ListFailureGroupsResponse:
        if request.run and request.run not in self._scheduler.runs:
            raise NotFoundError(f"there is no {request.run}")
        found = self._checks(run=request.run)
        if not request.run:
            newest: dict[str, check_pb2.Check] = {}
            for check in found:
                newest.setdefault(check.entity, check)
            found = list(newest.values())
        failed = [check for check in found if check.verdict in _FAILURES]
        counts = Counter(_title(check) for check in failed)
        groups = [
            self._group([one for one in failed if _title(one) == title])
            for title, _ in counts.most_common()
        ]
        return history_pb2.ListFailureGroupsResponse(groups=groups, failure_count=len(failed))

    def _group(self, members: list[check_pb2.Check]) -> history_pb2.FailureGroup:
        title = _title(members[0])
        ever = [one for one in self._checks() if _title(one) == title]
        return history_pb2.FailureGroup(
            name=f"failureGroups/{fingerprint(title)}",
            fingerprint=fingerprint(title),
            title=title,
            verdict=members[0].verdict,
            count=len(members),
            entities=sorted({one.entity for one in members}),
            example=members[0].name,
            excerpt=members[0].result.traceback,
            first_seen=_sighting(ever[-1]),
        )

    async def GetFailureGroup(self, request: Any, context: Any) -> history_pb2.FailureGroup:
        wanted = request.name.removeprefix("failureGroups/")
        members = [
            one
            for one in self._checks()
            if one.verdict in _FAILURES and fingerprint(_title(one)) == wanted
        ]
        if not members:
            raise NotFoundError(f"nothing ever failed by {request.name}")
        group = self._group(members)
        group.last_seen.CopyFrom(_sighting(members[0]))
        for run, count in Counter(one.run for one in members if one.run).items():
            group.runs.add(run=run, count=count)
        return group

    async def GetEntityHistory(self, request: Any, context: Any) -> history_pb2.EntityHistory:
        found = self._checks(entity=request.name)
        if not found:
            raise NotFoundError(f"no check of {request.name} ever finished")
        story = history_pb2.EntityHistory(
            entity=request.name, newest=_sighting(found[0]), check_count=len(found)
        )
        passed = next((one for one in found if one.verdict == V.VERDICT_SUCCESS), None)
        if passed:
            story.passed_last.CopyFrom(_sighting(passed))
        if found[0] is not passed:
            story.title = _title(found[0])
            since = found[: found.index(passed)] if passed else found
            story.failing_since.CopyFrom(_sighting(since[-1]))
        return story

    async def ListEntityHistory(
        self, request: Any, context: Any
    ) -> history_pb2.ListEntityHistoryResponse:
        found = self._checks(entity=request.entity)
        begin = begin_of(request)
        end = begin + (request.page_size or 50)
        points = []
        for check in found[begin:end]:
            point = history_pb2.HistoryPoint(
                sighting=_sighting(check),
                environment=ENVIRONMENT,
                seconds=check.result.usage.wall_seconds,
            )
            errors = [one for one in check.result.quantities if one.name == "final_state_errors"]
            if errors:
                point.error = max(map(abs, errors[0].values))
            if check.verdict in _FAILURES:
                point.title, point.fingerprint = _title(check), fingerprint(_title(check))
            points.append(point)
        return history_pb2.ListEntityHistoryResponse(
            points=points, next_page_token=str(end) if end < len(found) else ""
        )

    async def GetVerdictMatrix(self, request: Any, context: Any) -> history_pb2.VerdictMatrix:
        names = list(request.runs) or list(self._scheduler.runs)
        if missing := [name for name in names if name not in self._scheduler.runs]:
            raise NotFoundError(f"there is no {missing[0]}")
        matrix = history_pb2.VerdictMatrix()
        rows: dict[str, history_pb2.MatrixRow] = {}
        causes: dict[str, int] = {}
        for column, name in enumerate(names):
            checks = [s.check for s in self._scheduler.stories.values() if s.check.run == name]
            images = {one.result.provenance.environment_digest for one in checks}
            matrix.columns.add(run=self._scheduler.runs[name], environments=sorted(images - {""}))
            for check in checks:
                if request.entities and check.entity not in request.entities:
                    continue
                cause = 0
                if check.verdict in _FAILURES:
                    cause = causes.setdefault(_title(check), len(causes) + 1)
                row = rows.setdefault(check.entity, history_pb2.MatrixRow(entity=check.entity))
                row.cells.add(column=column, verdict=check.verdict, check=check.name, cause=cause)
        for title in causes:
            matrix.causes.add(fingerprint=fingerprint(title), title=title)
        left = [row for entity, row in sorted(rows.items()) if entity > request.page_token]
        matrix.rows.extend(left[: request.page_size or 500])
        if len(left) > len(matrix.rows):
            matrix.next_page_token = matrix.rows[-1].entity
        return matrix

    async def ExportRun(self, request: Any, context: Any) -> history_pb2.ExportRunResponse:
        return history_pb2.ExportRunResponse(
            file_name='ci_results__2022_07_19__11_58_40.yaml"; x="', content=self.exported
        )

    async def FindRuns(self, request: Any, context: Any) -> history_pb2.FindRunsResponse:
        return history_pb2.FindRunsResponse(runs=reversed(self._scheduler.runs.values()))

    async def ImportRun(self, request: Any, context: Any) -> history_pb2.ImportRunResponse:
        return history_pb2.ImportRunResponse(created=True)

    async def CompareRuns(self, request: Any, context: Any) -> comparison_pb2.RunComparison:
        kinds = comparison_pb2.ChangeKind
        found = comparison_pb2.RunComparison(base=request.base, other=request.other)
        base = request.other if request.base == "runs/-" else request.base
        earlier = {check.entity: check for check in self._checks(run=base)}
        for check in self._checks(run=request.other):
            old = earlier[check.entity]
            right = [one.verdict == V.VERDICT_SUCCESS for one in (old, check)]
            kind = kinds.CHANGE_KIND_NUMBERS if all(right) else kinds.CHANGE_KIND_UNCHANGED
            kind = kinds.CHANGE_KIND_BROKEN if right[0] > right[1] else kind
            found.changes.add(
                entity=check.entity,
                kind=kinds.CHANGE_KIND_REPAIRED if right[0] < right[1] else kind,
                base_verdict=old.verdict,
                other_verdict=check.verdict,
                base_check=old.name,
                other_check=check.name,
                base_seconds=old.result.usage.wall_seconds,
                other_seconds=check.result.usage.wall_seconds,
                slower=check.result.usage.wall_seconds > old.result.usage.wall_seconds,
                numbers=[self.numbers] if all(right) else [],
                message=check.result.message,
            )
        return found


def _title(check: check_pb2.Check) -> str:
    return check.result.message or "Entity calculation reached timeout"


def _sighting(check: check_pb2.Check) -> history_pb2.Sighting:
    return history_pb2.Sighting(
        check=check.name,
        entity=check.entity,
        time=check.finish_time if check.finish_time.seconds else stamp(time.time()),
        run=check.run,
        commit=check.commit,
        revision=check.revision,
        environment_digest=check.result.provenance.environment_digest,
        verdict=check.verdict,
    )
