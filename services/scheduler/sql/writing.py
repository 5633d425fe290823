"""Statements that several parts of the store write with, inside a transaction of their caller."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, case, insert, select, update

from services.errors import NotFoundError
from services.scheduler.artefacts.content_types import LOG as LOG_CONTENT_TYPE
from services.scheduler.domain.check import Check
from services.scheduler.ports.store import Announce, Message
from services.scheduler.sql import schema
from services.scheduler.sql.database import Database
from services.scheduler.sql.environment_tables import check_inputs
from services.scheduler.sql.environments import save_closures
from services.scheduler.sql.notices import tell_changes
from services.scheduler.sql.outcomes import keep_outcomes
from services.scheduler.sql.reuse import save_inputs, with_results
from services.scheduler.sql.rows import (
    CHANGING,
    CHECK,
    checks_of,
    to_micros,
    values_of,
)
from services.scheduler.sql.verdicts import keep_verdicts

_c = schema.checks.c
_a = schema.attempts.c
_q = schema.requests.c

_ONE = CHECK.where(_c.id == bindparam("wanted"))
_JOB_IS_OVER = bindparam("job_is_over", type_=schema.checks.c.cancel_requested.type)
SAVE = (
    update(schema.checks)
    .where(
        _c.id == bindparam("of_check"),
        _c.attempt == bindparam("of_attempt"),
        _c.state == bindparam("of_state"),
    )
    .values(
        {
            **{name: bindparam(name, type_=_c[name].type) for name in CHANGING},
            "published_time": case((_JOB_IS_OVER, None), else_=_c.published_time),
            "job_sequence": case((_JOB_IS_OVER, None), else_=_c.job_sequence),
        }
    )
)
"""Saves what a transition changed, if attempt and state are as they were."""
_REQUEST = select(_q.resource).where(
    _q.kind == bindparam("kind"), _q.request_id == bindparam("request")
)
_ACTIVE_WITH = select(_c.id).where(schema.JOINABLE, _c.inputs_digest == bindparam("inputs_digest"))
_NEW_ATTEMPT = insert(schema.attempts)
_END_ATTEMPT = (
    update(schema.attempts)
    .where(_a.check_id == bindparam("of_check"), _a.attempt == bindparam("of_attempt"))
    .values(
        {
            name: bindparam(name, type_=_a[name].type)
            for name in ("start_time", "end_time", "reason", "reported", "verdict")
        }
    )
)
_NEW_RESULT = insert(schema.results)
_NEW_FILE = insert(schema.check_artefacts)
_SAME_FILES = insert(schema.check_artefacts).from_select(
    [column.name for column in schema.check_artefacts.c],
    select(
        check_inputs.c.check_id,
        *(column for column in schema.check_artefacts.c if column.name != "check_id"),
    )
    .join(schema.check_artefacts, schema.check_artefacts.c.check_id == check_inputs.c.reused_from)
    .where(check_inputs.c.check_id.in_(bindparam("wanted", expanding=True))),
)
"""Lets reused results refer to the same files, so that these are kept while one of them is."""
_LOG_PLACE = -1
"""Beside the artefacts of a check, so that its log can be downloaded as one."""
_NEW_MESSAGE = insert(schema.outbox)
_NEW_REQUEST = insert(schema.requests)


def one(connection: Connection, check_id: str) -> Check:
    """Reads one check.

    Raises:
        NotFoundError: There is none of that id.
    """
    rows = list(connection.execute(_ONE, {"wanted": check_id}))
    if not rows:
        raise NotFoundError(f"there is no check named checks/{check_id}", name=f"checks/{check_id}")
    return checks_of(connection, rows)[0]


def requested(connection: Connection, *, kind: str, request_id: str) -> str | None:
    """Gives the id of what an equal request made before."""
    found = connection.execute(_REQUEST, {"kind": kind, "request": request_id})
    resource: str | None = found.scalar_one_or_none()
    return resource


def remember(connection: Connection, *, kind: str, request_id: str, resource: str) -> None:
    """Notes what a request made."""
    connection.execute(_NEW_REQUEST, {"kind": kind, "request_id": request_id, "resource": resource})


def active_with(connection: Connection, inputs_digest: str) -> str:
    """Gives the id of the check with these inputs that is not finished and not being stopped."""
    return str(connection.execute(_ACTIVE_WITH, {"inputs_digest": inputs_digest}).scalar_one())


def insert_checks(
    database: Database,
    connection: Connection,
    wanted: Sequence[Check],
    *,
    change: int,
    announce: Announce,
    alone: bool = False,
) -> list[Check]:
    """Adds those checks that have no equal active one, and gives them.

    Those for which an equal result exists are finished with it. They get the change numbers that
    end with `change`: each its own, so that a watcher of a run can stop and go on between any two.
    Those that are asked for `alone`, and not only with a run, are not cancelled with one.
    """
    first = change - len(wanted) + 1
    statement = _new_check(database)
    created: list[Check] = []
    for place, check in enumerate(with_results(connection, wanted)):
        numbered = dataclasses.replace(check, change=first + place)
        row = {**values_of(numbered), "publications": 0, "asked_alone": alone}
        if connection.execute(statement, row).scalar_one_or_none() is not None:
            created.append(numbered)
    save_closures(database, connection, created)
    save_inputs(connection, created)
    save_results(database, connection, [check for check in created if check.result is not None])
    post(connection, [message for check in created for message in announce(None, check)])
    return created


_NEW_CHECKS: dict[bool, Any] = {}


def _new_check(database: Database) -> Any:
    """The statement is made once, so that it is compiled once."""
    if database.is_sqlite not in _NEW_CHECKS:
        _NEW_CHECKS[database.is_sqlite] = (
            database.insert(schema.checks)
            .on_conflict_do_nothing(
                index_elements=["inputs_digest"], index_where=schema.ONE_JOINABLE
            )
            .returning(_c.id)
        )
    return _NEW_CHECKS[database.is_sqlite]


def post(connection: Connection, messages: Sequence[Message]) -> None:
    """Puts messages into the outbox."""
    rows = [
        {
            "subject": message.subject,
            "message_id": message.message_id,
            "payload": message.payload,
        }
        for message in messages
    ]
    if rows:
        connection.execute(_NEW_MESSAGE, rows)


def save_attempts(connection: Connection, before: Check, after: Check) -> None:
    """Notes a new attempt, or how one ended."""
    if after.attempt != before.attempt and after.lease is not None:
        connection.execute(
            _NEW_ATTEMPT,
            {
                "check_id": after.id,
                "attempt": after.attempt,
                "runner": after.lease.runner,
                "incarnation": after.lease.incarnation,
                "claim_time": to_micros(after.lease.claim_time),
                "reported": False,
                "verdict": 0,
            },
        )
        return
    ended: dict[str, Any] = {"reason": None, "reported": False, "end_time": None, "verdict": 0}
    for past in after.failed_attempts[len(before.failed_attempts) :]:
        ended |= {
            "reason": past.reason,
            "end_time": to_micros(past.end_time),
            "reported": past.reported,
        }
    if after.result is not None and before.result is None and after.finished_by:
        ended |= {"verdict": after.result.verdict.value, "end_time": to_micros(after.finish_time)}
    if ended["end_time"] is not None:
        connection.execute(
            _END_ATTEMPT,
            {
                "of_check": after.id,
                "of_attempt": before.attempt,
                "start_time": to_micros(before.start_time),
                **ended,
            },
        )


def save_results(database: Database, connection: Connection, finished: Sequence[Check]) -> None:
    """Stores the results of checks, and what they say about their entities."""
    results = [(check, check.result) for check in finished if check.result is not None]
    if not results:
        return
    connection.execute(
        _NEW_RESULT,
        [
            {
                "check_id": check.id,
                "verdict": result.verdict.value,
                "message": result.message,
                "log": result.log,
                "payload": b"" if check.reused_from else result.payload,
            }
            for check, result in results
        ],
    )
    keep_verdicts(connection, finished, database=database)
    keep_outcomes(connection, finished, database=database)
    tell_changes(connection, finished)
    files = [
        {
            "check_id": check.id,
            "place": place,
            **dataclasses.asdict(file),
        }
        for check, result in results
        if not check.reused_from
        for place, file in enumerate(result.artefacts)
    ]
    files += [
        {
            "check_id": check.id,
            "place": _LOG_PLACE,
            "sha256": result.log,
            "path": "",
            "size": 0,
            "content_type": LOG_CONTENT_TYPE,
        }
        for check, result in results
        if result.log and not check.reused_from
    ]
    if files:
        connection.execute(_NEW_FILE, files)
    reused = [check.id for check, _ in results if check.reused_from]
    if reused:
        connection.execute(_SAME_FILES, {"wanted": reused})
