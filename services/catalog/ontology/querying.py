"""Answers for concepts and queries: the ontology of a revision, and its graph of entities."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from services.catalog.app import Catalog
from services.catalog.domain.entities import Revision
from services.catalog.domain.ontology.answers import Answer, Term, TermKind, UnknownGraphError
from services.catalog.domain.ontology.concepts import Ontology
from services.catalog.domain.ontology.documents import (
    MAX_ONTOLOGY_BYTES,
    OntologyDocument,
    OntologyFile,
)
from services.catalog.domain.ontology.merging import ontology_of
from services.catalog.domain.ontology.sparql import check_query
from services.catalog.domain.ontology.triples import prefixes_of
from services.catalog.ports import Graphs, Individuals, OntologyFiles
from services.errors import PreconditionError

MAX_KEPT: Final = 16
"""Revisions whose ontology and counts are remembered."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Concepts:
    """The concepts of a revision with the number of entities of each."""

    revision: Revision
    ontology: Ontology
    direct: Mapping[str, int] = field(default_factory=dict)
    """Entities tagged with a concept itself, by its name; none where it is not there."""
    inherited: Mapping[str, int] = field(default_factory=dict)
    """Entities tagged with it or any subclass."""


class Querying:
    """Questions about the meaning of tags, at any indexed revision.

    Args:
        catalog: Knows revisions.
        files: Reads the ontology files of a revision.
        individuals: Reads the entities of a revision.
        graphs: Answers SPARQL.
        parse: Parses one ontology file.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        files: OntologyFiles,
        individuals: Individuals,
        graphs: Graphs,
        parse: Callable[[bytes], OntologyDocument],
    ) -> None:
        self._catalog = catalog
        self._files = files
        self._individuals = individuals
        self._graphs = graphs
        self._parse = parse
        self._ontologies: dict[str, Ontology] = {}
        self._parsed: dict[str, Ontology] = {}
        """By their files: most revisions change none of them."""
        self._concepts: dict[str, Concepts] = {}
        self._loads: dict[str, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """Gives up what is being loaded."""
        for task in list(self._loads.values()):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

    # Concepts

    async def concepts(self, *, tree: str) -> Concepts:
        """The concepts of an indexed revision; empty tree means the current one.

        Raises:
            NotFoundError: The revision was never indexed.
        """
        revision = await self._catalog.revision(tree)
        known = self._concepts.get(revision.tree)
        if known is None:
            ontology = await self.ontology(revision.tree)
            direct, inherited = await self._counts(revision.tree, ontology)
            known = Concepts(
                revision=revision, ontology=ontology, direct=direct, inherited=inherited
            )
            _keep(self._concepts, revision.tree, known)
        return known

    async def ontology(self, tree: str) -> Ontology:
        """The ontology of a revision, by its tree."""
        known = self._ontologies.get(tree)
        if known is None:
            contents = await self._files.read(tree, limit=MAX_ONTOLOGY_BYTES)

            def parsed() -> Ontology:
                return ontology_of(
                    [
                        OntologyFile(path=path, id=id_, document=self._parse(content))
                        for path, id_, content in contents
                    ]
                )

            files = " ".join(f"{id_} {path!r}" for path, id_, _ in contents)
            known = self._parsed.get(files)
            if known is None:
                known = await asyncio.to_thread(parsed)
                _keep(self._parsed, files, known)
            _keep(self._ontologies, tree, known)
        return known

    async def _counts(
        self, tree: str, ontology: Ontology
    ) -> tuple[Mapping[str, int], Mapping[str, int]]:
        direct: Counter[str] = Counter()
        inherited: Counter[str] = Counter()
        if not ontology.concepts:
            return direct, inherited
        combinations: Counter[tuple[str, ...]] = Counter()
        async for batch in self._individuals.tagged(tree):
            combinations.update(entity.tags for entity in batch)
        for tags, count in combinations.items():
            meant = [concept for tag in tags if (concept := ontology.tagged_concept(tag))]
            for name in {concept.name for concept in meant}:
                direct[name] += count
            for name in {name for tag in tags for name in ontology.implied_concepts(tag)}:
                inherited[name] += count
        return direct, inherited

    # Queries

    async def query(self, text: str, *, tree: str, max_rows: int) -> Answer:
        """Runs a SELECT or ASK over an indexed revision.

        Raises:
            InvalidArgumentError: The query is no such query; with line, column and why.
            PreconditionError: The revision has no ontology.
            DeadlineExceededError: It took too long and was ended.
            ResourceExhaustedError: It needs too much memory, or there are too many at once.
            NotFoundError: The revision was never indexed.
        """
        revision = await self._catalog.revision(tree)
        ontology = await self.ontology(revision.tree)
        if not ontology.namespace:
            raise PreconditionError(
                "the data repository has no ontology: there is no ontology/*.owl.yml at this "
                "revision"
            )
        check_query(text, prefixes_of(ontology.namespace))
        try:
            answer = await self._graphs.query(revision.tree, text, max_rows=max_rows)
        except UnknownGraphError:
            await self._loaded(revision.tree, ontology)
            answer = await self._graphs.query(revision.tree, text, max_rows=max_rows)
        return _named(answer, ontology)

    async def _loaded(self, tree: str, ontology: Ontology) -> None:
        """Loads a graph once for all who wait for it, also where the first of them gives up."""
        task = self._loads.get(tree)
        if task is None:
            entities = self._individuals.tagged(tree)
            task = asyncio.create_task(self._graphs.load(tree, ontology, entities))
            self._loads[tree] = task
            task.add_done_callback(lambda _: self._loads.pop(tree, None))
        await asyncio.shield(task)


def _named(answer: Answer, ontology: Ontology) -> Answer:
    """Adds which concepts the IRIs of an answer stand for."""
    names = ontology.concept_names

    def term(given: Term) -> Term:
        name = names.get(given.value, "") if given.kind is TermKind.IRI else ""
        if not name:
            return given
        return replace(given, concept=name, label=ontology.concepts[name].label)

    return replace(answer, rows=tuple(tuple(map(term, row)) for row in answer.rows))


def _keep(kept: dict[str, T], name: str, value: T) -> None:
    if len(kept) >= MAX_KEPT:
        del kept[next(iter(kept))]
    kept[name] = value
