"""`RunnerService`: translates, decides nothing."""

from collections.abc import AsyncIterator
from typing import Any

from ackrep.runner.v1 import runner_pb2, runner_pb2_grpc
from services.errors import InvalidArgumentError
from services.runner.app import RunnerApp, RunnerStatus
from services.runner.domain import Definition
from services.runner.messages import duration_of
from services.runner.statuses import EnvironmentStatus, PlaceStatus

_DEFAULT_PAGE, _LARGEST_PAGE = 50, 500
_STATES = {
    "absent": runner_pb2.Environment.STATE_ABSENT,
    "preparing": runner_pb2.Environment.STATE_PREPARING,
    "ready": runner_pb2.Environment.STATE_READY,
    "failed": runner_pb2.Environment.STATE_FAILED,
}


class RunnerServicer(runner_pb2_grpc.RunnerServiceServicer):
    """Answers for one runner."""

    def __init__(self, app: RunnerApp) -> None:
        self._app = app

    async def GetRunner(
        self, request: runner_pb2.GetRunnerRequest, context: Any
    ) -> runner_pb2.Runner:
        return _runner(self._app.runner(request.name))

    async def ListEnvironments(
        self, request: runner_pb2.ListEnvironmentsRequest, context: Any
    ) -> runner_pb2.ListEnvironmentsResponse:
        if request.page_size < 0:
            raise InvalidArgumentError("page_size must not be negative")
        size = min(request.page_size or _DEFAULT_PAGE, _LARGEST_PAGE)
        found = await self._app.environments()
        rest = [one for one in found if one[0].name > request.page_token]
        page = rest[:size]
        return runner_pb2.ListEnvironmentsResponse(
            environments=[_environment(definition, status) for definition, status in page],
            next_page_token=page[-1][0].name if len(rest) > size else "",
        )

    async def PrepareEnvironment(
        self, request: runner_pb2.PrepareEnvironmentRequest, context: Any
    ) -> AsyncIterator[runner_pb2.PrepareEnvironmentResponse]:
        definition = self._app.definition(request.name)
        async for step in self._app.prepare(definition):
            yield runner_pb2.PrepareEnvironmentResponse(
                message=step.message, fraction=step.fraction
            )
        status = await self._app.status(definition)
        yield runner_pb2.PrepareEnvironmentResponse(
            message=f"{definition.name} is ready",
            fraction=1.0,
            environment=_environment(definition, status),
        )

    async def DrainRunner(
        self, request: runner_pb2.DrainRunnerRequest, context: Any
    ) -> runner_pb2.Runner:
        return _runner(await self._app.drain(request.name))


def _runner(status: RunnerStatus) -> runner_pb2.Runner:
    registration = status.registration
    return runner_pb2.Runner(
        name=registration.runner,
        pool=registration.pool,
        backend=registration.backend,
        backend_reason=status.backend_reason,
        slots=registration.slots,
        checks=status.checks,
        draining=status.draining,
        runtime_version=registration.runtime_version,
        engine_version=status.engine_version,
        workplaces=[_workplace(place) for place in status.workplaces],
        audits=status.audits,
        audit_differences=status.differences,
    )


def _workplace(place: PlaceStatus) -> runner_pb2.Workplace:
    return runner_pb2.Workplace(
        id=place.info.id,
        environment=f"environments/{place.info.environment}",
        environment_digest=place.info.environment_digest,
        confinement=place.info.confinement,
        checks_run=place.checks_run,
        state=place.state,
        start_duration=duration_of(place.info.start_seconds),
    )


def _environment(definition: Definition, status: EnvironmentStatus) -> runner_pb2.Environment:
    return runner_pb2.Environment(
        name=f"environments/{definition.name}",
        state=_STATES[status.state],
        digest=status.digest,
        python=definition.python,
        message=status.message,
    )
