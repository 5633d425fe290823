"""Rows of the tables as domain values, and back."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, select

from services.scheduler.domain.check import (
    Basis,
    Check,
    FailedAttempt,
    Lease,
    Limits,
    Result,
    State,
    Verdict,
)
from services.scheduler.sql.environment_tables import check_inputs
from services.scheduler.sql.schema import attempts, checks, results

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_i = check_inputs.c
_origin = results.alias("origin")

CHECK: Select[Any] = select(
    *(column for column in checks.c),
    results.c.message.label("result_message"),
    results.c.log.label("result_log"),
    func.coalesce(_origin.c.payload, results.c.payload).label("result_payload"),
    *(_i[name] for name in ("closure", "image", "runtime", "forced", "reused_from")),
    *(_i[name] for name in ("ran_image", "ran_runtime", "on_revision")),
).select_from(
    checks.outerjoin(results, results.c.check_id == checks.c.id)
    .outerjoin(check_inputs, _i.check_id == checks.c.id)
    .outerjoin(_origin, (_i.reused_from != "") & (_origin.c.check_id == _i.reused_from))
)
"""Selects all there is of checks but their failed attempts and the folders of their closures.

A result that is reused is kept once: its payload is that of the check that ran.
"""


_PAST = (
    select(attempts)
    .where(
        attempts.c.check_id.in_(bindparam("wanted", expanding=True)),
        attempts.c.reason.is_not(None),
    )
    .order_by(attempts.c.check_id, attempts.c.attempt)
)


def to_micros(time: datetime | None) -> int | None:
    """Converts a time to microseconds since 1970."""
    return None if time is None else (time - _EPOCH) // _MICROSECOND


def from_micros(micros: int | None) -> datetime | None:
    """Converts microseconds since 1970 to a time."""
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)


def present(micros: int) -> datetime:
    """Converts microseconds since 1970, which are there, to a time."""
    return _EPOCH + timedelta(microseconds=micros)


CHANGING = (
    "state",
    "verdict",
    "attempt",
    "failures",
    "ended_attempts",
    "finished_by",
    "final_sequence",
    "cancel_requested",
    "start_time",
    "finish_time",
    "not_before",
    "runner",
    "incarnation",
    "claim_id",
    "claim_time",
    "lease_expires",
    "change",
)
"""Columns of a check that transitions change."""


def values_of(check: Check) -> dict[str, Any]:
    """Gives the columns of a check that the domain owns."""
    return {
        "id": check.id,
        "entity": check.entity,
        "revision": check.revision,
        "commit": check.commit,
        "environment": check.environment,
        "run": check.run,
        "pool": check.pool,
        "priority": check.priority,
        "rank": check.rank,
        "requester": check.requester,
        "expected_seconds": check.expected_seconds,
        "inputs_digest": check.inputs_digest,
        "seed": check.seed,
        "limits": _limits_text(check.limits),
        "create_time": to_micros(check.create_time),
        **changing_values_of(check),
    }


def changing_values_of(check: Check) -> dict[str, Any]:
    """Gives the columns `CHANGING` of a check."""
    lease = check.lease
    return {
        "state": check.state.value,
        "verdict": check.result.verdict.value if check.result else 0,
        "attempt": check.attempt,
        "failures": check.failures,
        "ended_attempts": len(check.failed_attempts),
        "finished_by": check.finished_by,
        "final_sequence": check.final_sequence,
        "cancel_requested": check.cancel_requested,
        "start_time": to_micros(check.start_time),
        "finish_time": to_micros(check.finish_time),
        "not_before": to_micros(check.not_before),
        "runner": lease.runner if lease else None,
        "incarnation": lease.incarnation if lease else None,
        "claim_id": lease.claim_id if lease else None,
        "claim_time": to_micros(lease.claim_time) if lease else None,
        "lease_expires": to_micros(lease.expires) if lease else None,
        "change": check.change,
    }


def checks_of(connection: Connection, rows: list[Row[Any]]) -> list[Check]:
    """Turns rows of `CHECK` into checks; failed attempts are read where there are any."""
    with_past = [row.id for row in rows if row.ended_attempts]
    past: dict[str, list[FailedAttempt]] = {}
    if with_past:
        for row in connection.execute(_PAST, {"wanted": with_past}):
            past.setdefault(row.check_id, []).append(
                FailedAttempt(
                    attempt=row.attempt,
                    runner=row.runner,
                    reason=row.reason,
                    end_time=present(row.end_time),
                    reported=row.reported,
                )
            )
    return [_check_of(row, tuple(past.get(row.id, ()))) for row in rows]


def _check_of(row: Row[Any], past: tuple[FailedAttempt, ...]) -> Check:
    lease = None
    if row.claim_id is not None:
        lease = Lease(
            runner=row.runner,
            incarnation=row.incarnation,
            claim_id=row.claim_id,
            claim_time=present(row.claim_time),
            expires=present(row.lease_expires),
        )
    result = None
    if row.verdict:
        result = Result(
            verdict=Verdict(row.verdict),
            message=row.result_message,
            log=row.result_log,
            payload=row.result_payload,
            image=row.ran_image or "",
            runtime=row.ran_runtime or "",
            on_revision=bool(row.on_revision),
        )
    basis = None
    if row.closure is not None:
        basis = Basis(closure=row.closure, image=row.image, runtime=row.runtime, forced=row.forced)
    return Check(
        id=row.id,
        entity=row.entity,
        revision=row.revision,
        commit=row.commit,
        environment=row.environment,
        run=row.run,
        pool=row.pool,
        priority=row.priority,
        rank=row.rank,
        requester=row.requester,
        expected_seconds=row.expected_seconds,
        inputs_digest=row.inputs_digest,
        seed=row.seed,
        limits=_limits_of(row.limits),
        state=State(row.state),
        attempt=row.attempt,
        failures=row.failures,
        finished_by=row.finished_by,
        final_sequence=row.final_sequence,
        cancel_requested=row.cancel_requested,
        create_time=present(row.create_time),
        start_time=from_micros(row.start_time),
        finish_time=from_micros(row.finish_time),
        not_before=from_micros(row.not_before),
        lease=lease,
        failed_attempts=past,
        result=result,
        basis=basis,
        reused_from=row.reused_from or "",
        change=row.change,
    )


@lru_cache(maxsize=256)
def _limits_text(limits: Limits) -> str:
    return json.dumps(dataclasses.asdict(limits), sort_keys=True)


@lru_cache(maxsize=256)
def _limits_of(text: str) -> Limits:
    return Limits(**json.loads(text))
