"""What results say, kept in SQL beside them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, or_

from services.scheduler.domain.check import Check
from services.scheduler.domain.fingerprints import METHOD
from services.scheduler.history.outcomes import outcome_of
from services.scheduler.sql.database import Database
from services.scheduler.sql.history_tables import outcomes
from services.scheduler.sql.rows import CHECK, checks_of
from services.scheduler.sql.schema import checks, results

_o = outcomes.c

_BEHIND = (
    CHECK.join(outcomes, _o.check_id == checks.c.id, isouter=True)
    .where(results.c.check_id.is_not(None), or_(_o.check_id.is_(None), _o.method < METHOD))
    .order_by(checks.c.id)
)
_KEEPING: dict[bool, Any] = {}


def keep_outcomes(connection: Connection, finished: Sequence[Check], *, database: Database) -> None:
    """Notes what the results of checks say, in the transaction of the caller."""
    rows = [
        {
            "check_id": outcome.check,
            "method": METHOD,
            "fingerprint": outcome.fingerprint,
            "title": outcome.title,
            "environment_digest": outcome.environment_digest,
            "seconds": outcome.seconds,
            "error": outcome.error,
        }
        for check in finished
        if (outcome := outcome_of(check)) is not None
    ]
    if rows:
        connection.execute(_keeping(database), rows)


def catch_up(connection: Connection, *, limit: int, database: Database) -> int:
    """Makes outcomes that are missing or of an older method, and says how many."""
    found = checks_of(connection, list(connection.execute(_BEHIND.limit(limit))))
    keep_outcomes(connection, found, database=database)
    return len(found)


def _keeping(database: Database) -> Any:
    """The statement is made once, so that it is compiled once."""
    if database.is_sqlite not in _KEEPING:
        new = database.insert(outcomes)
        _KEEPING[database.is_sqlite] = new.on_conflict_do_update(
            index_elements=["check_id"],
            set_={
                column.name: new.excluded[column.name]
                for column in outcomes.c
                if not column.primary_key
            },
        )
    return _KEEPING[database.is_sqlite]
