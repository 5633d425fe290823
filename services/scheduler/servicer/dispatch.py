"""What runners ask of the scheduler: messages in, use cases, messages out."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from ackrep.scheduler.v1 import check_pb2, dispatch_pb2, dispatch_pb2_grpc
from services.errors import InvalidArgumentError
from services.scheduler.checks.dispatch import Dispatch
from services.scheduler.checks.registry import Runners
from services.scheduler.domain.check import Runner
from services.scheduler.domain.names import artefact_id, check_id, runner_id
from services.scheduler.environments.promotions import Promotions
from services.scheduler.messages import check_message, duration, lease_message, result_of
from services.scheduler.settings import Settings

_NEVER = datetime.fromtimestamp(0, UTC)
_LONGEST_DIGEST = 128


class DispatchServicer(dispatch_pb2_grpc.DispatchServiceServicer):
    """`ackrep.scheduler.v1.DispatchService`."""

    def __init__(
        self, *, dispatch: Dispatch, runners: Runners, promotions: Promotions, settings: Settings
    ) -> None:
        self._dispatch = dispatch
        self._runners = runners
        self._promotions = promotions
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
                engine_version=request.engine_version,
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
        lease = lease_message(check, lease_seconds=self._settings.lease_seconds)
        promotion = await self._promotions.image_for(check)
        if promotion is not None:
            lease.environment_image = f"environments/{promotion.image}"
            lease.environment_tag = promotion.tag
        return lease

    async def Heartbeat(
        self, request: dispatch_pb2.HeartbeatRequest, context: Any
    ) -> dispatch_pb2.HeartbeatResponse:
        directives = await self._dispatch.heartbeat(
            runner=runner_id(request.runner),
            incarnation=request.incarnation,
            attempts=[(check_id(held.check), held.attempt) for held in request.attempts],
            free_slots=request.free_slots,
            draining=request.draining,
            environments={
                ready.environment.removeprefix("environments/"): ready.digest
                for ready in request.environments
                if ready.digest
            },
        )
        if directives is None:
            return dispatch_pb2.HeartbeatResponse(register=True)
        drain = await self._runners.drained(runner_id(request.runner))
        return dispatch_pb2.HeartbeatResponse(
            drain=drain is not None,
            answers=[
                dispatch_pb2.HeartbeatResponse.Answer(
                    attempt=held, directive=dispatch_pb2.Directive.ValueType(directive.value)
                )
                for held, directive in zip(request.attempts, directives, strict=True)
            ],
        )

    async def RecordEnvironment(
        self, request: dispatch_pb2.RecordEnvironmentRequest, context: Any
    ) -> dispatch_pb2.RecordEnvironmentResponse:
        digest = _required(request.digest, "digest")
        if len(digest) > _LONGEST_DIGEST:
            raise InvalidArgumentError(f"{digest[:40]!r}… is no digest", field="digest")
        await self._dispatch.record_environment(
            digest,
            environment=request.environment.removeprefix("environments/"),
            python=request.python,
            packages=request.packages,
        )
        return dispatch_pb2.RecordEnvironmentResponse()

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


def _required(value: str, field: str) -> str:
    if not value:
        raise InvalidArgumentError(f"{field} is required", field=field)
    return value
