"""What the scheduler's database says of checks and their attempts, read from outside."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, create_engine, func, select

from services.scheduler.sql import schema

_c = schema.checks.c
_a = schema.attempts.c


@dataclass(frozen=True)
class Files:
    """The artefacts of a check: path to sha256; its log is none of them."""

    log: str
    paths: dict[str, str]


class Records:
    """Reads the tables. Use `close` at the end."""

    def __init__(self, url: str) -> None:
        self._engine: Engine = create_engine(url)

    def close(self) -> None:
        """Closes the connections."""
        self._engine.dispose()

    def unfinished(self) -> int:
        """Number of checks without a verdict."""
        query = select(func.count()).select_from(schema.checks).where(schema.UNFINISHED)
        return int(self._value(query))

    def outbox(self) -> int:
        """Number of messages that were not published yet."""
        return int(self._value(select(func.count()).select_from(schema.outbox)))

    def checks(self) -> list[dict[str, Any]]:
        """All checks."""
        return self._rows(select(schema.checks).order_by(_c.id))

    def attempts(self) -> dict[str, list[dict[str, Any]]]:
        """All attempts of each check, in order."""
        found: dict[str, list[dict[str, Any]]] = {}
        for row in self._rows(select(schema.attempts).order_by(_a.check_id, _a.attempt)):
            found.setdefault(row["check_id"], []).append(row)
        return found

    def results(self) -> dict[str, dict[str, Any]]:
        """The results by check."""
        return {row["check_id"]: row for row in self._rows(select(schema.results))}

    def files(self) -> dict[str, Files]:
        """What each check refers to in the artefact store."""
        found: dict[str, Files] = {}
        logs = {check: row["log"] for check, row in self.results().items()}
        for row in self._rows(select(schema.check_artefacts)):
            check = row["check_id"]
            files = found.setdefault(check, Files(logs.get(check, ""), {}))
            if row["place"] >= 0:
                files.paths[row["path"]] = row["sha256"]
        return found

    def of_check(self, check: str) -> list[dict[str, Any]]:
        """Everything that stands in the tables about one check; equal if nothing changed."""
        tables = (schema.attempts, schema.results, schema.check_artefacts)
        rows = self._rows(select(schema.checks).where(_c.id == check))
        for table in tables:
            rows += self._rows(select(table).where(table.c.check_id == check))
        return rows

    def held(self, runner: str) -> list[str]:
        """The checks that a runner has."""
        return [
            row["id"] for row in self._rows(select(_c.id).where(schema.ACTIVE, _c.runner == runner))
        ]

    def last_runner(self, check: str) -> str:
        """Who made the newest attempt of a check; empty where there is none."""
        query = select(_a.runner).where(_a.check_id == check).order_by(_a.attempt.desc()).limit(1)
        rows = self._rows(query)
        return str(rows[0]["runner"]) if rows else ""

    def verdict(self, check: str) -> int:
        """The verdict of a check; 0 while there is none."""
        return int(self._value(select(_c.verdict).where(_c.id == check)))

    def heard(self, runner: str) -> int:
        """When the runner was heard of, microseconds since 1970; 0 for one that never was."""
        query = select(schema.runners.c.heartbeat_time).where(schema.runners.c.id == runner)
        return int(self._value(query) or 0)

    def _value(self, query: Any) -> Any:
        with self._engine.connect() as connection:
            return connection.execute(query).scalar_one_or_none()

    def _rows(self, query: Any) -> list[dict[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]
