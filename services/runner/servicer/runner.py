"""`RunnerService`: translates, decides nothing."""

from typing import Any

from ackrep.runner.v1 import runner_pb2, runner_pb2_grpc
from services.runner.app import RunnerApp, RunnerStatus
from services.runner.checks.messages import duration_of
from services.runner.statuses import PlaceStatus


class RunnerServicer(runner_pb2_grpc.RunnerServiceServicer):
    """Answers for one runner."""

    def __init__(self, app: RunnerApp) -> None:
        self._app = app

    async def GetRunner(
        self, request: runner_pb2.GetRunnerRequest, context: Any
    ) -> runner_pb2.Runner:
        return _runner(self._app.runner(request.name))

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
