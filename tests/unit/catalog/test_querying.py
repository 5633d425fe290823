"""How questions become loads of graphs: once for all who wait, and again where one was lost."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import cast

import pytest

from services.catalog.app import Catalog
from services.catalog.domain.entities import Revision
from services.catalog.domain.ontology.answers import Answer, Term, TermKind, UnknownGraphError
from services.catalog.domain.ontology.concepts import Ontology
from services.catalog.domain.ontology.triples import Tagged
from services.catalog.ontology.dialect import parse_ontology
from services.catalog.ontology.querying import MAX_KEPT, Querying
from services.errors import InvalidArgumentError, NotFoundError, UnavailableError
from tests.ontologies import NAMESPACE, PLANTS

TREE = f"{1:040x}"
ALL = "SELECT ?x { ?x ?y ?z }"


class FakeCatalog:
    """Knows some revisions."""

    async def revision(self, tree: str) -> Revision:
        if tree.startswith("f"):
            raise NotFoundError("never indexed")
        return Revision(tree=tree or TREE)


class FakeFiles:
    """The same ontology in each revision."""

    def __init__(self) -> None:
        self.reads = 0

    async def read(self, tree: str, *, limit: int) -> Sequence[tuple[str, str, bytes]]:
        self.reads += 1
        return [("ontology/plants.owl.yml", "1" * 40, PLANTS.encode())]


class FakeIndividuals:
    """Two entities with the same tags."""

    def __init__(self) -> None:
        self.reads = 0

    async def tagged(self, tree: str) -> AsyncIterator[Sequence[Tagged]]:
        self.reads += 1
        for key in ("AAAAA", "BBBBB"):
            yield [Tagged(key, "comment", key, ("ocse:System", "ocse:State_Space_System", "x"))]


class FakeGraphs:
    """Loads when it is told to; answers with two rows."""

    def __init__(self) -> None:
        self.loaded: dict[str, list[Tagged]] = {}
        self.loads = 0
        self.release = asyncio.Event()
        self.release.set()
        self.failure: Exception | None = None

    async def load(
        self, tree: str, ontology: Ontology, entities: AsyncIterator[Sequence[Tagged]]
    ) -> None:
        self.loads += 1
        await self.release.wait()
        if self.failure is not None:
            raise self.failure
        self.loaded[tree] = [one async for batch in entities for one in batch]

    async def query(self, tree: str, query: str, *, max_rows: int) -> Answer:
        if tree not in self.loaded:
            raise UnknownGraphError("not loaded")
        iris = ("iSystem", "System", "entity_AAAAA")
        rows = tuple((Term(TermKind.IRI, NAMESPACE + name),) for name in iris)
        return Answer(variables=("x",), rows=(*rows, (Term(TermKind.LITERAL, "System"),)))


class World:
    """The use case with what is around it."""

    def __init__(self) -> None:
        self.files = FakeFiles()
        self.individuals = FakeIndividuals()
        self.graphs = FakeGraphs()
        self.querying = Querying(
            catalog=cast("Catalog", FakeCatalog()),
            files=self.files,
            individuals=self.individuals,
            graphs=self.graphs,
            parse=parse_ontology,
        )

    async def ask(self, query: str = ALL, *, tree: str = "") -> Answer:
        """Asks."""
        return await self.querying.query(query, tree=tree, max_rows=10)


@pytest.fixture
async def world() -> World:
    """A fresh one, within a running loop."""
    return World()


async def test_a_graph_is_loaded_with_the_first_question(world: World) -> None:
    """And not with the next one, nor before."""
    assert 0 == world.graphs.loads
    await asyncio.gather(*(world.ask() for _ in range(5)))
    await world.ask()

    assert (1, 1, 1) == (world.graphs.loads, world.individuals.reads, len(world.graphs.loaded))


async def test_a_lost_graph_is_loaded_again(world: World) -> None:
    """The one who asks notices nothing."""
    await world.ask()
    world.graphs.loaded.clear()
    await world.ask()

    assert 2 == world.graphs.loads


async def test_who_gives_up_takes_nothing_from_others(world: World) -> None:
    """A load goes on where the first one who wanted it leaves."""
    await world.querying.ontology(TREE)  # so that what follows happens in turns of this loop
    world.graphs.release.clear()
    first = asyncio.create_task(world.ask())
    second = asyncio.create_task(world.ask())
    await _turns()
    first.cancel()
    await _turns()
    world.graphs.release.set()

    assert 4 == len((await second).rows)
    assert 1 == world.graphs.loads


async def test_a_failed_load_is_tried_again(world: World) -> None:
    """By the next question."""
    world.graphs.failure = UnavailableError("lost")
    with pytest.raises(UnavailableError):
        await world.ask()
    world.graphs.failure = None

    assert 4 == len((await world.ask()).rows)


async def test_rows_name_concepts(world: World) -> None:
    """Classes and the individuals that stand for them, nothing else."""
    rows = (await world.ask()).rows

    assert [("System", "System"), ("System", "System"), ("", ""), ("", "")] == [
        (row[0].concept, row[0].label) for row in rows
    ]


async def test_wrong_questions_load_nothing(world: World) -> None:
    """They are refused before."""
    with pytest.raises(InvalidArgumentError):
        await world.ask("DROP ALL")
    with pytest.raises(NotFoundError):
        await world.ask(tree="f" * 40)

    assert 0 == world.graphs.loads


async def test_concepts_are_counted_once(world: World) -> None:
    """An entity with a concept and one above it counts once for that above."""
    found = await world.querying.concepts(tree="")
    again = await world.querying.concepts(tree=TREE)

    assert {"System": 2, "State_Space_System": 2} == dict(found.direct)
    assert {"OCSE_Entity": 2, "System": 2, "State_Space_System": 2} == dict(found.inherited)
    assert again is found
    assert (1, 1) == (world.individuals.reads, world.files.reads)


async def test_an_ontology_is_parsed_once(world: World) -> None:
    """For all revisions that have the same files of it."""
    first = await world.querying.ontology(TREE)

    assert first is await world.querying.ontology(f"{2:040x}")
    assert 2 == world.files.reads


async def test_few_revisions_are_remembered(world: World) -> None:
    """The ones asked first are forgotten first."""
    for number in range(1, MAX_KEPT + 2):
        await world.querying.concepts(tree=f"{number:040x}")
    assert MAX_KEPT + 1 == world.individuals.reads
    await world.querying.concepts(tree=f"{MAX_KEPT + 1:040x}")
    assert MAX_KEPT + 1 == world.individuals.reads
    await world.querying.concepts(tree=TREE)
    assert MAX_KEPT + 2 == world.individuals.reads


async def test_closing_gives_up_loads(world: World) -> None:
    """Nothing runs on."""
    await world.querying.ontology(TREE)  # so that what follows happens in turns of this loop
    world.graphs.release.clear()
    asking = asyncio.create_task(world.ask())
    await _turns()
    await world.querying.close()

    with pytest.raises(asyncio.CancelledError):
        await asking


async def _turns() -> None:
    for _ in range(50):
        await asyncio.sleep(0)
