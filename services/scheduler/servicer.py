"""The scheduler's two gRPC services: messages in, use cases, messages out."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from google.api import httpbody_pb2

from ackrep.scheduler.v1 import (
    check_pb2,
    dispatch_pb2,
    dispatch_pb2_grpc,
    scheduler_pb2,
    scheduler_pb2_grpc,
)
from services.errors import InvalidArgumentError
from services.scheduler.app import Scheduler
from services.scheduler.content_types import sniffed
from services.scheduler.dispatch import Dispatch
from services.scheduler.domain.check import Runner
from services.scheduler.domain.names import (
    artefact_id,
    check_id,
    entity_key,
    environment_name,
    run_id,
    runner_id,
)
from services.scheduler.messages import (
    check_message,
    duration,
    entity_verdict_message,
    lease_message,
    result_of,
    run_message,
    runner_message,
    verdict_of,
)
from services.scheduler.ports import Artefacts, Store
from services.scheduler.settings import Settings
from services.scheduler.watch import Watch

_NEVER = datetime.fromtimestamp(0, UTC)


class SchedulerServicer(scheduler_pb2_grpc.SchedulerServiceServicer):
    """`ackrep.scheduler.v1.SchedulerService`."""

    def __init__(
        self, *, scheduler: Scheduler, watch: Watch, store: Store, artefacts: Artefacts
    ) -> None:
        self._scheduler = scheduler
        self._watch = watch
        self._store = store
        self._artefacts = artefacts

    async def CreateCheck(
        self, request: scheduler_pb2.CreateCheckRequest, context: Any
    ) -> check_pb2.Check:
        # `force` changes nothing yet: without result reuse every check runs.
        check = await self._scheduler.create_check(
            entity=entity_key(request.entity),
            revision=request.revision.removeprefix("revisions/"),
            environment=_environment(request.environment),
            request_id=request.request_id,
        )
        return check_message(check)

    async def GetCheck(
        self, request: scheduler_pb2.GetCheckRequest, context: Any
    ) -> check_pb2.Check:
        return check_message(await self._scheduler.get_check(check_id(request.name)))

    async def ListChecks(
        self, request: scheduler_pb2.ListChecksRequest, context: Any
    ) -> scheduler_pb2.ListChecksResponse:
        checks, token = await self._scheduler.list_checks(
            filter_text=request.filter, size=request.page_size, token=request.page_token
        )
        return scheduler_pb2.ListChecksResponse(
            checks=map(check_message, checks), next_page_token=token
        )

    async def ListEntityVerdicts(
        self, request: scheduler_pb2.ListEntityVerdictsRequest, context: Any
    ) -> scheduler_pb2.ListEntityVerdictsResponse:
        verdicts, token = await self._scheduler.list_verdicts(
            verdict=verdict_of(request.verdict, field="verdict"),
            entities=[entity_key(name) for name in request.entities],
            size=request.page_size,
            token=request.page_token,
        )
        return scheduler_pb2.ListEntityVerdictsResponse(
            verdicts=map(entity_verdict_message, verdicts), next_page_token=token
        )

    async def CancelCheck(
        self, request: scheduler_pb2.CancelCheckRequest, context: Any
    ) -> check_pb2.Check:
        return check_message(await self._scheduler.cancel_check(check_id(request.name)))

    async def WatchCheck(
        self, request: scheduler_pb2.WatchCheckRequest, context: Any
    ) -> AsyncIterator[check_pb2.CheckEvent]:
        events = self._watch.check(check_id(request.name), token=request.resume_token)
        async with contextlib.aclosing(events):  # a watcher that goes away ends its subscription
            async for event in events:
                yield event

    async def CreateRun(
        self, request: scheduler_pb2.CreateRunRequest, context: Any
    ) -> check_pb2.Run:
        summary = await self._scheduler.create_run(
            title=request.title,
            revision=request.revision.removeprefix("revisions/"),
            entities=[entity_key(name) for name in request.entities],
            environment=_environment(request.environment),
            request_id=request.request_id,
        )
        return run_message(summary)

    async def GetRun(self, request: scheduler_pb2.GetRunRequest, context: Any) -> check_pb2.Run:
        return run_message(await self._scheduler.get_run(run_id(request.name)))

    async def ListRuns(
        self, request: scheduler_pb2.ListRunsRequest, context: Any
    ) -> scheduler_pb2.ListRunsResponse:
        runs, token = await self._scheduler.list_runs(
            size=request.page_size, token=request.page_token
        )
        return scheduler_pb2.ListRunsResponse(runs=map(run_message, runs), next_page_token=token)

    async def WatchRun(
        self, request: scheduler_pb2.WatchRunRequest, context: Any
    ) -> AsyncIterator[check_pb2.RunEvent]:
        events = self._watch.run(run_id(request.name), token=request.resume_token)
        async with contextlib.aclosing(events):
            async for check, summary in events:
                yield check_pb2.RunEvent(
                    resume_token=str(check.change),
                    check=check_message(check, full=False),
                    run=run_message(summary),
                )

    async def DownloadArtefact(
        self, request: scheduler_pb2.DownloadArtefactRequest, context: Any
    ) -> AsyncIterator[httpbody_pb2.HttpBody]:
        digest = artefact_id(request.name)
        known = await self._store.checks.artefact(digest)
        content_type = known.content_type if known else ""
        first = True
        async for chunk in self._artefacts.read(digest):
            content_type = content_type or sniffed(chunk)
            yield httpbody_pb2.HttpBody(content_type=content_type if first else "", data=chunk)
            first = False
        if first:  # an empty file
            yield httpbody_pb2.HttpBody(content_type=content_type or sniffed(b""))

    async def ListRunners(
        self, request: scheduler_pb2.ListRunnersRequest, context: Any
    ) -> scheduler_pb2.ListRunnersResponse:
        runners, token = await self._scheduler.list_runners(
            size=request.page_size, token=request.page_token
        )
        return scheduler_pb2.ListRunnersResponse(
            runners=[runner_message(runner, checks=checks) for runner, checks in runners],
            next_page_token=token,
        )


class DispatchServicer(dispatch_pb2_grpc.DispatchServiceServicer):
    """`ackrep.scheduler.v1.DispatchService`."""

    def __init__(self, *, dispatch: Dispatch, settings: Settings) -> None:
        self._dispatch = dispatch
        self._settings = settings

    async def RegisterRunner(
        self, request: dispatch_pb2.RegisterRunnerRequest, context: Any
    ) -> dispatch_pb2.RegisterRunnerResponse:
        await self._dispatch.register(
            Runner(
                id=runner_id(request.runner),
                incarnation=_required(request.incarnation, "incarnation"),
                pool=request.pool or self._settings.pool,
                slots=request.slots,
                free_slots=request.slots,
                backend=request.backend,
                runtime_version=request.runtime_version,
                host=request.host,
                heartbeat_time=_NEVER,
            )
        )
        return dispatch_pb2.RegisterRunnerResponse(
            heartbeat_interval=duration(self._settings.heartbeat_seconds),
            lease_duration=duration(self._settings.lease_seconds),
        )

    async def ClaimCheck(
        self, request: dispatch_pb2.ClaimCheckRequest, context: Any
    ) -> dispatch_pb2.Lease:
        check = await self._dispatch.claim(
            check_id(request.check),
            runner=runner_id(request.runner),
            incarnation=_required(request.incarnation, "incarnation"),
            claim_id=_required(request.claim_id, "claim_id"),
        )
        return lease_message(check, lease_seconds=self._settings.lease_seconds)

    async def Heartbeat(
        self, request: dispatch_pb2.HeartbeatRequest, context: Any
    ) -> dispatch_pb2.HeartbeatResponse:
        directives = await self._dispatch.heartbeat(
            runner=runner_id(request.runner),
            incarnation=request.incarnation,
            attempts=[(check_id(held.check), held.attempt) for held in request.attempts],
            free_slots=request.free_slots,
            draining=request.draining,
        )
        if directives is None:
            return dispatch_pb2.HeartbeatResponse(register=True)
        return dispatch_pb2.HeartbeatResponse(
            answers=[
                dispatch_pb2.HeartbeatResponse.Answer(
                    attempt=held, directive=dispatch_pb2.Directive.ValueType(directive.value)
                )
                for held, directive in zip(request.attempts, directives, strict=True)
            ]
        )

    async def StartCheck(
        self, request: dispatch_pb2.StartCheckRequest, context: Any
    ) -> dispatch_pb2.StartCheckResponse:
        await self._dispatch.start(check_id(request.attempt.check), attempt=request.attempt.attempt)
        return dispatch_pb2.StartCheckResponse()

    async def FindMissingArtefacts(
        self, request: dispatch_pb2.FindMissingArtefactsRequest, context: Any
    ) -> dispatch_pb2.FindMissingArtefactsResponse:
        missing = await self._dispatch.find_missing([artefact_id(n) for n in request.artefacts])
        return dispatch_pb2.FindMissingArtefactsResponse(
            missing=[f"artefacts/{digest}" for digest in missing]
        )

    async def UploadArtefact(
        self, request_iterator: AsyncIterator[dispatch_pb2.UploadArtefactRequest], context: Any
    ) -> dispatch_pb2.UploadArtefactResponse:
        first = await anext(request_iterator, None)
        if first is None:
            raise InvalidArgumentError("nothing was sent", field="artefact")

        async def chunks() -> AsyncIterator[bytes]:
            yield first.data
            async for part in request_iterator:
                yield part.data

        await self._dispatch.upload(artefact_id(first.artefact), size=first.size, chunks=chunks())
        return dispatch_pb2.UploadArtefactResponse()

    async def FinishCheck(
        self, request: dispatch_pb2.FinishCheckRequest, context: Any
    ) -> check_pb2.Check:
        check = await self._dispatch.finish(
            check_id(request.attempt.check),
            attempt=request.attempt.attempt,
            result=result_of(request.result),
            last_sequence=request.last_sequence,
        )
        return check_message(check)

    async def ReleaseCheck(
        self, request: dispatch_pb2.ReleaseCheckRequest, context: Any
    ) -> check_pb2.Check:
        check = await self._dispatch.release(
            check_id(request.attempt.check),
            attempt=request.attempt.attempt,
            reason=request.reason,
        )
        return check_message(check)


def _environment(name: str) -> str:
    return environment_name(name) if name else ""


def _required(value: str, field: str) -> str:
    if not value:
        raise InvalidArgumentError(f"{field} is required", field=field)
    return value
