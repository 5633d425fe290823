"""The store over SQLAlchemy: SQLite (one machine) or PostgreSQL (many)."""

from services.scheduler.ports.store import Announce, Store
from services.scheduler.sql.bisections import SqlBisections
from services.scheduler.sql.checks import SqlChecks
from services.scheduler.sql.database import Database
from services.scheduler.sql.dead_letters import SqlDeadLetters
from services.scheduler.sql.environments import SqlEnvironments
from services.scheduler.sql.outbox import SqlOutbox
from services.scheduler.sql.policy import SqlPolicy
from services.scheduler.sql.promotions import SqlPromotions
from services.scheduler.sql.queue import SqlQueue
from services.scheduler.sql.registry import SqlRegistry
from services.scheduler.sql.retention import SqlRetention
from services.scheduler.sql.runners import SqlRunners
from services.scheduler.sql.runs import SqlRuns
from services.scheduler.sql.schedules import SqlSchedules
from services.scheduler.sql.trials import SqlTrials
from services.scheduler.sql.verdicts import SqlVerdicts

__all__ = ["Database", "sql_store"]


def sql_store(database: Database, *, announce: Announce) -> Store:
    """Puts the parts of the store over one database together."""
    return Store(
        checks=SqlChecks(database, announce=announce),
        verdicts=SqlVerdicts(database),
        runs=SqlRuns(database, announce=announce),
        queue=SqlQueue(database),
        policy=SqlPolicy(database),
        dead_letters=SqlDeadLetters(database),
        outbox=SqlOutbox(database),
        runners=SqlRunners(database),
        registry=SqlRegistry(database),
        environments=SqlEnvironments(database),
        trials=SqlTrials(database),
        promotions=SqlPromotions(database),
        retention=SqlRetention(database),
        schedules=SqlSchedules(database),
        bisections=SqlBisections(database),
    )
