"""Concepts and queries over gRPC: of small repositories, of the demo, and of what the docs show."""

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from ackrep.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from ackrep.catalog.v1 import ontology_pb2 as pb
from ackrep.catalog.v1 import ontology_pb2_grpc as stubs
from cli.commands.sparql import EXAMPLES
from services import rpc
from services.catalog.__main__ import running
from services.catalog.settings import Settings
from services.errors import InvalidArgumentError, NotFoundError, PreconditionError
from tests.catalog_system import TOKEN
from tests.git_repositories import write
from tests.ontologies import NAMESPACE, PLANTS
from tests.unit.catalog.repositories import entity_files, environment

pytestmark = pytest.mark.timeout(120)

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples/demo_data"
BLOCK = re.compile(r"^```sparql\n(.*?)^```\n→ ([^\n]+)$", re.MULTILINE | re.DOTALL)
"""A query of docs/ontology.md with its answer."""


class System:
    """A catalog, and stubs for it."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.ontology = stubs.OntologyServiceStub(channel)
        self.catalog = catalog_pb2_grpc.CatalogServiceStub(channel)

    async def sync(self) -> str:
        """Has the source read; names the revision."""
        return (await self.catalog.SyncRevision(catalog_pb2.SyncRevisionRequest())).name

    async def ask(
        self, query: str, *, revision: str = "", max_rows: int = 0
    ) -> pb.QueryOntologyResponse:
        """Asks a query."""
        with rpc.remote_errors():
            return await self.ontology.QueryOntology(
                pb.QueryOntologyRequest(query=query, revision=revision, max_rows=max_rows)
            )

    async def concepts(self, **fields: object) -> pb.ListConceptsResponse:
        """Lists concepts."""
        with rpc.remote_errors():
            return await self.ontology.ListConcepts(pb.ListConceptsRequest(**fields))  # type: ignore[arg-type]  # fields of the request

    async def keys(self, tag: str, *, revision: str = "") -> set[str]:
        """Keys of the entities with a tag."""
        answer = await self.ask(
            f"SELECT ?x {{ ?x P:has_ontology_based_tag P:i{tag} }}", revision=revision
        )
        return {row.terms[0].entity.removeprefix("entities/") for row in answer.rows}

    async def problems(self) -> list[tuple[str, int, str]]:
        """Path, line and code of all diagnostics."""
        page = await self.catalog.ListDiagnostics(catalog_pb2.ListDiagnosticsRequest())
        return [(one.path, one.line, one.code) for one in page.diagnostics]


@asynccontextmanager
async def system(source: Path, state: Path) -> AsyncIterator[System]:
    """A catalog that has read its source."""
    settings = Settings(token=TOKEN, source=str(source), state=state, address="127.0.0.1:0")
    async with (
        running(settings) as port,
        rpc.dial(f"127.0.0.1:{port}", token=TOKEN) as channel,
    ):
        found = System(channel)
        await found.sync()
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data repository with an ontology and three tagged entities."""
    found = tmp_path / "data"
    found.mkdir()
    write(
        found,
        environment()
        | {"ontology/plants.owl.yml": PLANTS}
        | entity_files("LINER", "system_model", tag_list="['ocse:Linear_State_Space_System', a]")
        | entity_files("STATE", "system_model", tag_list="['ocse:State_Space_System']")
        | entity_files(
            "TWICE",
            "notebook",
            tag_list="['ocse:State_Space_System', 'ocse:System', 'ocse:Polynomial']",
        ),
    )
    return found


@pytest.fixture
async def plants(folder: Path, tmp_path: Path) -> AsyncIterator[System]:
    """A catalog of that data repository."""
    async with system(folder, tmp_path / "state") as found:
        yield found


async def test_concepts_with_counts(plants: System) -> None:
    """Each concept with where it is declared, and how many entities have it or one below it."""
    listed = await plants.concepts()
    by_name = {concept.concept_id: concept for concept in listed.concepts}
    found = by_name["State_Space_System"]

    assert (NAMESPACE, 13) == (listed.namespace, listed.total_size)
    assert sorted(by_name) == [concept.concept_id for concept in listed.concepts]
    assert (
        pb.Concept(
            name="concepts/State_Space_System",
            concept_id="State_Space_System",
            iri=f"{NAMESPACE}State_Space_System",
            label="State Space System",
            parents=["concepts/System"],
            tag="ocse:State_Space_System",
            direct_entity_count=2,
            entity_count=3,
            source="ontology/plants.owl.yml:24",
        )
        == found
    )
    counts = {name: (one.direct_entity_count, one.entity_count) for name, one in by_name.items()}
    assert {"System": (1, 3), "OCSE_Entity": (0, 3), "Mathematical_Object": (0, 1)} == {
        name: counts[name] for name in ("System", "OCSE_Entity", "Mathematical_Object")
    }
    assert ((0, 0), "") == (counts["ACKREP_Entity"], by_name["ACKREP_Entity"].tag)


async def test_concepts_come_in_pages(plants: System) -> None:
    """Which join to the whole; a token is good for its request alone."""
    whole = await plants.concepts()
    names, token = [], ""
    while True:
        page = await plants.concepts(page_size=5, page_token=token)
        names += [concept.name for concept in page.concepts]
        token = page.next_page_token
        if not token:
            break

    assert [concept.name for concept in whole.concepts] == names
    with pytest.raises(InvalidArgumentError):
        await plants.concepts(page_token="nonsense")


async def test_rows_name_entities_and_concepts(plants: System) -> None:
    """By resource name, with title or label; also the individual that stands for a concept."""
    answer = await plants.ask(
        'SELECT ?e ?t { ?e P:has_entity_key "STATE" ; P:has_ontology_based_tag P:iSystem ; a ?t }'
    )
    tags = await plants.ask("SELECT ?t { P:entity_STATE P:has_ontology_based_tag ?t } ORDER BY ?t")
    entity, type_ = answer.rows[0].terms

    assert (["e", "t"], False) == (list(answer.variables), answer.HasField("answer"))
    assert ("entities/STATE", "Name of STATE", "") == (entity.entity, entity.label, entity.concept)
    assert ("concepts/ACKREP_SystemModel", "ACKREP SystemModel") == (type_.concept, type_.label)
    assert ["concepts/OCSE_Entity", "concepts/State_Space_System", "concepts/System"] == [
        row.terms[0].concept for row in tags.rows
    ]
    assert 0 < answer.elapsed.ToNanoseconds() < 10 * 10**9


async def test_rows_are_limited(plants: System) -> None:
    """As asked for; a negative number is refused."""
    answer = await plants.ask("SELECT * { ?a ?b ?c }", max_rows=2)
    exact = await plants.ask("SELECT * { ?a P:has_entity_key ?c }", max_rows=4)

    assert (2, True) == (len(answer.rows), answer.truncated)
    assert (4, False) == (len(exact.rows), exact.truncated)
    with pytest.raises(InvalidArgumentError, match="max_rows is -1"):
        await plants.ask("ASK {}", max_rows=-1)


async def test_wrong_queries_are_explained(plants: System) -> None:
    """With line and column as facts too."""
    with pytest.raises(InvalidArgumentError, match="line 1, column 14: `}` does not") as caught:
        await plants.ask("ASK { ?x P:a }")
    assert {"line": "1", "column": "14"} == caught.value.facts
    for query in ("", "DROP ALL", "SELECT * { SERVICE <http://example.org/> { ?a ?b ?c } }"):
        with pytest.raises(InvalidArgumentError):
            await plants.ask(query)


async def test_every_revision_has_its_own_ontology(folder: Path, plants: System) -> None:
    """Concepts, counts and queries as of any revision that was indexed, also after a change."""
    before = await plants.sync()
    write(
        folder,
        {
            "ontology/plants.owl.yml": PLANTS.replace(
                "- Task:", "- Extra:\n        SubClassOf: System\n    - Task:"
            )
        }
        | entity_files("STATE", "system_model", tag_list="['ocse:Extra']"),
    )
    after = await plants.sync()

    assert before != after
    assert {"LINER", "STATE", "TWICE"} == await plants.keys("State_Space_System", revision=before)
    assert {"LINER", "TWICE"} == await plants.keys("State_Space_System", revision=after)
    assert {"LINER", "STATE", "TWICE"} == await plants.keys("System")
    assert set() == await plants.keys("Extra", revision=before)
    assert (13, 14) == (
        (await plants.concepts(revision=before)).total_size,
        (await plants.concepts()).total_size,
    )
    with pytest.raises(NotFoundError):
        await plants.ask("ASK {}", revision=f"revisions/{'0' * 40}")


async def test_unknown_tags_are_diagnostics(folder: Path, plants: System) -> None:
    """At their line of the metadata; they go away with the ontology, and come with a new one."""
    tags = "\n    - right\n    - ocse:System\n    - ocse:Sistem"
    write(folder, entity_files("STATE", "system_model", tag_list=tags))
    await plants.sync()

    (problem,) = (
        await plants.catalog.ListDiagnostics(catalog_pb2.ListDiagnosticsRequest())
    ).diagnostics
    assert ("unknown-tag", "system_models/state/metadata.yml", 7, 7) == (
        problem.code,
        problem.path,
        problem.line,
        problem.column,
    )
    assert ("entities/STATE", "did you mean `ocse:System`?") == (problem.entity, problem.remedy)
    ontology = folder / "ontology/plants.owl.yml"
    ontology.unlink()
    await plants.sync()
    assert [] == await plants.problems()

    ontology.write_text(PLANTS.replace("- System:", "- Sistem:"))
    await plants.sync()
    codes = {code for _, _, code in await plants.problems()}
    assert {"unknown-tag", "ontology-unknown-superclass"} == codes


async def test_mistakes_of_the_ontology_are_diagnostics(folder: Path, plants: System) -> None:
    """In their file; a file that cannot be read says nothing about tags."""
    write(folder, {"ontology/bad.owl.yml": "- iri: [\n", "ontology/notes.yml": "- iri: ["})
    await plants.sync()

    assert ["ontology/bad.owl.yml"] == [path for path, _, _ in await plants.problems()]
    assert {"LINER", "STATE", "TWICE"} == await plants.keys("State_Space_System")


async def test_without_an_ontology(tmp_path: Path) -> None:
    """No concepts; queries are told why."""
    folder = tmp_path / "data"
    folder.mkdir()
    write(folder, environment() | entity_files("AAAAA", "comment", tag_list="['ocse:X']"))
    async with system(folder, tmp_path / "state") as plain:
        listed = await plain.concepts()
        assert (0, "", []) == (listed.total_size, listed.namespace, list(listed.concepts))
        assert [] == await plain.problems()
        with pytest.raises(PreconditionError, match="no ontology"):
            await plain.ask("ASK {}")


# The demo data repository --------------------------------------------------------------------


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[System]:
    """A catalog of the demo data repository."""
    shutil.copytree(DEMO, tmp_path / "data")
    async with system(tmp_path / "data", tmp_path / "state") as found:
        yield found


def shown(answer: pb.QueryOntologyResponse) -> str:
    """An answer as the docs write it."""
    if answer.HasField("answer"):
        return "yes" if answer.answer else "no"
    rows = [
        " ".join(
            (term.entity or term.concept or term.value).rsplit("/", 1)[-1] for term in row.terms
        )
        for row in answer.rows
    ]
    return ", ".join(rows)


async def test_the_queries_of_the_docs(demo: System) -> None:
    """docs/ontology.md shows what the demo answers."""
    blocks = BLOCK.findall((ROOT / "docs/ontology.md").read_text())

    assert 9 == len(blocks)
    for query, expected in blocks:
        answer = shown(await demo.ask(query))
        if "ORDER BY" not in query:
            answer = ", ".join(sorted(answer.split(", ")))
        assert expected == answer, query


async def test_the_examples_of_the_command(demo: System) -> None:
    """`ackrep sparql --examples` prints queries that can be asked."""
    for _, query in EXAMPLES:
        answer = await demo.ask(query)
        assert answer.rows or answer.answer or "UXMFA" in query, query


async def test_the_demo_has_no_mistakes(demo: System) -> None:
    """Every tag means a concept, and the ontology is right."""
    listed = await demo.concepts()

    assert [] == [problem for problem in await demo.problems() if "ontology" in problem[0]]
    assert [] == [problem for problem in await demo.problems() if problem[2] == "unknown-tag"]
    assert 20 < sum(concept.direct_entity_count > 0 for concept in listed.concepts)
