"""Circles of references are found, kept while references change, and told once."""

from collections.abc import Mapping
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.catalog.domain.indexing.cycles import (
    LONGEST,
    Cycles,
    cycle_text,
    groups_from,
    shortest_cycle,
)
from tests.unit.catalog.repositories import entity_files, index_of

Graph = Mapping[str, list[str]]
NAMES = "ABCDEF"
GRAPHS = st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=3))


def edges(graph: Graph, key: str) -> list[str]:
    return [other for other in graph.get(key, []) if other in graph]


def reaching(graph: Graph) -> set[tuple[str, ...]]:
    """Groups by definition: keys that reach each other."""
    reach = {key: set(edges(graph, key)) for key in graph}
    for _ in graph:
        for found in reach.values():
            found.update(*(reach[other] for other in found))
    return {
        tuple(sorted(other for other in graph if other in reach[key] and key in reach[other]))
        for key in graph
        if key in reach[key]
    }


@settings(max_examples=300, deadline=None, print_blob=True)
@given(GRAPHS)
def test_groups(graph: Graph) -> None:
    """They are those of the definition."""
    found = list(groups_from(sorted(graph), partial(edges, graph)))
    assert reaching(graph) == set(found)
    assert len(set(found)) == len(found)


@settings(max_examples=300, deadline=None, print_blob=True)
@given(st.lists(GRAPHS, min_size=1, max_size=5))
def test_updates(graphs: list[Graph]) -> None:
    """What is told, taken together, is what an examination from scratch tells."""
    cycles, told, before = Cycles(), dict[str, tuple[str, ...]](), dict[str, list[str]]()
    for graph in graphs:
        changed = {
            key
            for key in NAMES
            if edges(before, key) != edges(graph, key) or (key in before) != (key in graph)
        }
        over, new = cycles.update(changed, partial(edges, graph))
        for first in over:
            told.pop(first, None)
        told.update(new)
        expected = {
            group[0]: shortest_cycle(group[0], group, partial(edges, graph))
            for group in reaching(graph)
        }
        assert expected == told
        before = dict(graph)


def test_a_very_long_circle() -> None:
    """It needs no deep recursion, and its text stays short."""
    size = 50_000
    keys = [f"{number:05d}" for number in range(size)]
    following = dict(zip(keys, [*keys[1:], keys[0]], strict=True))
    over, told = Cycles().update(keys, lambda key: [following[key]])
    assert ([], ["00000"]) == (over, list(told))
    assert size == len(told["00000"])
    assert len(cycle_text(told["00000"])) < 100
    assert "(50000 entities)" in cycle_text(told["00000"])
    assert cycle_text(keys[:LONGEST]).count("→") == LONGEST


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (
            entity_files("AAAAA", "method_package", method_package_list="[BBBBB]")
            | entity_files("BBBBB", "method_package", method_package_list="[XXXXX, AAAAA]")
            | entity_files("XXXXX", "method_package"),
            [
                ("method_packages/aaaaa/metadata.yml", 4, 23, "AAAAA → BBBBB → AAAAA"),
                ("method_packages/bbbbb/metadata.yml", 4, 30, "BBBBB → AAAAA → BBBBB"),
            ],
        ),
        (
            entity_files("AAAAA", "comment", predecessor_key="AAAAA"),
            [("comments/aaaaa/metadata.yml", 4, 18, "AAAAA → AAAAA")],
        ),
        (
            entity_files("AAAAA", "method_package", method_package_list="[BBBBB]")
            | entity_files("BBBBB", "method_package", predecessor_key="AAAAA"),
            [],
        ),
    ],
)
def test_what_is_told(files: Mapping[str, str], told: list[tuple[str, int, int, str]]) -> None:
    """Each entity of a circle is told at its reference; needing and succeeding are no circle."""
    found = [one for one in index_of(files).diagnostics if one.code == "reference-cycle"]
    assert told == [
        (one.path, one.line, one.column, one.message.partition("round: ")[2]) for one in found
    ]
