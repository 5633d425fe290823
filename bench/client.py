"""Asks a running system for checks, and takes the time."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ackrep.scheduler.v1.check_pb2 import Check, Verdict
from ackrep.scheduler.v1.scheduler_pb2 import (
    CreateCheckRequest,
    CreateRunRequest,
    WatchCheckRequest,
    WatchRunRequest,
)
from ackrep.scheduler.v1.scheduler_pb2_grpc import SchedulerServiceStub
from cli.state import System
from services.rpc import dial


@dataclass(frozen=True)
class Timed:
    """One check with the times that its requester saw, in seconds."""

    check: Check
    total: float
    """From the request until its verdict was seen by the watching client."""
    seen: float
    """When that was, in seconds since 1970."""

    @property
    def own_work(self) -> float:
        """Wall time of the entity's own code."""
        return self.check.result.usage.wall_seconds

    @property
    def overhead(self) -> float:
        """All that was not the entity's own code."""
        return self.total - self.own_work

    @property
    def waiting(self) -> float:
        """From creation until its code ran, by the scheduler's clock."""
        return seconds_between(self.check)

    @property
    def showing(self) -> float:
        """From when the runner's finish reached the scheduler until the client saw it.

        Both clocks are of one machine.
        """
        return self.seen - self.check.finish_time.ToNanoseconds() / 1e9


def seconds_between(check: Check) -> float:
    """Seconds from creation to start of a check."""
    begin, end = check.create_time.ToNanoseconds(), check.start_time.ToNanoseconds()
    return (end - begin) / 1e9


class Client:
    """A program that asks for checks over gRPC."""

    def __init__(self, scheduler: "SchedulerServiceStub") -> None:
        self._scheduler = scheduler

    async def check(self, key: str) -> Timed:
        """Checks one entity and returns when its verdict arrives on the watch."""
        begin = time.perf_counter()
        seen = 0.0
        request = CreateCheckRequest(entity=f"entities/{key}", force=True)
        check = await self._scheduler.CreateCheck(request)
        async for event in self._scheduler.WatchCheck(WatchCheckRequest(name=check.name)):
            if event.WhichOneof("body") == "check_changed":
                check, seen = event.check_changed, time.time()
        total = time.perf_counter() - begin
        if check.verdict != Verdict.VERDICT_SUCCESS:
            raise SystemExit(f"{key}: {Verdict.Name(check.verdict)}: {check.result.message}")
        return Timed(check=check, total=total, seen=seen)

    async def reused(self, key: str) -> None:
        """Asks for a check of which an equal one is known.

        Raises SystemExit if it had to run.
        """
        check = await self._scheduler.CreateCheck(CreateCheckRequest(entity=f"entities/{key}"))
        if not check.reused_from:
            raise SystemExit(f"{key} ran, although nothing has changed")

    async def run(self, keys: list[str]) -> float:
        """Checks many entities as one run; returns the seconds until all are finished."""
        begin = time.perf_counter()
        request = CreateRunRequest(entities=[f"entities/{key}" for key in keys], force=True)
        run = await self._scheduler.CreateRun(request)
        last = run
        async for event in self._scheduler.WatchRun(WatchRunRequest(name=run.name)):
            last = event.run
        elapsed = time.perf_counter() - begin
        bad = [v for v in last.verdicts if v.verdict != Verdict.VERDICT_SUCCESS]
        if bad:
            raise SystemExit(f"not all checks of the run succeeded: {bad}")
        return elapsed


@asynccontextmanager
async def client(system: System) -> AsyncIterator[Client]:
    """Opens a client of a running system."""
    async with dial(system.scheduler, token=system.token) as channel:
        await asyncio.wait_for(channel.channel_ready(), 30)
        yield Client(SchedulerServiceStub(channel))
