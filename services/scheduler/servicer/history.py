"""`HistoryService`: messages in, use cases, messages out."""

from typing import Any

from ackrep.scheduler.v1 import check_pb2, history_pb2, history_pb2_grpc
from services.scheduler.domain.check import Check
from services.scheduler.domain.history import FailureGroup, Sighting, excerpt
from services.scheduler.domain.names import entity_key, failure_group_id, run_id
from services.scheduler.history.retrospect import Column, Retrospect
from services.scheduler.messages import run_message, timestamp

_MOST_EXAMPLES = 100
"""Groups that are shown with an excerpt of a traceback: the largest."""


class HistoryServicer(history_pb2_grpc.HistoryServiceServicer):
    """`ackrep.scheduler.v1.HistoryService`."""

    def __init__(self, retrospect: Retrospect) -> None:
        self._retrospect = retrospect

    async def ListFailureGroups(
        self, request: history_pb2.ListFailureGroupsRequest, context: Any
    ) -> history_pb2.ListFailureGroupsResponse:
        groups = await self._retrospect.groups(run_id(request.run) if request.run else "")
        examples = await self._retrospect.examples(groups[:_MOST_EXAMPLES])
        excerpts = {check.id: _excerpt(check) for check in examples}
        return history_pb2.ListFailureGroupsResponse(
            groups=[
                _group_message(group, excerpts.get(group.example.check, "")) for group in groups
            ],
            failure_count=sum(len(group.members) for group in groups),
        )

    async def GetFailureGroup(
        self, request: history_pb2.GetFailureGroupRequest, context: Any
    ) -> history_pb2.FailureGroup:
        fingerprint = failure_group_id(request.name)
        found, example = await self._retrospect.cause(fingerprint)
        last = found.last_seen
        return history_pb2.FailureGroup(
            name=request.name,
            fingerprint=fingerprint,
            title=last.outcome.title,
            verdict=check_pb2.Verdict.ValueType(last.verdict.value),
            count=found.count,
            entities=[f"entities/{key}" for key in found.entities],
            example=f"checks/{last.check}",
            excerpt=_excerpt(example),
            first_seen=_sighting_message(found.first_seen),
            last_seen=_sighting_message(last),
            runs=[
                history_pb2.CauseInRun(run=f"runs/{run}", count=count) for run, count in found.runs
            ],
        )

    async def GetEntityHistory(
        self, request: history_pb2.GetEntityHistoryRequest, context: Any
    ) -> history_pb2.EntityHistory:
        found = await self._retrospect.entity(entity_key(request.name))
        return history_pb2.EntityHistory(
            entity=f"entities/{found.entity}",
            newest=_sighting_message(found.newest),
            passed_last=_sighting_message(found.passed_last),
            failing_since=_sighting_message(found.failing_since),
            title=found.newest.outcome.title if found.newest else "",
            check_count=found.check_count,
        )

    async def ListEntityHistory(
        self, request: history_pb2.ListEntityHistoryRequest, context: Any
    ) -> history_pb2.ListEntityHistoryResponse:
        sightings, token = await self._retrospect.sightings(
            entity_key(request.entity), size=request.page_size, token=request.page_token
        )
        return history_pb2.ListEntityHistoryResponse(
            points=map(_point_message, sightings), next_page_token=token
        )

    async def GetVerdictMatrix(
        self, request: history_pb2.GetVerdictMatrixRequest, context: Any
    ) -> history_pb2.VerdictMatrix:
        matrix = await self._retrospect.matrix(
            runs=[run_id(name) for name in request.runs],
            count=request.run_count,
            entities=[entity_key(name) for name in request.entities],
            size=request.page_size,
            token=request.page_token,
        )
        causes = sorted(dict(matrix.causes.values()).items())
        numbers = {fingerprint: number for number, (fingerprint, _) in enumerate(causes, 1)}
        cause_of = {check: numbers[cause] for check, (cause, _) in matrix.causes.items()}
        return history_pb2.VerdictMatrix(
            columns=map(_column_message, matrix.columns),
            rows=[
                history_pb2.MatrixRow(
                    entity=f"entities/{row.entity}",
                    cells=[
                        history_pb2.MatrixCell(
                            column=column,
                            verdict=check_pb2.Verdict.ValueType(cell.verdict or 0),
                            check=f"checks/{cell.check}",
                            cause=cause_of.get(cell.check, 0),
                        )
                        for column, cell in row.cells
                    ],
                )
                for row in matrix.rows
            ],
            next_page_token=matrix.next_token,
            causes=[
                history_pb2.MatrixCause(fingerprint=fingerprint, title=title)
                for fingerprint, title in causes
            ],
        )

    async def FindRuns(
        self, request: history_pb2.FindRunsRequest, context: Any
    ) -> history_pb2.FindRunsResponse:
        runs = await self._retrospect.runs_at(request.time)
        return history_pb2.FindRunsResponse(runs=map(run_message, runs))

    async def ImportRun(
        self, request: history_pb2.ImportRunRequest, context: Any
    ) -> history_pb2.ImportRunResponse:
        summary, created = await self._retrospect.import_run(request.file_name, request.content)
        return history_pb2.ImportRunResponse(run=run_message(summary), created=created)

    async def ExportRun(
        self, request: history_pb2.ExportRunRequest, context: Any
    ) -> history_pb2.ExportRunResponse:
        file_name, content = await self._retrospect.export_run(run_id(request.name))
        return history_pb2.ExportRunResponse(file_name=file_name, content=content)


def _excerpt(check: Check) -> str:
    message = check_pb2.Result.FromString(check.result.payload if check.result else b"")
    return excerpt(message.traceback)


def _group_message(group: FailureGroup, example: str) -> history_pb2.FailureGroup:
    return history_pb2.FailureGroup(
        name=f"failureGroups/{group.fingerprint}",
        fingerprint=group.fingerprint,
        title=group.title,
        verdict=check_pb2.Verdict.ValueType(group.verdict.value),
        count=len(group.members),
        entities=[f"entities/{key}" for key in group.entities],
        example=f"checks/{group.example.check}",
        excerpt=example,
        first_seen=_sighting_message(group.first_seen),
    )


def _sighting_message(sighting: Sighting | None) -> history_pb2.Sighting | None:
    if sighting is None:
        return None
    return history_pb2.Sighting(
        check=f"checks/{sighting.check}",
        entity=f"entities/{sighting.entity}",
        time=timestamp(sighting.time),
        run=f"runs/{sighting.run}" if sighting.run else "",
        commit=sighting.commit,
        revision=f"revisions/{sighting.revision}" if sighting.revision else "",
        environment_digest=sighting.outcome.environment_digest,
        verdict=check_pb2.Verdict.ValueType(sighting.verdict.value),
    )


def _point_message(sighting: Sighting) -> history_pb2.HistoryPoint:
    return history_pb2.HistoryPoint(
        sighting=_sighting_message(sighting),
        environment=f"environments/{sighting.environment}" if sighting.environment else "",
        seconds=sighting.outcome.seconds,
        error=sighting.outcome.error,
        title=sighting.outcome.title,
        fingerprint=sighting.outcome.fingerprint,
    )


def _column_message(column: Column) -> history_pb2.MatrixColumn:
    source = column.source
    return history_pb2.MatrixColumn(
        run=run_message(column.summary),
        environments=sorted(
            {_environment(name, digest) for name, digest in column.environments if name or digest}
        ),
        core_commit=source.core_commit if source else "",
        build_url=source.build_url if source else "",
        imported_from=source.file_name if source else "",
    )


def _environment(name: str, digest: str) -> str:
    """`name@digest`; imported runs know `name:version` only, which is all their digest."""
    if not digest or digest.startswith(f"{name}:"):
        return digest or name
    return f"{name}@{digest}"
