"""Graphs in a process of their own: what they answer, and what they do not let happen."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from services.catalog.domain.ontology.answers import Answer, TermKind, UnknownGraphError
from services.catalog.domain.ontology.triples import Tagged
from services.catalog.ontology.graphs import OxigraphGraphs
from services.errors import (
    DeadlineExceededError,
    InvalidArgumentError,
    ResourceExhaustedError,
    UnavailableError,
)
from tests.ontologies import NAMESPACE, PLANTS, ontology

pytestmark = pytest.mark.timeout(120)

ENTITIES = (
    Tagged("LINER", "system_model", "A linear one", ("ocse:Linear_State_Space_System", "free")),
    Tagged("STATE", "system_model", "Any state space", ("ocse:State_Space_System",)),
    Tagged(
        "BOTHE",
        "problem_solution",
        "Both tasks",
        ("ocse:Closed_Loop_Control", "ocse:Trajectory_Generation", "ocse:Unheard_Of"),
    ),
    Tagged("LOOPS", "problem_solution", "Closed loop", ("ocse:Closed_Loop_Control",)),
    Tagged("SPECI", "problem_specification", "To track", ("ocse:Trajectory_Generation",)),
    Tagged("POLYN", "notebook", "Polynomials", ("ocse:Polynomial",)),
    Tagged("PLAIN", "problem_class", "Without tags", ()),
)
SLOW = (
    "SELECT * { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l . ?m ?n ?o "
    "FILTER(CONCAT(STR(?b), STR(?e), STR(?h), STR(?k), STR(?n)) = 'x') }"
)
"""Takes for ever, in little memory."""
HUGE = f"SELECT (GROUP_CONCAT(?v) AS ?x) {{ VALUES ?v {{ '{'x' * 25_000}' }} ?a ?b ?c . ?d ?e ?f }}"
"""Takes hundreds of MiB at once."""


async def batches(*entities: Tagged) -> AsyncIterator[Sequence[Tagged]]:
    """Entities in two batches."""
    yield entities[:2]
    yield entities[2:]


@pytest.fixture
async def graphs() -> AsyncIterator[OxigraphGraphs]:
    """Graphs with one revision, `tree`, and short limits."""
    async with OxigraphGraphs(seconds=2.0, memory=200, slots=2) as found:
        await found.load("tree", ontology(PLANTS), batches(*ENTITIES))
        yield found


async def ask(graphs: OxigraphGraphs, query: str, *, max_rows: int = 1000) -> Answer:
    """Asks about the one revision."""
    return await graphs.query("tree", query, max_rows=max_rows)


async def keys(graphs: OxigraphGraphs, where: str) -> set[str]:
    """Keys of the entities that fulfil a pattern."""
    answer = await ask(graphs, f"SELECT ?entity WHERE {{ {where} }}")
    found = [row[0].key for row in answer.rows]
    assert len(found) == len(set(found))
    return set(found)


def pids(graphs: OxigraphGraphs) -> list[int]:
    """The process of the graphs, and its children: for queries that run, and for the next ones."""
    process = graphs._process
    assert process is not None
    listed = os.popen(f"ps -o pid= --ppid {process.pid}").read()  # noqa: S605  # a number
    return [process.pid, *map(int, listed.split())]


def busy(graphs: OxigraphGraphs) -> int:
    """How many queries compute right now."""
    return sum(_state(pid) == "R" for pid in pids(graphs)[1:])


# Answers ----------------------------------------------------------------------------------


async def test_the_queries_of_2022(graphs: OxigraphGraphs) -> None:
    """The examples of the 2022 pages, and what its tests asked, have the same answers."""
    assert {"LINER"} == await keys(graphs, '?entity P:has_entity_key "LINER".')
    assert {"LINER"} == await keys(
        graphs, "?entity P:has_ontology_based_tag P:iLinear_State_Space_System."
    )
    assert {"BOTHE", "LOOPS"} == await keys(
        graphs,
        "?entity rdf:type P:ACKREP_ProblemSolution. "
        "?entity P:has_ontology_based_tag P:iClosed_Loop_Control.",
    )
    assert {"BOTHE"} == await keys(
        graphs,
        "?entity P:has_ontology_based_tag P:iClosed_Loop_Control. "
        "?entity P:has_ontology_based_tag P:iTrajectory_Generation.",
    )
    answer = await ask(
        graphs,
        f"PREFIX P: <{NAMESPACE}> SELECT ?entity WHERE "
        "{ ?entity rdf:type ?type. ?type rdfs:subClassOf* P:OCSE_Entity. }",
    )
    assert {
        "iOCSE_Entity",
        "iSystem",
        "iState_Space_System",
        "iLinear_State_Space_System",
        "iTask",
        "iClosed_Loop_Control",
        "iTrajectory_Generation",
    } == {row[0].value.removeprefix(NAMESPACE) for row in answer.rows}


async def test_tags_of_superclasses_are_inferred(graphs: OxigraphGraphs) -> None:
    """Up to the root, which is included, as in 2022; other branches have roots of their own."""
    tag = "?entity P:has_ontology_based_tag"
    assert {"LINER", "STATE"} == await keys(graphs, f"{tag} P:iState_Space_System")
    assert {"LINER", "STATE"} == await keys(graphs, f"{tag} P:iSystem")
    assert {"BOTHE", "LOOPS", "SPECI"} == await keys(graphs, f"{tag} P:iTask")
    assert {"LINER", "STATE", "BOTHE", "LOOPS", "SPECI"} == await keys(
        graphs, f"{tag} P:iOCSE_Entity"
    )
    assert {"POLYN"} == await keys(graphs, f"{tag} P:iMathematical_Object")


async def test_superclasses_can_be_asked_too(graphs: OxigraphGraphs) -> None:
    """By the path `rdfs:subClassOf*`, for concepts as for the classes of entities."""
    assert {one.key for one in ENTITIES} == await keys(
        graphs, "?entity a ?type . ?type rdfs:subClassOf* P:ACKREP_Entity"
    )
    assert {"PLAIN"} == await keys(graphs, "?entity a P:ACKREP_ProblemClass")


async def test_terms(graphs: OxigraphGraphs) -> None:
    """Entities have key and title; literals datatype and language; unbound ones are said so."""
    answer = await ask(
        graphs,
        'SELECT ?entity (1 AS ?one) ("a"@en AS ?word) ("t" AS ?text) (1/0 AS ?none) (BNODE() AS ?b)'
        ' { ?entity P:has_entity_key "LOOPS" }',
    )
    (row,) = answer.rows

    assert ("entity", "one", "word", "text", "none", "b") == answer.variables
    assert (TermKind.IRI, f"{NAMESPACE}entity_LOOPS", "LOOPS", "Closed loop") == (
        row[0].kind,
        row[0].value,
        row[0].key,
        row[0].label,
    )
    assert ("1", "http://www.w3.org/2001/XMLSchema#integer") == (row[1].value, row[1].datatype)
    assert ("a", "", "en") == (row[2].value, row[2].datatype, row[2].language)
    assert (TermKind.LITERAL, "t", "") == (row[3].kind, row[3].value, row[3].datatype)
    assert (TermKind.UNBOUND, TermKind.BLANK_NODE) == (row[4].kind, row[5].kind)


async def test_yes_and_no(graphs: OxigraphGraphs) -> None:
    """ASK has a truth and no rows."""
    assert True is (await ask(graphs, "ASK { ?x P:has_entity_key 'LOOPS' }")).truth
    no = await ask(graphs, "ASK { ?x P:has_entity_key 'XXXXX' }")
    assert (False, (), ()) == (no.truth, no.rows, no.variables)


async def test_rows_are_limited(graphs: OxigraphGraphs) -> None:
    """It is said whether there are more; exactly as many as the limit are not more."""
    query = "SELECT ?entity { ?entity P:has_entity_key ?key } ORDER BY ?key"
    few = await ask(graphs, query, max_rows=3)
    every = await ask(graphs, query, max_rows=len(ENTITIES))

    assert (["BOTHE", "LINER", "LOOPS"], True) == ([row[0].key for row in few.rows], few.truncated)
    assert (len(ENTITIES), False) == (len(every.rows), every.truncated)


async def test_an_answer_is_bounded_in_bytes(graphs: OxigraphGraphs) -> None:
    """A few rows that are huge each are cut as many rows are."""
    big = "SELECT (CONCAT(?v, ?v, ?v, ?v, ?v, ?v, ?v, ?v) AS ?w) { VALUES ?v { %s } ?a ?b ?c }"
    answer = await ask(graphs, big % f'"{"x" * 20_000}"', max_rows=10_000)

    assert True is answer.truncated
    assert 0 < sum(len(row[0].value) for row in answer.rows) < 10 * 1024 * 1024


@pytest.mark.parametrize(
    ("query", "place", "why"),
    [
        ("SELECT ?x WHERE {\n  ?x P:a }", "line 2, column 10", "`}` does not fit here"),
        ("SELECT ?x WHER { ?x P:a ?y }", "line 1, column 11", "`WHER` does not fit here"),
        ("SELECT ?x { ?x P:a P:b P:c }", "line 1, column 24", "`P:c` does not fit here"),
        ("SELECT ?x { ?x P:a ?y FILTER(?x = ) }", "line 1, column 35", "a value is wanted"),
        ("SELECT ?x", "line 1, column 10", "the query ends too early"),
        ("SELECT (1 AS ?x) (2 AS ?x) { }", "line 1, column 30", "Duplicated variable"),
        ("SELECT ?x { ?x P:a <b> }", "line 1, column 20", "IRI parsing failed"),
    ],
)
async def test_a_syntax_error_has_its_place(
    graphs: OxigraphGraphs, query: str, place: str, why: str
) -> None:
    """The first token that does not fit, with a mark below it."""
    with pytest.raises(InvalidArgumentError) as caught:
        await ask(graphs, query)

    assert caught.value.message.startswith(f"{place}: "), caught.value.message
    assert why in caught.value.message.split("\n", maxsplit=1)[0]
    column = int(place.rsplit(" ", maxsplit=1)[1])
    assert caught.value.message.endswith("\n  " + " " * (column - 1) + "^")


# Limits -----------------------------------------------------------------------------------


async def test_a_slow_query_is_ended(graphs: OxigraphGraphs) -> None:
    """After its time, with its process; others are answered meanwhile and afterwards."""
    slow = asyncio.create_task(ask(graphs, SLOW))
    assert {"LOOPS"} == await keys(graphs, '?entity P:has_entity_key "LOOPS"')
    with pytest.raises(DeadlineExceededError, match="longer than 2 s"):
        await slow

    await _until(lambda: busy(graphs) == 0)
    assert {"LOOPS"} == await keys(graphs, '?entity P:has_entity_key "LOOPS"')


async def test_a_query_that_nobody_waits_for_is_ended(graphs: OxigraphGraphs) -> None:
    """Its process does not run on to the limit."""
    task = asyncio.create_task(ask(graphs, SLOW))
    await _until(lambda: busy(graphs) == 1)
    task.cancel()

    await _until(lambda: busy(graphs) == 0)
    assert True is (await ask(graphs, "ASK { ?a ?b ?c }")).truth


async def test_a_huge_query_is_ended(graphs: OxigraphGraphs) -> None:
    """It may take its memory and no more; the graph is unharmed."""
    with pytest.raises((ResourceExhaustedError, DeadlineExceededError)) as caught:
        await ask(graphs, HUGE)

    assert isinstance(caught.value, ResourceExhaustedError), caught.value
    assert "more than 200 MiB" in caught.value.message
    assert True is (await ask(graphs, "ASK { ?a ?b ?c }")).truth


async def test_too_many_queries_wait_and_are_refused() -> None:
    """As many as there are slots run; the next waits, but not for ever."""
    async with OxigraphGraphs(seconds=1.0, slots=1) as graphs:
        await graphs.load("tree", ontology(PLANTS), batches(*ENTITIES))
        results = await asyncio.gather(
            *(ask(graphs, SLOW) for _ in range(3)), return_exceptions=True
        )

    kinds = {type(result) for result in results}
    assert {DeadlineExceededError, ResourceExhaustedError} == kinds


async def test_queries_reach_nothing(graphs: OxigraphGraphs) -> None:
    """Should a SERVICE come through all checks, it finds neither network nor names."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        with pytest.raises(InvalidArgumentError, match="the query failed"):
            await ask(graphs, f"SELECT * {{ SERVICE <http://127.0.0.1:{port}/> {{ ?a ?b ?c }} }}")
        with pytest.raises(TimeoutError):
            server.accept()


async def test_the_process_knows_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the catalog, such as its token and its database, stay with the catalog."""
    monkeypatch.setenv("ACKREP_TOKEN", "very secret")
    async with OxigraphGraphs() as graphs:
        await graphs.load("tree", ontology(PLANTS), batches(*ENTITIES))
        variables = Path(f"/proc/{pids(graphs)[0]}/environ").read_bytes()

    assert b"PATH=" in variables
    assert b"ACKREP_TOKEN" not in variables


# Life -------------------------------------------------------------------------------------


async def test_the_two_graphs_used_last_are_kept() -> None:
    """A third one takes the place of the one that nobody asked for the longest."""
    async with OxigraphGraphs() as graphs:
        for tree in ("first", "second"):
            await graphs.load(tree, ontology(PLANTS), batches(*ENTITIES))
        await graphs.query("first", "ASK {}", max_rows=1)
        await graphs.load("third", ontology(PLANTS), batches(*ENTITIES))

        for tree in ("first", "third"):
            assert True is (await graphs.query(tree, "ASK {}", max_rows=1)).truth
        with pytest.raises(UnknownGraphError):
            await graphs.query("second", "ASK {}", max_rows=1)


async def test_queries_do_not_wait_for_forks(graphs: OxigraphGraphs) -> None:
    """Each one finds a process that was forked before; those of lost graphs do not stay."""
    for _ in range(5):
        await ask(graphs, "ASK {}")
        await _until(lambda: len(pids(graphs)) == 2)
    for tree in ("second", "third"):
        await graphs.load(tree, ontology(PLANTS), batches(*ENTITIES))

    await _until(lambda: len(pids(graphs)) == 3)


async def test_nothing_is_loaded_at_first() -> None:
    """And no process is started."""
    async with OxigraphGraphs() as graphs:
        with pytest.raises(UnknownGraphError):
            await graphs.query("tree", "ASK {}", max_rows=1)
        assert None is graphs._process


async def test_a_lost_process_is_replaced(graphs: OxigraphGraphs) -> None:
    """Who waits is told; the next one finds no graph and loads it into a new process."""
    waiting = asyncio.create_task(ask(graphs, SLOW))
    await _until(lambda: busy(graphs) == 1)
    os.kill(pids(graphs)[0], signal.SIGKILL)

    with pytest.raises(UnavailableError):
        await waiting
    with pytest.raises(UnknownGraphError):
        await ask(graphs, "ASK {}")
    await graphs.load("tree", ontology(PLANTS), batches(*ENTITIES))
    assert True is (await ask(graphs, "ASK {}")).truth


async def test_all_processes_end_with_the_catalog() -> None:
    """Also those of queries that run."""
    graphs = OxigraphGraphs(seconds=60)
    await graphs.load("tree", ontology(PLANTS), batches(*ENTITIES))
    waiting = asyncio.create_task(ask(graphs, SLOW))
    await _until(lambda: busy(graphs) == 1)
    started = pids(graphs)
    process = graphs._process
    assert process is not None
    assert process.stdin is not None
    process.stdin.close()  # what the end of the catalog is for its child

    await _until(lambda: not any(map(_state, started)))
    with pytest.raises(UnavailableError):
        await waiting


def _state(pid: int) -> str:
    """`R` for one that computes; empty for one that is gone, or as good as that."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if state == "Z" else state


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # of other processes: there is no event for it
            await asyncio.sleep(0.02)
