"""The registry of runners of a scheduler that is made up."""

from typing import Any

from ackrep.scheduler.v1 import check_pb2, scheduler_pb2, scheduler_pb2_grpc
from services.errors import NotFoundError
from tests.unit.gateway.fake_queue import FakeQueue


class FakeRunners(scheduler_pb2_grpc.SchedulerServiceServicer):
    """The part of the scheduler that knows runners: those of its queue, or an idle one."""

    def __init__(self) -> None:
        self.queue = FakeQueue()
        self.seen: list[Any] = []

    async def ListRunners(self, request: Any, context: Any) -> scheduler_pb2.ListRunnersResponse:
        self.seen.append(request)
        return scheduler_pb2.ListRunnersResponse(
            runners=self.queue.runners
            or [check_pb2.RunnerStatus(name="runners/workshop-1", slots=2)]
        )

    async def DrainRunner(self, request: Any, context: Any) -> check_pb2.RunnerStatus:
        self.seen.append(request)
        runner = self._runner(request.name)
        runner.draining, runner.drain.reason = True, request.reason
        return runner

    async def ResumeRunner(self, request: Any, context: Any) -> check_pb2.RunnerStatus:
        self.seen.append(request)
        runner = self._runner(request.name)
        runner.draining = False
        runner.ClearField("drain")
        return runner

    def _runner(self, name: str) -> check_pb2.RunnerStatus:
        for runner in self.queue.runners:
            if runner.name == name:
                return runner
        raise NotFoundError(f"no runner {name} was ever heard of")
