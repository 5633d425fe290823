"""Verdict changes in SQL: noted when checks finish."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    true,
    update,
)

from services.scheduler.domain.check import UNTRUSTED_POOL, Check, Verdict
from services.scheduler.domain.history import TELLING
from services.scheduler.domain.verdict_changes import (
    ChangeKind,
    VerdictChange,
    VerdictPoint,
    kind_of,
)
from services.scheduler.sql.environment_tables import check_inputs
from services.scheduler.sql.history_tables import outcomes
from services.scheduler.sql.notification_tables import verdict_changes
from services.scheduler.sql.rows import present, to_micros
from services.scheduler.sql.schema import checks

IMPORTED = "imported"
"""Pool of the checks of imported runs."""

_v = verdict_changes.c
_after = checks.alias("after")
_before = checks.alias("before")
_TELLING = sorted(verdict.value for verdict in TELLING)


def _says(table: Any) -> Any:
    """Whether a check says how its entity is: no failure of ours, no trial, no proposal."""
    return and_(
        table.c.verdict.in_(_TELLING),
        table.c.environment.not_like("%@%"),
        table.c.pool != UNTRUSTED_POOL,
    )


def _neighbour(*, newer: bool) -> Select[Any]:
    beyond = checks.c.id > bindparam("of") if newer else checks.c.id < bindparam("of")
    return (
        select(checks.c.id, checks.c.verdict, checks.c.finish_time, checks.c.create_time)
        .where(checks.c.entity == bindparam("entity"), beyond, _says(checks))
        .order_by(checks.c.id if newer else checks.c.id.desc())
        .limit(1)
    )


_OLDER = _neighbour(newer=False)
_NEWER = _neighbour(newer=True)
_NEW = insert(verdict_changes).returning(_v.number)
_GONE = delete(verdict_changes).where(_v.check_id == bindparam("of"))
_KNOWN = select(_v.number).where(_v.check_id == bindparam("of"))
_CORRECT = (
    update(verdict_changes)
    .where(_v.check_id == bindparam("of"))
    .values(kind=bindparam("new_kind"), before_check=bindparam("new_before"))
)


def _point(table: Any, prefix: str) -> tuple[list[Any], list[tuple[Any, Any]]]:
    """Columns of a check as one of the two points of a change, and what they are joined from."""
    said, inputs = outcomes.alias(f"{prefix}_said"), check_inputs.alias(f"{prefix}_inputs")
    columns = [
        *(table.c[name] for name in ("id", "verdict", "revision", "commit", "environment")),
        func.coalesce(table.c.finish_time, table.c.create_time).label("time"),
        said.c.environment_digest,
        said.c.title,
        inputs.c.closure,
    ]
    joined = [(said, said.c.check_id == table.c.id), (inputs, inputs.c.check_id == table.c.id)]
    return [column.label(f"{prefix}_{column.name}") for column in columns], joined


_AFTER, _AFTER_JOINS = _point(_after, "after")
_BEFORE, _BEFORE_JOINS = _point(_before, "before")


def _changes() -> Select[Any]:
    source: Any = verdict_changes.join(_after, _after.c.id == _v.check_id)
    for table, condition in (
        (_before, _before.c.id == _v.before_check),
        *_AFTER_JOINS,
        *_BEFORE_JOINS,
    ):
        source = source.outerjoin(table, condition)
    pool = _after.c.pool
    return select(_v.number, _v.entity, _v.kind, pool, *_AFTER, *_BEFORE).select_from(source)


CHANGES = _changes()
"""Selects changes with both their checks."""
_ONE = CHANGES.where(_v.number == bindparam("number"))


def note_changes(connection: Connection, finished: Sequence[Check]) -> list[VerdictChange]:
    """Notes what checks that just finished change, in the transaction of the caller.

    Returns:
        What there is to tell: neither what is imported, nor what a late check of the past brings.
    """
    found: list[VerdictChange] = []
    # Newest first: so none of them is corrected before it is noted.
    for check in sorted(finished, key=lambda one: one.id, reverse=True):
        if check.result is None or check.result.verdict not in TELLING:
            continue
        if check.of_candidate or check.untrusted:
            continue
        of = {"of": check.id, "entity": check.entity}
        older = connection.execute(_OLDER, of).first()
        newer = connection.execute(_NEWER, of).first()
        told = newer is None and check.pool != IMPORTED
        before = None if older is None else Verdict(older.verdict)
        kind = kind_of(before, check.result.verdict)
        if kind is not None:
            row = {
                "check_id": check.id,
                "before_check": older.id if older is not None else "",
                "entity": check.entity,
                "kind": kind.value,
                "time": to_micros(check.finish_time or check.create_time),
                "told": told,
            }
            number = connection.execute(_NEW, row).scalar_one()
            if told:
                found.append(change_of(connection.execute(_ONE, {"number": number}).one()))
        if newer is not None:
            _correct(connection, newer, entity=check.entity, before=check)
    return found


def _correct(connection: Connection, newer: Row[Any], *, entity: str, before: Check) -> None:
    """Notes anew what a check changes that has another one before it now."""
    assert before.result is not None  # noqa: S101  # by the caller
    kind = kind_of(before.result.verdict, Verdict(newer.verdict))
    if kind is None:
        connection.execute(_GONE, {"of": newer.id})
    elif connection.execute(_KNOWN, {"of": newer.id}).first() is not None:
        change = {"of": newer.id, "new_kind": kind.value, "new_before": before.id}
        connection.execute(_CORRECT, change)
    else:
        time = newer.finish_time if newer.finish_time is not None else newer.create_time
        row = {"check_id": newer.id, "before_check": before.id, "entity": entity}
        connection.execute(_NEW, {**row, "kind": kind.value, "time": time, "told": False})


def fill_changes(connection: Connection) -> None:
    """Notes the changes of all checks of a database that has none noted yet; they are not told."""
    history = (
        select(
            checks.c.id,
            checks.c.entity,
            checks.c.verdict,
            func.coalesce(checks.c.finish_time, checks.c.create_time).label("time"),
            func.lag(checks.c.id)
            .over(partition_by=checks.c.entity, order_by=checks.c.id)
            .label("before_id"),
            func.lag(checks.c.verdict)
            .over(partition_by=checks.c.entity, order_by=checks.c.id)
            .label("before_verdict"),
        )
        .where(_says(checks))
        .subquery()
    )
    h = history.c
    good = Verdict.SUCCESS.value
    kind = case(
        (h.before_verdict.is_(None), ChangeKind.FIRST.value),
        (h.verdict == good, ChangeKind.REPAIRED.value),
        (h.before_verdict == good, ChangeKind.BROKEN.value),
        else_=ChangeKind.CHANGED.value,
    )
    connection.execute(
        insert(verdict_changes).from_select(
            ["check_id", "before_check", "entity", "kind", "time", "told"],
            select(h.id, func.coalesce(h.before_id, ""), h.entity, kind, h.time, ~true())
            .where(or_(h.before_verdict.is_(None), h.before_verdict != h.verdict))
            .order_by(h.id),
        )
    )


def change_of(row: Row[Any]) -> VerdictChange:
    """Turns a row of `CHANGES` into a change."""
    return VerdictChange(
        number=row.number,
        entity=row.entity,
        kind=ChangeKind(row.kind),
        after=_point_of(row, "after"),
        before=None if row.before_id is None else _point_of(row, "before"),
        imported=row.pool == IMPORTED,
    )


def _point_of(row: Row[Any], prefix: str) -> VerdictPoint:
    found = row._mapping  # noqa: SLF001  # SQLAlchemy's public way to columns by name
    return VerdictPoint(
        check=found[f"{prefix}_id"],
        verdict=Verdict(found[f"{prefix}_verdict"]),
        finish_time=present(found[f"{prefix}_time"]),
        revision=found[f"{prefix}_revision"],
        commit=found[f"{prefix}_commit"],
        environment=found[f"{prefix}_environment"],
        environment_digest=found[f"{prefix}_environment_digest"] or "",
        title=found[f"{prefix}_title"] or "",
        closure=found[f"{prefix}_closure"] or "",
    )
