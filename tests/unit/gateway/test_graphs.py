"""Where the boxes of a drawing of relations are."""

import itertools

import pytest

from ackrep.catalog.v1 import catalog_pb2
from gateway.pages import graphs

T = catalog_pb2.EntityType


def entity(references: int, referrers: int) -> catalog_pb2.Entity:
    """Makes an entity with so many edges each way."""
    made = catalog_pb2.Entity(key="SELF1", title="A title that is rather long for so small a box")
    for number in range(references):
        made.references.add(
            field="method_package_list",
            entity=f"entities/R{number}",
            title=f"R {number}",
            type=T.ENTITY_TYPE_METHOD_PACKAGE,
        )
    for number in range(referrers):
        made.referrers.add(
            field="solved_problem_list",
            entity=f"entities/S{number}",
            title=f"S {number}",
            type=T.ENTITY_TYPE_PROBLEM_SOLUTION,
        )
    return made


@pytest.mark.parametrize("references", [0, 1, 3, 12, 13, 500])
@pytest.mark.parametrize("referrers", [0, 2, 40])
def test_nothing_overlaps(references: int, referrers: int) -> None:
    """In both drawings every box is inside and apart from the others; there are at most 25."""
    around = graphs.neighbours(entity(references, referrers))
    for drawing in (graphs.wide("Title", around), graphs.narrow("Title", around)):
        assert 25 >= len(drawing.nodes)
        assert len(drawing.nodes) - 1 == len(drawing.lines)
        for node in drawing.nodes:
            assert 0 <= node.x <= node.x + node.width <= drawing.width
            assert 0 <= node.y <= node.y + 46 <= drawing.height
        for one, other in itertools.combinations(drawing.nodes, 2):
            apart = one.x + one.width <= other.x or other.x + other.width <= one.x
            assert apart or abs(one.y - other.y) >= 46
    more = [node.label for node in drawing.nodes if node.kind == "more"]
    assert (references > 12) + (referrers > 12) == len(more)


def test_neighbours_are_merged_and_in_order() -> None:
    """Two edges to one entity are one box; environments come first, then methods, then models."""
    made = catalog_pb2.Entity()
    for field, title, kind in (
        ("a_list", "M", T.ENTITY_TYPE_SYSTEM_MODEL),
        ("method_package_list", "P", T.ENTITY_TYPE_METHOD_PACKAGE),
        ("b", "M", T.ENTITY_TYPE_SYSTEM_MODEL),
        ("compatible_environment", "E", T.ENTITY_TYPE_ENVIRONMENT_SPECIFICATION),
    ):
        made.references.add(field=field, entity=f"entities/{title}", title=title, type=kind)
    made.references.add(field="predecessor_key", entity="entities/GONE1")
    found = graphs.neighbours(made).references

    assert ["E", "P", "M", "GONE1"] == [one.title for one in found]
    assert "a, b" == found[2].verb
    assert [False, False, False, True] == [one.missing for one in found]


def test_long_titles_are_cut() -> None:
    """A box holds what fits; the whole title is beside it for those who ask."""
    around = graphs.neighbours(entity(1, 0))
    label = graphs.wide("A title that is rather long for so small a box", around).nodes[0].label

    assert label.endswith("…")
    assert 27 >= len(label)
