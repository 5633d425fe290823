"""`EnvironmentService`: translates, decides nothing."""

from collections.abc import AsyncIterator
from typing import Any

from ackrep.runner.v1 import environment_pb2, environment_pb2_grpc
from services.errors import InvalidArgumentError
from services.runner.app import RunnerApp
from services.runner.domain.environments import Definition
from services.runner.statuses import EnvironmentStatus

_DEFAULT_PAGE, _LARGEST_PAGE = 50, 500
_STATES = {
    "absent": environment_pb2.Environment.STATE_ABSENT,
    "preparing": environment_pb2.Environment.STATE_PREPARING,
    "ready": environment_pb2.Environment.STATE_READY,
    "failed": environment_pb2.Environment.STATE_FAILED,
}


class EnvironmentServicer(environment_pb2_grpc.EnvironmentServiceServicer):
    """Answers for the environments of one runner."""

    def __init__(self, app: RunnerApp) -> None:
        self._app = app

    async def ListEnvironments(
        self, request: environment_pb2.ListEnvironmentsRequest, context: Any
    ) -> environment_pb2.ListEnvironmentsResponse:
        if request.page_size < 0:
            raise InvalidArgumentError("page_size must not be negative")
        size = min(request.page_size or _DEFAULT_PAGE, _LARGEST_PAGE)
        found = await self._app.environments()
        rest = [one for one in found if one[0].name > request.page_token]
        page = rest[:size]
        return environment_pb2.ListEnvironmentsResponse(
            environments=[_environment(definition, status) for definition, status in page],
            next_page_token=page[-1][0].name if len(rest) > size else "",
        )

    async def PrepareEnvironment(
        self, request: environment_pb2.PrepareEnvironmentRequest, context: Any
    ) -> AsyncIterator[environment_pb2.PrepareEnvironmentResponse]:
        definition = self._app.definition(request.name)
        async for step in self._app.prepare(definition):
            yield environment_pb2.PrepareEnvironmentResponse(
                message=step.message, fraction=step.fraction
            )
        status = await self._app.status(definition)
        yield environment_pb2.PrepareEnvironmentResponse(
            message=f"{definition.name} is ready",
            fraction=1.0,
            environment=_environment(definition, status),
        )


def _environment(definition: Definition, status: EnvironmentStatus) -> environment_pb2.Environment:
    return environment_pb2.Environment(
        name=f"environments/{definition.name}",
        state=_STATES[status.state],
        digest=status.digest,
        python=definition.python,
        message=status.message,
    )
