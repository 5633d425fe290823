"""Watching the system: the moments in which checks change, and streams that are resumed."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import grpc
from nats.aio.msg import Msg

from ackrep.scheduler.v1 import check_pb2, scheduler_pb2, scheduler_pb2_grpc
from services import bus
from tests.chaos.plan import Moment
from tests.chaos.world import World

_STATES = {
    check_pb2.Check.STATE_QUEUED: Moment.QUEUED,
    check_pb2.Check.STATE_PREPARING: Moment.PREPARING,
    check_pb2.Check.STATE_RUNNING: Moment.RUNNING,
    check_pb2.Check.STATE_FINISHED: Moment.FINISHED,
}


class Moments:
    """Tells when a check is seen in a state, from the events as they pass."""

    def __init__(self) -> None:
        self._waiting: dict[Moment, asyncio.Future[str]] = {}

    async def next(self, moment: Moment, *, seconds: float) -> str:
        """The id of the next check that is seen so; empty if none was in time."""
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[moment] = future
        try:
            return await asyncio.wait_for(future, seconds)
        except TimeoutError:
            return ""
        finally:
            self._waiting.pop(moment, None)

    async def seen(self, message: Msg) -> None:
        """Takes an event."""
        event = check_pb2.CheckEvent.FromString(message.data)
        moment: Moment | None = None
        if event.HasField("artefact"):
            moment = Moment.ARTEFACT
        elif event.HasField("check_changed"):
            moment = _STATES.get(event.check_changed.state)
        future = self._waiting.get(moment) if moment else None
        if future is not None and not future.done():
            future.set_result(event.check.removeprefix("checks/"))


@contextlib.asynccontextmanager
async def observed(world: World) -> AsyncIterator[Moments]:
    """Listens to all events while the block runs, over a connection of its own."""
    moments = Moments()
    url, token = world.nats.url, world.nats.token
    async with bus.connected(url, token=token, name="chaos") as client:
        await client.subscribe("events.>", cb=moments.seen)
        yield moments


@dataclass
class Watched:
    """What one watcher got, over all its connections."""

    check: str
    positions: list[tuple[int, int]] = field(default_factory=list)
    announced: dict[tuple[int, int], int] = field(default_factory=dict)
    """Events that the gap event at a position stands for, itself included."""
    connections: int = 0
    finished: bool = False

    def add(self, event: check_pb2.CheckEvent) -> str:
        """Takes an event; the token to resume after it."""
        position = (event.attempt, event.sequence)
        self.positions.append(position)
        if event.HasField("gap") and event.gap.events:
            self.announced[position] = event.gap.events
        changed = event.check_changed.state if event.HasField("check_changed") else 0
        self.finished = changed == check_pb2.Check.STATE_FINISHED
        return event.resume_token


async def watch(world: World, seen: Watched, *, chance: random.Random) -> None:
    """Follows a check to its verdict, and breaks off and resumes again and again."""
    token = ""
    async with world.channel("scheduler") as channel:
        stub = scheduler_pb2_grpc.SchedulerServiceStub(channel)
        while not seen.finished:
            seen.connections += 1
            patience = chance.randint(3, 25)
            request = scheduler_pb2.WatchCheckRequest(
                name=f"checks/{seen.check}", resume_token=token
            )
            call = stub.WatchCheck(request, wait_for_ready=True, timeout=60)
            try:
                async for event in call:
                    token = seen.add(event)
                    patience -= 1
                    if patience == 0:
                        break
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.1)  # somebody was killed
            finally:
                call.cancel()
