"""Proposals in SQL (port `Proposals`): in the database of the index, in tables of their own."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.catalog.domain.commits import Commit
from services.catalog.domain.proposals import Comparison, Proposal, State
from services.catalog.proposals.memory import same_branch, unknown
from services.catalog.proposals.tables import metadata, proposals
from services.errors import AlreadyExistsError

_c = proposals.c


class SqlProposals:
    """One database; `open` makes the tables if they are missing."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def open(self) -> None:
        """Makes missing tables."""
        async with self._engine.begin() as connection:
            await connection.run_sync(metadata.create_all)

    async def add(self, proposal: Proposal) -> None:
        try:
            async with self._engine.begin() as connection:
                await connection.execute(sa.insert(proposals), [_row(proposal)])
        except IntegrityError as error:
            found = await self._one(
                _c.state == State.OPEN.value,
                _c.url == proposal.url,
                _c.branch == proposal.branch,
            )
            if found is not None:
                raise same_branch(found) from error
            raise AlreadyExistsError(f"there is a proposal {proposal.key} already") from error

    async def replace(self, proposal: Proposal) -> None:
        changing = sa.update(proposals).where(_c.key == proposal.key).values(_row(proposal))
        async with self._engine.begin() as connection:
            done = await connection.execute(changing)
        if done.rowcount != 1:
            raise unknown(proposal.key)

    async def get(self, key: str) -> Proposal:
        found = await self._one(_c.key == key)
        if found is None:
            raise unknown(key)
        return found

    async def page(self, *, state: State | None, limit: int, offset: int) -> Sequence[Proposal]:
        query = sa.select(proposals).order_by(_c.number.desc()).limit(limit).offset(offset)
        if state is not None:
            query = query.where(_c.state == state.value)
        async with self._engine.connect() as connection:
            return [_proposal(row) for row in (await connection.execute(query)).mappings()]

    async def count(self, state: State) -> int:
        query = sa.select(sa.func.count()).select_from(proposals).where(_c.state == state.value)
        async with self._engine.connect() as connection:
            return await connection.scalar(query) or 0

    async def _one(self, *conditions: sa.ColumnElement[bool]) -> Proposal | None:
        async with self._engine.connect() as connection:
            rows = await connection.execute(sa.select(proposals).where(*conditions))
            row = rows.mappings().first()
        return _proposal(row) if row is not None else None


def _row(proposal: Proposal) -> dict[str, Any]:
    kept = {
        column.name: getattr(proposal, column.name)
        for column in proposals.c
        if column.name not in {"number", "state", "comparison"}
    }
    comparison = asdict(proposal.comparison)
    for commit in comparison["commits"]:
        commit["time"] = commit["time"].isoformat()
    return {**kept, "state": proposal.state.value, "comparison": comparison}


def _proposal(row: Mapping[Any, Any]) -> Proposal:
    values = {name: value for name, value in row.items() if name != "number"}
    for name in ("create_time", "refresh_time", "end_time"):
        if values[name].tzinfo is None:  # SQLite keeps none
            values[name] = values[name].replace(tzinfo=datetime.UTC)
    said = values.pop("comparison")
    commits = tuple(
        Commit(**{**commit, "time": datetime.datetime.fromisoformat(commit["time"])})
        for commit in said["commits"]
    )
    comparison = Comparison(**{**said, "conflicts": tuple(said["conflicts"]), "commits": commits})
    return Proposal(**{**values, "state": State(values["state"]), "comparison": comparison})
