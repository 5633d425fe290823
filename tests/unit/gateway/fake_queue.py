"""A queue, schedules and bisections as they are told, with a believable busy hour."""

import time
from typing import Any

from ackrep.scheduler.v1 import (
    bisection_pb2,
    bisection_pb2_grpc,
    check_pb2,
    queue_pb2,
    queue_pb2_grpc,
    schedule_pb2,
    schedule_pb2_grpc,
)
from services.errors import NotFoundError
from tests.unit.gateway.fake_repository import ENVIRONMENT, REVISION, S, V, length, stamp


class FakeQueue(
    queue_pb2_grpc.QueueServiceServicer,
    schedule_pb2_grpc.ScheduleServiceServicer,
    bisection_pb2_grpc.BisectionServiceServicer,
):
    """Keeps what tests put in; pauses and dead letters change as they are asked to."""

    def __init__(self) -> None:
        self.queue = queue_pb2.Queue(waiting_limit=20_000)
        self.waiting: list[check_pb2.Check] = []
        self.dead: list[check_pb2.Check] = []
        self.schedules: list[schedule_pb2.Schedule] = []
        self.bisections: list[bisection_pb2.Bisection] = []
        self.runners: list[check_pb2.RunnerStatus] = []
        self.seen: list[Any] = []

    def wait(self, key: str, *, age: float = 20.0, run: str = "") -> check_pb2.Check:
        """Adds a waiting check."""
        check = check_pb2.Check(
            name=f"checks/0199{len(self.waiting) + len(self.dead) + 1:028x}",
            entity=f"entities/{key}",
            revision=REVISION,
            environment=ENVIRONMENT,
            run=run,
            state=S.STATE_QUEUED,
            create_time=stamp(time.time() - age),
        )
        self.waiting.append(check)
        return check

    def give_up(self, key: str, reason: str) -> check_pb2.Check:
        """Adds a dead letter."""
        check = self.wait(key, age=1900)
        self.waiting.remove(check)
        check.state, check.verdict = S.STATE_FINISHED, V.VERDICT_INFRASTRUCTURE_ERROR
        check.finish_time.CopyFrom(stamp(time.time() - 1500))
        for attempt in (1, 2, 3):
            check.failed_attempts.add(attempt=attempt, reason=reason)
        self.dead.append(check)
        return check

    def furnish(self) -> None:
        """Adds a busy hour: a paused environment, dead letters, runners in every state."""
        now = time.time()
        self.waiting.clear()
        self.dead.clear()
        for age, key in enumerate(("F7FLT", "UXMFA", "K9PND", "B2LQR", "E1EUL")):
            self.wait(key, age=12.0 * age + 4, run="runs/0198" + "0" * 27 + "1" if age else "")
        self.give_up("LRHZX", "the runner was not heard of for 10 s")
        self.give_up("E1EUL", "demo_environment cannot be had: no space left on device")
        for name, waiting, running, seconds in (
            (ENVIRONMENT, 41, 3, 310.0),
            ("environments/default_environment", 7, 1, 95.0),
            ("environments/legacy_2021", 12, 0, 2040.0),
        ):
            self.queue.lines.add(
                pool="default",
                environment=name,
                waiting_count=waiting,
                published_count=min(waiting, 4),
                running_count=running,
                oldest_time=stamp(now - waiting * 9),
                expected_duration=length(seconds),
            )
        self.queue.waiting_count, self.queue.dead_letter_count = 60, 2
        self.queue.pauses.add(
            pool="default",
            environment="environments/legacy_2021",
            reason="its image is built anew",
            create_time=stamp(now - 1300),
        )
        self._furnish_runners(now)
        cron = schedule_pb2.Schedule(name="schedules/1", title="every night", cron="30 2 * * 1-5")
        cron.last_time.CopyFrom(stamp(now - 40_000))
        cron.next_time.CopyFrom(stamp(now + 40_000))
        cron.last_run = "runs/0198" + "0" * 27 + "1"
        old = schedule_pb2.Schedule(name="schedules/2", filter="tag = chaos", max_age=length(6e5))
        old.daily_budget.CopyFrom(length(7200))
        old.last_error = "at most 20000 checks may wait"
        self.schedules = [
            cron,
            old,
            schedule_pb2.Schedule(name="schedules/3", title="pushed", on_change=True),
        ]
        self.bisections = [
            bisection_pb2.Bisection(
                name="bisections/1",
                entity="entities/LRHZX",
                state=bisection_pb2.Bisection.STATE_RUNNING,
                good=bisection_pb2.BisectionPoint(commit="4be1c0de" * 5),
                bad=bisection_pb2.BisectionPoint(commit="0badc0de" * 5),
                probes=[bisection_pb2.BisectionProbe(verdict=V.VERDICT_SUCCESS)] * 3,
                candidate_count=41,
                create_time=stamp(now - 75),
            ),
            bisection_pb2.Bisection(
                name="bisections/0",
                entity="entities/UXMFA",
                state=bisection_pb2.Bisection.STATE_FINISHED,
            ),
        ]

    def _furnish_runners(self, now: float) -> None:
        ready = [
            check_pb2.EnvironmentDigest(environment=name, digest="sha256:" + "9f" * 32)
            for name in (ENVIRONMENT, "environments/default_environment")
        ]
        self.runners = [
            check_pb2.RunnerStatus(
                name=f"runners/workshop-{number}",
                pool="default",
                slots=2,
                free_slots=free,
                checks=[f"checks/{n}" for n in range(2 - free)],
                backend="docker",
                engine_version="20.10.24",
                host=f"workshop-{number}.example",
                heartbeat_time=stamp(now - heard),
                environments=ready,
                lost=heard > 60,
            )
            for number, free, heard in ((1, 0, 1), (2, 1, 1), (3, 1, 2), (4, 2, 300))
        ]
        drained = self.runners[2]
        drained.draining = True
        drained.drain.reason = "a new disk on Monday"
        drained.drain.create_time.CopyFrom(stamp(now - 700))

    async def GetQueue(self, request: Any, context: Any) -> queue_pb2.Queue:
        self.seen.append(request)
        return self.queue

    async def ListWaitingChecks(
        self, request: Any, context: Any
    ) -> queue_pb2.ListWaitingChecksResponse:
        return queue_pb2.ListWaitingChecksResponse(checks=self.waiting[: request.page_size])

    async def ListDeadLetters(
        self, request: Any, context: Any
    ) -> queue_pb2.ListDeadLettersResponse:
        return queue_pb2.ListDeadLettersResponse(checks=self.dead[: request.page_size])

    async def PauseQueue(self, request: Any, context: Any) -> queue_pb2.Queue:
        self.seen.append(request)
        self.queue.pauses.add(
            pool=request.pool or "default",
            environment=request.environment,
            reason=request.reason,
            create_time=stamp(time.time()),
        )
        return self.queue

    async def ResumeQueue(self, request: Any, context: Any) -> queue_pb2.Queue:
        self.seen.append(request)
        place = (request.pool or "default", request.environment)
        kept = [one for one in self.queue.pauses if (one.pool, one.environment) != place]
        if len(kept) == len(self.queue.pauses):
            raise NotFoundError(f"{place[1] or place[0]} is not paused")
        del self.queue.pauses[:]
        self.queue.pauses.extend(kept)
        return self.queue

    async def ReplayDeadLetters(
        self, request: Any, context: Any
    ) -> queue_pb2.ReplayDeadLettersResponse:
        self.seen.append(request)
        again = [check for check in self.dead if not request.checks or check.name in request.checks]
        self.dead = [check for check in self.dead if check not in again]
        self.queue.dead_letter_count = len(self.dead)
        made = [self.wait(check.entity.removeprefix("entities/")) for check in again]
        return queue_pb2.ReplayDeadLettersResponse(checks=made)

    async def ListSchedules(self, request: Any, context: Any) -> schedule_pb2.ListSchedulesResponse:
        return schedule_pb2.ListSchedulesResponse(schedules=self.schedules)

    async def ListBisections(
        self, request: Any, context: Any
    ) -> bisection_pb2.ListBisectionsResponse:
        return bisection_pb2.ListBisectionsResponse(bisections=self.bisections)

    async def CreateSchedule(self, request: Any, context: Any) -> schedule_pb2.Schedule:
        self.seen.append(request)
        made = schedule_pb2.Schedule(name=f"schedules/{len(self.schedules) + 1}")
        made.MergeFrom(request.schedule)
        self.schedules.append(made)
        return made

    async def DeleteSchedule(
        self, request: Any, context: Any
    ) -> schedule_pb2.DeleteScheduleResponse:
        self.seen.append(request)
        self.schedules = [one for one in self.schedules if one.name != request.name]
        return schedule_pb2.DeleteScheduleResponse()

    async def CreateBisection(self, request: Any, context: Any) -> bisection_pb2.Bisection:
        self.seen.append(request)
        made = bisection_pb2.Bisection(name=f"bisections/{len(self.bisections) + 1}")
        self.bisections.append(made)
        return made

    async def GetBisection(self, request: Any, context: Any) -> bisection_pb2.Bisection:
        for one in self.bisections:
            if one.name == request.name:
                return one
        raise NotFoundError(f"there is no {request.name}")
