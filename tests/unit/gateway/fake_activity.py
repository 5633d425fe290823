"""The stream that says that checks change, over the made-up ones."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from ackrep.scheduler.v1 import activity_pb2, activity_pb2_grpc
from tests.unit.gateway.fake_repository import S, stamp
from tests.unit.gateway.fake_scheduler import FakeScheduler

_LOOK_SECONDS = 0.02


class FakeActivity(activity_pb2_grpc.ActivityServiceServicer):
    """Looks how many checks there are, and how many of them are finished."""

    def __init__(self, scheduler: FakeScheduler) -> None:
        self._scheduler = scheduler
        self.watchers = 0

    async def WatchActivity(
        self, request: Any, context: Any
    ) -> AsyncIterator[activity_pb2.Activity]:
        self.watchers += 1
        told: dict[str, tuple[int, str]] | None = None
        change = 0
        try:
            while True:
                now = {
                    name: (int(story.check.state), story.check.entity)
                    for name, story in self._scheduler.stories.items()
                }
                changed = [] if told is None else [n for n in now if now[n] != told.get(n)]
                if changed or told is None:
                    change += len(changed)
                    yield activity_pb2.Activity(
                        change=change,
                        entities=sorted({now[name][1] for name in changed}),
                        finished=sorted(
                            {now[n][1] for n in changed if now[n][0] == S.STATE_FINISHED}
                        ),
                        read_time=stamp(time.time()),
                    )
                told = now
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            self.watchers -= 1
