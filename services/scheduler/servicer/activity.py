"""That something happens: use cases, messages out."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from ackrep.scheduler.v1 import activity_pb2 as pb
from ackrep.scheduler.v1 import activity_pb2_grpc
from services.scheduler.checks.activity import WatchActivity
from services.scheduler.messages import timestamp


class ActivityServicer(activity_pb2_grpc.ActivityServiceServicer):
    """`ackrep.scheduler.v1.ActivityService`."""

    def __init__(self, watch: WatchActivity) -> None:
        self._watch = watch

    async def WatchActivity(
        self, request: pb.WatchActivityRequest, context: Any
    ) -> AsyncIterator[pb.Activity]:
        async with contextlib.aclosing(self._watch.follow()) as activities:
            async for one in activities:
                yield pb.Activity(
                    change=one.change,
                    entities=[f"entities/{key}" for key in one.entities],
                    finished=[f"entities/{key}" for key in one.finished],
                    more=one.more,
                    read_time=timestamp(one.read_time),
                )
