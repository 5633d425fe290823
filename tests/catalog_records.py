"""Stores of the catalog's index for tests, and what goes into them."""

import contextlib
import datetime
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from services.catalog.domain.diagnostics import Diagnostic
from services.catalog.domain.entities import (
    Entity,
    EntityType,
    Placed,
    Revision,
)
from services.catalog.domain.indexing.deltas import Index
from services.catalog.index.memory import MemoryStore
from services.catalog.index.sql import opened
from services.catalog.ports import Store

STORES = ("memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres))
"""Each kind of store, for a fixture's `params`."""


@contextlib.asynccontextmanager
async def store_of(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Store]:
    """An empty store of the kind that the request's parameter names."""
    if request.param == "memory":
        yield MemoryStore()
        return
    url = f"sqlite+aiosqlite:///{folder / 'catalog.sqlite'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    async with opened(url) as sql:
        yield sql


def revision(number: int, **values: object) -> Revision:
    """A revision whose tree id ends with a number."""
    base = Revision(
        tree=f"{number:040x}",
        commit=f"{number + 1000:040x}",
        base_commit=f"{number + 1000:040x}",
        source="/data",
        title="data",
        create_time=datetime.datetime(2026, 5, 4, 9, number, tzinfo=datetime.UTC),
        entity_count=3,
    )
    return replace(base, **values)  # type: ignore[arg-type]  # names of fields


def placed(key: str, *, state: int = 1, environment: str = "", **values: object) -> Placed:
    """An entity; another state has another tree."""
    entity = Entity(
        key=key,
        type=EntityType.SYSTEM_MODEL,
        title=f"Title of {key}",
        path=f"models/{key.lower()}",
        tree=f"{key}{state:035x}",
        metadata={"key": key, "nested": {"a": [1, 2.5, None, "ü"]}},
    )
    return Placed(
        entity=replace(entity, **values),  # type: ignore[arg-type]  # names of fields
        environment=environment,
        environment_key="ENVIR" if environment else "",
    )


def index(*entities: Placed, diagnostics: Sequence[Diagnostic] = ()) -> Index:
    ordered = sorted(entities, key=lambda one: one.entity.key)
    return Index(entities=tuple(ordered), diagnostics=tuple(sorted(diagnostics)))


def diagnostic(path: str, *, line: int = 0, key: str = "", message: str = "m") -> Diagnostic:
    return Diagnostic(
        path=path, line=line, code="missing-name", message=message, remedy="r", key=key
    )
