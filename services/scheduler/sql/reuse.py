"""Results that stand for new checks, in SQL, inside a transaction of the caller."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from services.scheduler.domain import machine
from services.scheduler.domain.check import Check
from services.scheduler.domain.reuse import result_digest, wanted_digests
from services.scheduler.sql import schema
from services.scheduler.sql.environment_tables import check_inputs
from services.scheduler.sql.rows import CHECK, checks_of

_c = schema.checks.c
_i = check_inputs.c

_FOUND = (
    select(_i.result_digest, func.max(_i.check_id))
    .where(_i.result_digest.in_(bindparam("wanted", expanding=True)))
    .group_by(_i.result_digest)
)
_ORIGINS = CHECK.where(_c.id.in_(bindparam("wanted", expanding=True)))
_ACTIVE = select(_c.inputs_digest).where(
    schema.JOINABLE, _c.inputs_digest.in_(bindparam("wanted", expanding=True))
)
_NEW = insert(check_inputs)
_RAN = (
    update(check_inputs)
    .where(_i.check_id == bindparam("of_check"))
    .values(
        {
            name: bindparam(name, type_=_i[name].type)
            for name in ("ran_image", "ran_runtime", "on_revision", "result_digest")
        }
    )
)
_AT_ONCE = 5000
"""Digests in one statement; databases bound their number."""


def with_results(connection: Connection, wanted: Sequence[Check]) -> list[Check]:
    """Gives the checks, those finished for which an equal result exists and none is active."""
    digests = {check.id: wanted_digests(check) for check in wanted if not check.finished}
    found = _newest(connection, [digest for each in digests.values() for digest in each])
    if not found:
        return list(wanted)
    candidates = {
        check.id: max(found[digest] for digest in digests[check.id] if digest in found)
        for check in wanted
        if any(digest in found for digest in digests.get(check.id, ()))
    }
    active = _active(
        connection, [check.inputs_digest for check in wanted if check.id in candidates]
    )
    origins = _origins(connection, sorted(set(candidates.values())))
    return [
        machine.reused(check, origin=origins[candidates[check.id]], now=check.create_time)
        if check.id in candidates and check.inputs_digest not in active
        else check
        for check in wanted
    ]


def save_inputs(connection: Connection, created: Sequence[Check]) -> None:
    """Keeps what new checks depend on."""
    rows = [
        {
            "check_id": check.id,
            "closure": check.basis.closure,
            "image": check.basis.image,
            "runtime": check.basis.runtime,
            "forced": check.basis.forced,
            "reused_from": check.reused_from,
            **_ran(check),
        }
        for check in created
        if check.basis is not None
    ]
    if rows:
        connection.execute(_NEW, rows)


def save_ran(connection: Connection, check: Check) -> None:
    """Keeps what a check ran in, and under which digest its result can be found."""
    if check.basis is not None:
        connection.execute(_RAN, {"of_check": check.id, **_ran(check)})


def _ran(check: Check) -> dict[str, Any]:
    result = check.result
    return {
        "ran_image": result.image if result else "",
        "ran_runtime": result.runtime if result else "",
        "on_revision": result.on_revision if result else False,
        "result_digest": result_digest(check) or None,
    }


def _newest(connection: Connection, digests: Sequence[str]) -> dict[str, str]:
    """The newest check with a result of each digest; max over ids is max over times."""
    found: dict[str, str] = {}
    for first in range(0, len(digests), _AT_ONCE):
        asked = {"wanted": digests[first : first + _AT_ONCE]}
        found |= {row[0]: row[1] for row in connection.execute(_FOUND, asked)}
    return found


def _active(connection: Connection, digests: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for first in range(0, len(digests), _AT_ONCE):
        asked = {"wanted": digests[first : first + _AT_ONCE]}
        found |= set(connection.execute(_ACTIVE, asked).scalars())
    return found


def _origins(connection: Connection, ids: Sequence[str]) -> dict[str, Check]:
    found: dict[str, Check] = {}
    for first in range(0, len(ids), _AT_ONCE):
        rows = list(connection.execute(_ORIGINS, {"wanted": ids[first : first + _AT_ONCE]}))
        found |= {check.id: check for check in checks_of(connection, rows)}
    return found
