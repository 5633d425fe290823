"""A store and a search over it, of each kind, for contract tests of searching."""

import contextlib
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.catalog.domain.entities import Entity, EntityType, Placed, Revision
from services.catalog.domain.filters import parse_filter
from services.catalog.domain.indexing.index import Index
from services.catalog.domain.search.queries import parse_query
from services.catalog.index.memory import MemoryStore
from services.catalog.index.sql import opened
from services.catalog.ports import Question, Store
from services.catalog.search.index import TantivyIndex
from services.catalog.search.memory import MemoryStandings
from services.catalog.search.searching import Answer, Search
from services.catalog.search.sql import SqlStandings

KINDS = ("memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres))
"""Each kind of store, for a fixture's `params`."""


@dataclass
class Library:
    """A store with revisions, and a search over it."""

    store: Store
    search: Search

    async def add(self, *entities: Placed, number: int = 1) -> Revision:
        """Adds a revision and makes it the current one."""
        ordered = sorted(entities, key=lambda one: one.entity.key)
        revision = Revision(tree=f"{number:040x}", entity_count=len(entities))
        await self.store.add(revision, Index(entities=tuple(ordered), diagnostics=()))
        return revision

    async def answer(
        self,
        text: str,
        *,
        filter_: str = "",
        number: int = 1,
        keys: Sequence[str] | None = None,
        offset: int = 0,
        limit: int = 20,
    ) -> Answer:
        """Searches a revision."""
        revision = await self.store.revision(f"{number:040x}")
        assert revision is not None
        question = Question(
            query=parse_query(text),
            filter=parse_filter(filter_),
            keys=None if keys is None else frozenset(keys),
            offset=offset,
            limit=limit,
        )
        return await self.search.search(question, revision=revision)

    async def keys(self, text: str, *, filter_: str = "", number: int = 1) -> list[str]:
        """Keys that a search finds, best first."""
        answer = await self.answer(text, filter_=filter_, number=number)
        assert len(answer.results) == answer.total
        return [result.placed.entity.key for result in answer.results]


@contextlib.asynccontextmanager
async def library(
    kind: str, request: pytest.FixtureRequest, folder: Path
) -> AsyncIterator[Library]:
    """An empty library of a kind."""
    if kind == "memory":
        memory = MemoryStore()
        yield Library(memory, Search(index=TantivyIndex(MemoryStandings(memory)), store=memory))
        return
    url = f"sqlite+aiosqlite:///{folder / 'catalog.sqlite'}"
    if kind == "postgres":
        url = request.getfixturevalue("postgres_url")
    async with opened(url) as sql:
        yield Library(sql, Search(index=TantivyIndex(SqlStandings(sql.engine)), store=sql))


def item(key: str, title: str = "", *, environment: str = "", **values: object) -> Placed:
    """An entity of a revision; another content has another tree."""
    fields = {
        "type": EntityType.SYSTEM_MODEL,
        "path": f"folder/{key.lower()}",
        "title": title or f"Title of {key}",
    } | values
    tree = hashlib.sha1(repr((key, fields)).encode(), usedforsecurity=False).hexdigest()
    entity = Entity(key=key, tree=tree, **fields)  # type: ignore[arg-type]  # names of fields
    return Placed(entity=entity, environment=environment)
