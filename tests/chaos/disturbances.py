"""Carrying out disturbances, and remembering when each was felt."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field

import nats.errors
import nats.js.errors

from services import bus
from services.runner.engine.containers import RUNNER_LABEL
from tests.chaos.engine import VictimEngine
from tests.chaos.plan import HOLDER, RUNNERS, Action, Disturbance, Moment
from tests.chaos.records import Records
from tests.chaos.watching import Moments
from tests.chaos.world import World, deadline

_SEEN_SECONDS = 6.0
"""How long a moment is waited for; then it happens anyway."""
_TAKEN_OVER_SECONDS = 60.0


@dataclass(frozen=True)
class Felt:
    """A disturbance that happened, in seconds since 1970."""

    disturbance: Disturbance
    target: str
    begin: float
    end: float
    seen: str = ""
    """The check whose state was waited for."""


@dataclass
class Disturber:
    """Carries out disturbances, one at a time."""

    world: World
    records: Records
    moments: Moments
    lease_seconds: float
    felt: list[Felt] = field(default_factory=list)
    changed_after_the_end: list[str] = field(default_factory=list)
    """Checks that a stopped runner changed although another one had finished them."""
    taken_over: int = 0
    """Checks that were compared before and after a stopped runner went on."""

    async def carry_out(self, disturbance: Disturbance) -> Felt:
        """Returns when the target is back."""
        seen, target = "", disturbance.target
        if disturbance.moment is not None:
            seen = await self.moments.next(disturbance.moment, seconds=_SEEN_SECONDS)
        if target == HOLDER:
            holder = await asyncio.to_thread(self._holder, seen)
            target = holder
        begin = time.time()
        match disturbance.action:
            case Action.KILL | Action.KILL_AT:
                self.world.kill(target)
                await self._back(target, after=disturbance.seconds)
            case Action.WIPE:
                self.world.wipe_nats()
                await self._back(target, after=disturbance.seconds)
            case Action.DELETE:
                await self._delete(target)
            case Action.STOP if target in RUNNERS:
                await self._stop_runner(target, disturbance.seconds)
            case Action.STOP:
                self.world.signal(target, signal.SIGSTOP)
                await asyncio.sleep(disturbance.seconds)
                self.world.signal(target, signal.SIGCONT)
            case Action.KILL_CONTAINER:
                await asyncio.to_thread(_kill_container, target, self.world.engine)
        felt = Felt(disturbance, target, begin, time.time(), seen)
        self.felt.append(felt)
        return felt

    def _holder(self, check: str) -> str:
        runner = self.records.last_runner(check) if check else ""
        return runner if runner in RUNNERS else RUNNERS[0]

    async def _back(self, target: str, *, after: float) -> None:
        await asyncio.sleep(after)
        await self.world.start(target)

    async def _delete(self, stream: str) -> None:
        url, token = self.world.nats.url, self.world.nats.token
        async with bus.connected(url, token=token, name="chaos deletes") as client:
            with contextlib.suppress(nats.js.errors.NotFoundError):
                await client.jetstream().delete_stream(stream)

    async def _stop_runner(self, runner: str, seconds: float) -> None:
        """Stops a runner beyond its lease; what others finished meanwhile must stay as it is."""
        await self.moments.next(Moment.RUNNING, seconds=_SEEN_SECONDS)
        self.world.signal(runner, signal.SIGSTOP)
        held = await asyncio.to_thread(self.records.held, runner)
        try:
            await asyncio.sleep(seconds)
            await self._finished(held)
        finally:
            before = {check: self.records.of_check(check) for check in held}
            heard = self.records.heard(runner)
            self.world.signal(runner, signal.SIGCONT)
        await self._heard_again(runner, since=heard)
        self.taken_over += len(held)
        for check, rows in before.items():
            if self.records.of_check(check) != rows:
                self.changed_after_the_end.append(check)

    async def _finished(self, checks: list[str]) -> None:
        late = deadline(_TAKEN_OVER_SECONDS)
        while not all(await asyncio.to_thread(self._verdicts, checks)):
            assert not late(), f"nobody took over {checks}"
            await asyncio.sleep(0.1)

    def _verdicts(self, checks: list[str]) -> list[int]:
        return [self.records.verdict(check) for check in checks]

    async def _heard_again(self, runner: str, *, since: int) -> None:
        """Waits for some heartbeats: the runner then had time to say what it had to say."""
        late = deadline(_TAKEN_OVER_SECONDS)
        for _ in range(4):
            while (heard := await asyncio.to_thread(self.records.heard, runner)) <= since:
                assert not late(), f"{runner} does not come back"
                await asyncio.sleep(0.05)
            since = heard


def _kill_container(runner: str, engine: VictimEngine | None) -> None:
    """Kills one of the runner's containers, if it has any."""
    environment = {**os.environ, **({"DOCKER_HOST": engine.host} if engine else {})}
    listed = subprocess.run(
        ["docker", "ps", "-q", "--filter", f"label={RUNNER_LABEL}={runner}"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for container in listed.stdout.split()[:1]:
        subprocess.run(
            ["docker", "kill", container], env=environment, capture_output=True, check=False
        )
