"""What has to hold at the end, whatever happened: looked up in SQL and in the artefact store."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.scheduler.domain.check import SCHEDULER_SEQUENCE, State, Verdict
from services.scheduler.domain.machine import Retries
from tests.chaos import entities
from tests.chaos.disturbances import Felt
from tests.chaos.plan import Plan
from tests.chaos.records import Files, Records
from tests.chaos.watching import Watched

ATTEMPT_SLACK_SECONDS = 10.0
"""An attempt lasts no longer than lease, limit and this."""
_FELT_SECONDS = 6.0
"""How long after its end, and beyond a lease, a disturbance may still make an attempt fail."""
_ASKED_BY_ATTEMPTS = frozenset({"scheduler", "catalog"})
"""An attempt waits for them to come back: for what it runs, and for its end to be written down."""
_FAILURES = Retries().attempts


@dataclass(frozen=True)
class Evidence:
    """All that was found after the end."""

    plan: Plan
    checks: Sequence[dict[str, Any]]
    attempts: Mapping[str, Sequence[dict[str, Any]]]
    results: Mapping[str, dict[str, Any]]
    files: Mapping[str, Files]
    outbox: int
    artefacts: Path
    requested: Mapping[str, str]
    """Check id that was answered, by entity key."""
    felt: Sequence[Felt]
    watched: Sequence[Watched]


def evidence(
    plan: Plan,
    records: Records,
    *,
    artefacts: Path,
    requested: Mapping[str, str],
    felt: Sequence[Felt],
    watched: Sequence[Watched],
) -> Evidence:
    """Reads everything."""
    return Evidence(
        plan=plan,
        checks=records.checks(),
        attempts=records.attempts(),
        results=records.results(),
        files=records.files(),
        outbox=records.outbox(),
        artefacts=artefacts,
        requested=requested,
        felt=felt,
        watched=watched,
    )


def broken(found: Evidence) -> list[str]:
    """Every invariant that does not hold, as a line for people."""
    lines = list(_each_exactly_once(found))
    for check in found.checks:
        name = f"{check['entity']} (checks/{check['id']})"
        attempts = found.attempts.get(check["id"], ())
        for rule in (_ended, _attempts, _verdict, _kept, _in_time, _explained):
            lines += [f"{name}: {line}" for line in rule(found, check, attempts)]
    for watched in found.watched:
        lines += [f"watch of checks/{watched.check}: {line}" for line in _watch(found, watched)]
    if found.outbox:
        lines.append(f"{found.outbox} messages are still in the outbox")
    return lines


def _each_exactly_once(found: Evidence) -> Iterator[str]:
    """As many checks as were asked for, and each the one that was answered."""
    stored = {check["entity"]: check["id"] for check in found.checks}
    if len(found.checks) != len(found.plan.keys):
        yield f"{len(found.plan.keys)} checks were asked for, {len(found.checks)} exist"
    for key in found.plan.keys:
        if stored.get(key) != found.requested.get(key):
            yield f"{key}: answered {found.requested.get(key)}, stored {stored.get(key)}"


def _ended(found: Evidence, check: dict[str, Any], attempts: Sequence[Any]) -> Iterator[str]:
    """Finished, with one result that says the same, and no lease."""
    if check["state"] != State.FINISHED:
        yield f"not finished: state {check['state']}"
        return
    result = found.results.get(check["id"])
    if result is None or result["verdict"] != check["verdict"] or not check["verdict"]:
        yield f"verdict {check['verdict']}, result {result}"
    if check["runner"] is not None or check["finish_time"] is None:
        yield "finished, and still leased or without a time"


def _attempts(found: Evidence, check: dict[str, Any], attempts: Sequence[Any]) -> Iterator[str]:
    """Attempts are the claims, all over; one of them, at most, has the verdict."""
    numbers = [row["attempt"] for row in attempts]
    if numbers != list(range(1, check["attempt"] + 1)):
        yield f"{check['attempt']} attempts, but rows {numbers}"
    if any(row["end_time"] is None for row in attempts):
        yield "an attempt has no end"
    winners = [row["attempt"] for row in attempts if row["verdict"]]
    if winners != ([check["finished_by"]] if check["finished_by"] else []):
        yield f"finished by {check['finished_by']}, but verdicts in attempts {winners}"
    if check["finished_by"] not in (0, check["attempt"]):
        yield f"finished by attempt {check['finished_by']} of {check['attempt']}"
    failed = [row for row in attempts if row["reason"] is not None]
    if check["failures"] > _FAILURES or check["failures"] > len(failed):
        yield f"{check['failures']} failures in {len(failed)} failed attempts"


def _verdict(found: Evidence, check: dict[str, Any], attempts: Sequence[Any]) -> Iterator[str]:
    """What the entity is made for; else cancelled if asked to, or given up for good reason."""
    if not check["verdict"]:
        return
    verdict = Verdict(check["verdict"])
    if verdict is entities.BY_LETTER[check["entity"][0]].verdict:
        return
    if verdict is Verdict.CANCELLED and check["cancel_requested"]:
        return
    if verdict is Verdict.INFRASTRUCTURE_ERROR and check["failures"] >= _FAILURES:
        return
    message = found.results.get(check["id"], {}).get("message")
    yield f"{verdict.name}: {message}"


def _kept(found: Evidence, check: dict[str, Any], attempts: Sequence[Any]) -> Iterator[str]:
    """What ran has its log and its artefacts, with the content they are named after."""
    if not check["finished_by"]:
        return
    files = found.files.get(check["id"])
    if files is None or not files.log:
        if check["verdict"] != Verdict.INFRASTRUCTURE_ERROR:
            yield "it ran and has no log"
        return
    for digest in (files.log, *files.paths.values()):
        path = found.artefacts / digest[:2] / digest
        if not path.exists():
            yield f"artefacts/{digest} is not in the store"
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            yield f"artefacts/{digest} has another content"
    if check["entity"].startswith("A") and check["verdict"] == Verdict.SUCCESS:
        wanted = {entities.content_of(check["entity"], n) for n in range(entities.ARTEFACTS)}
        if not wanted <= set(files.paths.values()):
            yield f"it lacks files that it wrote: {sorted(files.paths)}"


def _in_time(found: Evidence, check: dict[str, Any], attempts: Sequence[Any]) -> Iterator[str]:
    """No attempt lasts longer than lease, limit and some seconds, once who it asks is back.

    Only the time without scheduler or catalog is left out: nobody can end an attempt that nobody
    can write down, and what waits for its inputs runs nothing. That its runner, the engine, the
    broker or the gateway was away excuses nothing: that is what leases are for.
    """
    most = found.plan.lease_seconds + found.plan.wall_seconds + ATTEMPT_SLACK_SECONDS
    for row in attempts:
        begin, end = row["claim_time"] / 1e6, (row["end_time"] or 0) / 1e6
        without = sum(
            max(0.0, min(end, felt.end) - max(begin, felt.begin))
            for felt in found.felt
            if felt.target in _ASKED_BY_ATTEMPTS
        )
        if end - begin - without > most:
            yield (
                f"attempt {row['attempt']} lasted {end - begin:.1f} s, of which a service was away "
                f"for {without:.1f} s; allowed are {most:g} s beside that"
            )


def _explained(found: Evidence, check: dict[str, Any], attempts: Sequence[Any]) -> Iterator[str]:
    """An attempt fails only where something was disturbed."""
    felt_for = found.plan.lease_seconds + _FELT_SECONDS
    for row in attempts:
        if row["reason"] is None:
            continue
        begin, end = row["claim_time"] / 1e6, (row["end_time"] or 0) / 1e6
        if not any(felt.begin <= end and begin <= felt.end + felt_for for felt in found.felt):
            yield f"attempt {row['attempt']} failed for nothing: {row['reason']}"


def _watch(found: Evidence, watched: Watched) -> Iterator[str]:
    """In order, each once, and in the attempt that counts none left out without saying so."""
    positions = watched.positions
    if not watched.finished:
        yield "it never came to the verdict"
    if positions != sorted(set(positions)):
        yield f"out of order or twice: {positions}"
    check = next(check for check in found.checks if check["id"] == watched.check)
    if check["final_sequence"] == SCHEDULER_SEQUENCE:
        return  # nobody stored a log
    seen = [position for position in positions if position[0] == check["attempt"]]
    before = 0
    for position in seen:
        stands_for = watched.announced.get(position, 1)
        if position[1] - before > stands_for:
            yield f"gap before {position}: {positions}"
        before = position[1]
    if before != check["final_sequence"]:
        yield f"it ends at {before}, not at {check['final_sequence']}"
