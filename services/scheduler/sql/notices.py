"""What the transactions that finish checks and runs leave for webhooks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from services.scheduler.domain.check import Check, RunSummary
from services.scheduler.domain.names import new_id
from services.scheduler.domain.notifications import (
    RUN_FINISHED,
    Delivery,
    change_body,
    change_event,
    run_body,
)
from services.scheduler.sql import schema
from services.scheduler.sql.notification_tables import webhook_deliveries, webhooks
from services.scheduler.sql.rows import to_micros
from services.scheduler.sql.verdict_changes import note_changes

_m = schema.run_checks.c
_WEBHOOKS = select(webhooks.c.id, webhooks.c.events)
_NEW = insert(webhook_deliveries)
_RUNS = select(_m.run_id).where(_m.check_id == bindparam("of"))
_UNFINISHED = (
    select(_m.check_id)
    .join(schema.checks, schema.checks.c.id == _m.check_id)
    .where(_m.run_id == bindparam("of"), schema.UNFINISHED)
    # The last of a run are mostly the last to finish, so that one is found at once.
    .order_by(_m.check_id.desc())
    .limit(1)
)


def tell_changes(connection: Connection, finished: Sequence[Check]) -> None:
    """Notes the verdict changes that checks bring, and lets webhooks be told of them."""
    changes = note_changes(connection, finished)
    if not changes:
        return
    asking = _asking(connection)
    for change in changes:
        event = change_event(change)
        time = change.after.finish_time
        for webhook in asking.get(event, ()):
            delivery = new_id()
            body = change_body(delivery, change)
            _post(connection, delivery, webhook=webhook, event=event, body=body, time=time)


def finished_runs(connection: Connection, check: Check) -> list[str]:
    """Gives the ids of runs that a check which just finished was the last of.

    Nothing where no webhook asks for them.
    """
    if RUN_FINISHED not in _asking(connection):
        return []
    return [
        run
        for run in connection.execute(_RUNS, {"of": check.id}).scalars().all()
        if connection.execute(_UNFINISHED, {"of": run}).first() is None
    ]


def tell_runs(connection: Connection, runs: Sequence[RunSummary]) -> None:
    """Lets webhooks be told of those runs that are finished."""
    asking = _asking(connection).get(RUN_FINISHED, ()) if runs else ()
    for summary in runs:
        time = summary.finish_time
        for webhook in asking if time is not None else ():
            assert time is not None  # noqa: S101  # by the line above
            delivery = new_id()
            body = run_body(delivery, summary, time=time)
            _post(connection, delivery, webhook=webhook, event=RUN_FINISHED, body=body, time=time)


def values_of(delivery: Delivery) -> dict[str, Any]:
    """Gives the columns of a delivery that was not tried yet."""
    return {
        "id": delivery.id,
        "webhook": delivery.webhook,
        "event": delivery.event,
        "body": delivery.body,
        "create_time": to_micros(delivery.create_time),
        "since": to_micros(delivery.since),
        "next_time": to_micros(delivery.next_time),
        "state": delivery.state.value,
        "tried": delivery.tried,
    }


def _asking(connection: Connection) -> dict[str, list[str]]:
    """The webhooks that ask for each event; there are few."""
    found: dict[str, list[str]] = {}
    for webhook, events in connection.execute(_WEBHOOKS):
        for event in events.split():
            found.setdefault(event, []).append(webhook)
    return found


def _post(
    connection: Connection, delivery: str, *, webhook: str, event: str, body: str, time: datetime
) -> None:
    made = Delivery(
        id=delivery,
        webhook=webhook,
        event=event,
        body=body,
        create_time=time,
        since=time,
        next_time=time,
    )
    connection.execute(_NEW, values_of(made))
