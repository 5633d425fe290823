"""Calls about environments, to the runner that has them."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from ackrep.runner.v1 import environment_pb2, environment_pb2_grpc
from cli.calls import Calls, errors
from cli.steps import Step
from services.errors import UnavailableError

_PAGE = 500
_VERIFY_SECONDS = 2 * 3600.0
"""It may have to build or pull first."""
_WORK_SECONDS = 6 * 3600.0


class EnvironmentCalls:
    """Asks one runner about its environments.

    Args:
        calls: Of a system with a runner.

    Raises UnavailableError if its runner is not known.
    """

    def __init__(self, calls: Calls) -> None:
        if not calls.system.runner:
            raise UnavailableError("the address of the system's runner is not known")
        self._calls = calls
        self._stub = environment_pb2_grpc.EnvironmentServiceStub(calls.channel("runner"))

    async def all(self) -> list[environment_pb2.Environment]:
        """Every environment, ordered by name."""
        found: list[environment_pb2.Environment] = []
        request = environment_pb2.ListEnvironmentsRequest(page_size=_PAGE)
        while True:
            page = await self._calls.call("runner", self._stub.ListEnvironments, request)
            found.extend(page.environments)
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    async def get(self, name: str) -> environment_pb2.Environment:
        """One environment, `name` or `name@reference`."""
        request = environment_pb2.GetEnvironmentRequest(name=resource(name))
        return await self._calls.call("runner", self._stub.GetEnvironment, request)

    async def verify(self, name: str) -> environment_pb2.VerifyEnvironmentResponse:
        """What is right and wrong with an environment."""
        request = environment_pb2.VerifyEnvironmentRequest(name=resource(name))
        with errors("runner"):
            return await self._stub.VerifyEnvironment(request, timeout=_VERIFY_SECONDS)

    def build(
        self, request: environment_pb2.BuildEnvironmentRequest
    ) -> AsyncIterator[environment_pb2.BuildEnvironmentResponse]:
        """Builds an image; the last step has the environment."""
        return self._steps(self._stub.BuildEnvironment, request)

    def pull(self, name: str) -> AsyncIterator[environment_pb2.PullEnvironmentResponse]:
        """Pulls an image; the last step has the environment."""
        request = environment_pb2.PullEnvironmentRequest(name=resource(name))
        return self._steps(self._stub.PullEnvironment, request)

    def push(
        self, request: environment_pb2.PushEnvironmentRequest
    ) -> AsyncIterator[environment_pb2.PushEnvironmentResponse]:
        """Publishes an image; the last step says what was published."""
        return self._steps(self._stub.PushEnvironment, request)

    async def _steps(self, method: Callable[..., Any], request: object) -> AsyncIterator[Step]:
        with errors("runner"):
            async for step in method(request, timeout=_WORK_SECONDS):
                yield step


def resource(name: str) -> str:
    """Resource name of an environment as people name it."""
    return name if name.startswith("environments/") else f"environments/{name}"
