"""The queue: messages in, use cases, messages out."""

from typing import Any

from google.protobuf.duration_pb2 import Duration

from ackrep.scheduler.v1 import queue_pb2, queue_pb2_grpc
from services.scheduler.domain.names import check_id, environment_name
from services.scheduler.domain.queue import Pause, QueueLine
from services.scheduler.messages import check_message, timestamp
from services.scheduler.queue.queueing import Queueing, QueueView


class QueueServicer(queue_pb2_grpc.QueueServiceServicer):
    """`ackrep.scheduler.v1.QueueService`."""

    def __init__(self, *, queueing: Queueing, pool: str) -> None:
        self._queueing = queueing
        self._pool = pool

    async def GetQueue(self, request: queue_pb2.GetQueueRequest, context: Any) -> queue_pb2.Queue:
        return _queue(await self._queueing.queue())

    async def ListWaitingChecks(
        self, request: queue_pb2.ListWaitingChecksRequest, context: Any
    ) -> queue_pb2.ListWaitingChecksResponse:
        found = await self._queueing.waiting(size=request.page_size)
        return queue_pb2.ListWaitingChecksResponse(checks=map(check_message, found))

    async def PauseQueue(
        self, request: queue_pb2.PauseQueueRequest, context: Any
    ) -> queue_pb2.Queue:
        return _queue(
            await self._queueing.pause(
                pool=request.pool or self._pool,
                environment=_environment(request.environment),
                reason=request.reason,
            )
        )

    async def ResumeQueue(
        self, request: queue_pb2.ResumeQueueRequest, context: Any
    ) -> queue_pb2.Queue:
        return _queue(
            await self._queueing.resume(
                pool=request.pool or self._pool, environment=_environment(request.environment)
            )
        )

    async def ListDeadLetters(
        self, request: queue_pb2.ListDeadLettersRequest, context: Any
    ) -> queue_pb2.ListDeadLettersResponse:
        checks, token = await self._queueing.dead_letters(
            size=request.page_size, token=request.page_token
        )
        return queue_pb2.ListDeadLettersResponse(
            checks=map(check_message, checks), next_page_token=token
        )

    async def ReplayDeadLetters(
        self, request: queue_pb2.ReplayDeadLettersRequest, context: Any
    ) -> queue_pb2.ReplayDeadLettersResponse:
        created = await self._queueing.replay([check_id(name) for name in request.checks])
        return queue_pb2.ReplayDeadLettersResponse(checks=map(check_message, created))


def _environment(name: str) -> str:
    return environment_name(name) if name else ""


def _queue(view: QueueView) -> queue_pb2.Queue:
    return queue_pb2.Queue(
        lines=map(_line, view.lines),
        pauses=map(_pause, view.pauses),
        waiting_count=view.waiting,
        waiting_limit=view.limit,
        dead_letter_count=view.dead_letters,
    )


def _line(line: QueueLine) -> queue_pb2.QueueLine:
    expected = Duration()
    expected.FromMilliseconds(int(line.expected_seconds * 1000))
    return queue_pb2.QueueLine(
        pool=line.pool,
        environment=f"environments/{line.environment}",
        waiting_count=line.waiting,
        published_count=line.published,
        running_count=line.running,
        oldest_time=timestamp(line.oldest),
        expected_duration=expected,
    )


def _pause(pause: Pause) -> queue_pb2.QueuePause:
    return queue_pb2.QueuePause(
        pool=pause.pool,
        environment=f"environments/{pause.environment}" if pause.environment else "",
        reason=pause.reason,
        create_time=timestamp(pause.create_time),
    )
