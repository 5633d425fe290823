"""The chaos test from its beginning to its end."""

import asyncio
import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from services.scheduler.domain.check import Verdict
from tests.chaos.disturbances import Disturber, Felt
from tests.chaos.engine import VictimEngine
from tests.chaos.invariants import broken, evidence
from tests.chaos.plan import Action, Batch, Plan
from tests.chaos.records import Records
from tests.chaos.requests import Requests
from tests.chaos.watching import Watched, observed, watch
from tests.chaos.world import World, deadline, running_world

_WARM_SECONDS = 90.0
_BACKLOG = 30
"""Unfinished checks above which the next disturbance waits."""
_BACKLOG_SECONDS = 180.0
_END_SECONDS = 180.0
"""How long the last checks may take once everything is back."""
_NAMES = re.compile(r"\w*[0-9]\w*")
"""Names and numbers in reasons: without them, equal ones are counted together."""
_MOST_HANDLES = 400
_MOST_BYTES = 600 * 1024**2


@dataclass(frozen=True)
class Report:
    """What came of it."""

    plan: Plan
    seconds: float
    verdicts: Counter[str]
    attempts: int
    failed_attempts: int
    """Those that count; what was handed back is none of them."""
    handed_back: int
    reasons: Counter[str]
    """Of all attempts that ended without a verdict, without names and numbers."""
    given_up: list[str]
    """Checks that ended as infrastructure errors, with the reason of each attempt."""
    longest_seconds: float
    """Of all attempts, whatever was away meanwhile."""
    disturbances: Counter[str]
    unseen: int
    """Disturbances whose moment did not come, so that they happened some time."""
    taken_over: int
    watches: int
    connections: int
    handles: int
    resident_bytes: int
    broken: list[str]

    def __str__(self) -> str:
        verdicts = ", ".join(f"{n} {name.lower()}" for name, n in self.verdicts.most_common())
        felt = ", ".join(f"{n} {name}" for name, n in self.disturbances.most_common())
        ended = f"{self.failed_attempts} failed, {self.handed_back} were handed back"
        lines = [
            f"chaos seed {self.plan.seed}: {self.seconds:.0f} s",
            f"  checks        {sum(self.verdicts.values())}: {verdicts}",
            f"  attempts      {self.attempts}: {ended}",
            *(f"    {count:9} {reason}" for reason, count in self.reasons.most_common()),
            *(f"  given up      {line}" for line in self.given_up),
            f"  longest       {self.longest_seconds:.1f} s, whatever was away meanwhile",
            f"  disturbances  {sum(self.disturbances.values())}: {felt}"
            + (f"; {self.unseen} not at their moment" if self.unseen else ""),
            f"  taken over    {self.taken_over} checks of stopped runners, compared afterwards",
            f"  watches       {self.watches} over {self.connections} connections",
            f"  scheduler     at most {self.handles} handles, {self.resident_bytes / 1e6:.0f} MB",
        ]
        lines += [f"  BROKEN        {line}" for line in self.broken] or ["  all invariants hold"]
        return "\n".join(lines)


@dataclass
class _Size:
    handles: int = 0
    resident_bytes: int = 0

    def measure(self, process: int) -> None:
        """Looks at a process, where the system shows it."""
        folder = Path(f"/proc/{process}")
        try:
            handles = len(list((folder / "fd").iterdir()))
            pages = int((folder / "statm").read_text().split()[1])
        except (OSError, IndexError):
            return
        self.handles = max(self.handles, handles)
        self.resident_bytes = max(self.resident_bytes, pages * os.sysconf("SC_PAGE_SIZE"))


async def run(
    plan: Plan,
    folder: Path,
    *,
    database: str,
    synchronous: str,
    backend: str,
    say: Callable[[str], None],
    engine: VictimEngine | None = None,
) -> Report:
    """Carries out a plan in a new world and looks at what is left.

    Args:
        plan: What happens.
        folder: An empty one; it holds all state and logs afterwards.
        database: SQLAlchemy URL of the scheduler's database.
        synchronous: The same for synchronous reading.
        backend: Of the runners.
        say: Told one line for each thing that happens.
        engine: That of the story, where it is among what is killed.
    """
    started = time.monotonic()
    async with running_world(
        folder, plan, database=database, synchronous=synchronous, backend=backend, engine=engine
    ) as world:
        records = Records(world.database)
        try:
            return await _story(plan, world, records, say=say, started=started)
        finally:
            records.close()


async def _story(
    plan: Plan, world: World, records: Records, *, say: Callable[[str], None], started: float
) -> Report:
    requests = Requests(world, seed=plan.seed)
    size = _Size()
    async with observed(world) as moments:
        disturber = Disturber(world, records, moments, plan.lease_seconds)
        await _both_runners(records)
        watching: dict[asyncio.Task[None], Watched] = {}
        for number, (disturbance, batch) in enumerate(plan.steps, 1):
            asking = asyncio.create_task(requests.ask(batch))
            felt = await disturber.carry_out(disturbance)
            await asking
            watching |= _watchers(world, requests, batch, plan)
            unfinished = await _backlog(records)
            say(_line(number, felt, unfinished=unfinished, started=started))
            size.measure(world.process_id("scheduler"))
        say(f"{time.monotonic() - started:6.1f} s  everything is back; waiting for the rest")
        await _until(lambda: not records.unfinished(), seconds=_END_SECONDS)
        await _ended(list(watching))
        await _until(lambda: not records.outbox(), seconds=10)
        size.measure(world.process_id("scheduler"))
    found = evidence(
        plan, records, artefacts=world.artefacts, requested=requests.checks,
        felt=disturber.felt, watched=list(watching.values()),
    )  # fmt: skip
    lines = broken(found)
    lines += [
        f"checks/{check} was changed by a runner that had been stopped"
        for check in disturber.changed_after_the_end
    ]
    if size.handles > _MOST_HANDLES or size.resident_bytes > _MOST_BYTES:
        lines.append(f"the scheduler grew to {size}")
    rows = [row for attempts in found.attempts.values() for row in attempts]
    reasons = [row["reason"] for row in rows if row["reason"] is not None]
    failures = sum(check["failures"] for check in found.checks)
    return Report(
        plan=plan,
        seconds=time.monotonic() - started,
        verdicts=Counter(
            Verdict(check["verdict"]).name if check["verdict"] else "UNFINISHED"
            for check in found.checks
        ),
        attempts=len(rows),
        longest_seconds=max(((row["end_time"] or 0) - row["claim_time"]) / 1e6 for row in rows),
        failed_attempts=failures,
        handed_back=len(reasons) - failures,
        reasons=Counter(_NAMES.sub("…", reason)[:120] for reason in reasons),
        given_up=[
            f"{check['entity']}: "
            + "; ".join(row["reason"] or "" for row in found.attempts[check["id"]])
            for check in found.checks
            if check["verdict"] == Verdict.INFRASTRUCTURE_ERROR
        ],
        disturbances=Counter(felt.disturbance.action.value for felt in disturber.felt),
        unseen=sum(
            felt.disturbance.action is Action.KILL_AT and not felt.seen for felt in disturber.felt
        ),
        taken_over=disturber.taken_over,
        watches=len(watching),
        connections=sum(one.connections for one in watching.values()),
        handles=size.handles,
        resident_bytes=size.resident_bytes,
        broken=lines,
    )


def _watchers(
    world: World, requests: Requests, batch: Batch, plan: Plan
) -> dict[asyncio.Task[None], Watched]:
    """Watches one of the checks that talk or make files, if there is any."""
    started = {}
    for key in [key for key in batch.keys if key.startswith(("C", "A"))][:1]:
        seen = Watched(requests.checks[key])
        chance = random.Random(f"{plan.seed} {key}")  # noqa: S311  # to be replayed
        started[asyncio.create_task(watch(world, seen, chance=chance))] = seen
    return started


async def _ended(watching: list[asyncio.Task[None]]) -> None:
    """Waits for the watchers; the invariants say which of them never came to the end."""
    if watching:
        _, late = await asyncio.wait(watching, timeout=_END_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


async def _both_runners(records: Records) -> None:
    """A runner that never came would make the test easier."""
    await _until(
        lambda: all(records.heard(runner) for runner in ("runner-a", "runner-b")),
        seconds=_WARM_SECONDS,
    )


async def _backlog(records: Records) -> int:
    await _until(lambda: records.unfinished() <= _BACKLOG, seconds=_BACKLOG_SECONDS)
    return await asyncio.to_thread(records.unfinished)


def _line(number: int, felt: Felt, *, unfinished: int, started: float) -> str:
    where = f" ({felt.target})" if felt.target != felt.disturbance.target else ""
    late = " (not seen in time)" if felt.disturbance.moment and not felt.seen else ""
    passed = time.monotonic() - started
    return f"{passed:6.1f} s  {number}. {felt.disturbance}{where}{late}; {unfinished} unfinished"


async def _until(condition: Callable[[], bool], *, seconds: float) -> None:
    late = deadline(seconds)
    while not await asyncio.to_thread(condition):
        if late():
            return  # the invariants say what is wrong
        await asyncio.sleep(0.1)
