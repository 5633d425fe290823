"""Schedules: messages in, use cases, messages out."""

from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration

from ackrep.scheduler.v1 import schedule_pb2, schedule_pb2_grpc
from services.scheduler.domain.names import schedule_id
from services.scheduler.domain.schedules import Schedule
from services.scheduler.messages import timestamp
from services.scheduler.schedules.scheduling import Scheduling

_NEVER = datetime.fromtimestamp(0, UTC)


class ScheduleServicer(schedule_pb2_grpc.ScheduleServiceServicer):
    """`ackrep.scheduler.v1.ScheduleService`."""

    def __init__(self, *, scheduling: Scheduling) -> None:
        self._scheduling = scheduling

    async def CreateSchedule(
        self, request: schedule_pb2.CreateScheduleRequest, context: Any
    ) -> schedule_pb2.Schedule:
        return self._message(await self._scheduling.create(_schedule(request.schedule)))

    async def ListSchedules(
        self, request: schedule_pb2.ListSchedulesRequest, context: Any
    ) -> schedule_pb2.ListSchedulesResponse:
        found = await self._scheduling.list_all()
        return schedule_pb2.ListSchedulesResponse(schedules=map(self._message, found))

    async def DeleteSchedule(
        self, request: schedule_pb2.DeleteScheduleRequest, context: Any
    ) -> schedule_pb2.DeleteScheduleResponse:
        await self._scheduling.delete(schedule_id(request.name))
        return schedule_pb2.DeleteScheduleResponse()

    def _message(self, schedule: Schedule) -> schedule_pb2.Schedule:
        message = schedule_pb2.Schedule(
            name=f"schedules/{schedule.id}",
            title=schedule.title,
            filter=schedule.filter,
            daily_budget=_duration(schedule.daily_budget),
            force=schedule.force,
            create_time=timestamp(schedule.create_time),
            last_time=timestamp(schedule.last_time),
            next_time=timestamp(self._scheduling.next_time(schedule)),
            last_run=f"runs/{schedule.last_run}" if schedule.last_run else "",
            last_error=schedule.last_error,
        )
        if schedule.cron:
            message.cron = schedule.cron
        elif schedule.on_change:
            message.on_change = True
        else:
            message.max_age.CopyFrom(_duration(schedule.max_age) or Duration())
        return message


def _schedule(message: schedule_pb2.Schedule) -> Schedule:
    return Schedule(
        id="",
        create_time=_NEVER,
        title=message.title,
        cron=message.cron,
        on_change=message.on_change,
        max_age=message.max_age.ToTimedelta() if message.HasField("max_age") else None,
        filter=message.filter,
        daily_budget=(
            message.daily_budget.ToTimedelta() if message.HasField("daily_budget") else None
        ),
        force=message.force,
    )


def _duration(span: timedelta | None) -> Duration | None:
    if span is None:
        return None
    message = Duration()
    message.FromTimedelta(span)
    return message
