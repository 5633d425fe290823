"""Concepts, their hierarchy, and tags that mean them."""

import time

import pytest

from services.catalog.domain.entities import SYMLINK_MODE, EntityType, TreeEntry
from services.catalog.domain.ontology.concepts import (
    NO_ONTOLOGY,
    Ontology,
    entity_class,
    ontology_entries,
)
from tests.ontologies import NAMESPACE, PLANTS, classes, ontology, problems


@pytest.fixture(scope="module")
def plants() -> Ontology:
    """An ontology without mistakes."""
    found = ontology(PLANTS)
    assert () == found.diagnostics
    return found


def test_a_concept_tells_what_it_is(plants: Ontology) -> None:
    """Name, IRI, label, comment, superclasses, individual, tag, and where it is declared."""
    concept = plants.concepts["System"]

    assert f"{NAMESPACE}System" == concept.iri
    assert ("System", "Anything with a state", ("OCSE_Entity",)) == (
        concept.label,
        concept.comment,
        concept.parents,
    )
    assert (f"{NAMESPACE}iSystem", "ocse:System") == (concept.individual, concept.tag)
    assert ("ontology/0.owl.yml", 21) == (concept.path, concept.line)
    assert "Linear State Space System" == plants.concepts["Linear_State_Space_System"].label


def test_concepts_are_in_the_order_of_their_names(plants: Ontology) -> None:
    """Whatever the order of the file."""
    assert sorted(plants.concepts) == list(plants.concepts)


def test_a_tag_implies_all_superclasses(plants: Ontology) -> None:
    """Up to the topmost one that can be a tag, itself included, as in 2022."""
    assert (
        "Linear_State_Space_System",
        "State_Space_System",
        "System",
        "OCSE_Entity",
    ) == plants.implied_concepts("ocse:Linear_State_Space_System")
    assert ("Polynomial", "Mathematical_Object") == plants.implied_concepts("ocse:Polynomial")
    assert () == plants.implied_concepts("ocse:ACKREP_SystemModel")
    assert () == plants.implied_concepts("Linear_State_Space_System")
    assert () == plants.implied_concepts("ocse:Nothing")


def test_several_superclasses_are_all_implied() -> None:
    """Nearest first, each once."""
    diamond = ontology(
        '- iri: "https://example.org/x#"\n'
        "- multiple_owl_classes:\n"
        "    - Top: {SubClassOf: 'owl:Thing', __create_proxy_individual: recursive}\n"
        "    - Left: {SubClassOf: Top}\n"
        "    - Right: {SubClassOf: Top}\n"
        "    - Bottom: {SubClassOf: [Left, Right]}\n"
    )

    assert ("Bottom", "Left", "Right", "Top") == diamond.implied_concepts("ocse:Bottom")


def test_only_some_concepts_are_tags() -> None:
    """`True` for a class alone, `recursive` for all below, `False` ends it."""
    found = ontology(
        '- iri: "https://example.org/x#"\n'
        "- multiple_owl_classes:\n"
        "    - All: {__create_proxy_individual: recursive}\n"
        "    - Below: {SubClassOf: All}\n"
        "    - Not: {SubClassOf: Below, __create_proxy_individual: False}\n"
        "    - Below_Not: {SubClassOf: Not}\n"
        "    - One: {__create_proxy_individual: True}\n"
        "    - Below_One: {SubClassOf: One}\n"
        "    - None: {}\n"
    )

    assert {"All", "Below", "One"} == {
        name for name, concept in found.concepts.items() if concept.tag
    }


@pytest.mark.parametrize(
    ("tag", "message", "remedy"),
    [
        (
            "ocse:Linaer_State_Space_System",
            "the ontology has no concept 'Linaer_State_Space_System'",
            "did you mean `ocse:Linear_State_Space_System`, `ocse:State_Space_System`?",
        ),
        (
            "ocse:state_space_system",
            "the ontology has no concept 'state_space_system'",
            "did you mean `ocse:State_Space_System`?",
        ),
        (
            "ocse:State Space System",
            "the ontology has no concept 'State Space System'",
            "did you mean `ocse:State_Space_System`?",
        ),
        (
            "OCSE:Polynomial",
            "the tag 'OCSE:Polynomial' means nothing as it is written",
            "write `ocse:Polynomial`",
        ),
        (
            "ocse: Polynomial",
            "the tag 'ocse: Polynomial' means nothing as it is written",
            "write `ocse:Polynomial`",
        ),
        (
            "ocse:ACKREP_SystemModel",
            "the concept ACKREP_SystemModel is no term that entities are tagged with",
            "use a concept below one that has `__create_proxy_individual: recursive`",
        ),
        (
            "ocse:Xyzzy",
            "the ontology has no concept 'Xyzzy'",
            "add it to the ontology, or drop `ocse:` for a free tag",
        ),
        (
            "ocse:",
            "the ontology has no concept ''",
            "add it to the ontology, or drop `ocse:` for a free tag",
        ),
    ],
)
def test_a_wrong_tag_is_explained(plants: Ontology, tag: str, message: str, remedy: str) -> None:
    """What is wrong, and what may have been meant; the same each time."""
    assert (message, remedy) == plants.tag_problem(tag)
    assert (message, remedy) == plants.tag_problem(tag)


@pytest.mark.parametrize("tag", ["ocse:Polynomial", "control", "", "xocse:Polynomial", "ocse"])
def test_a_right_or_free_tag_is_fine(plants: Ontology, tag: str) -> None:
    """Tags that do not claim to mean a concept are free."""
    assert None is plants.tag_problem(tag)


def test_without_a_whole_ontology_no_tag_is_wrong() -> None:
    """Where there is no ontology, or a file of it cannot be read, nothing is known of tags."""
    assert None is NO_ONTOLOGY.tag_problem("ocse:Xyzzy")
    assert None is ontology(PLANTS, "- iri: [").tag_problem("ocse:Xyzzy")
    assert None is not ontology(PLANTS, "- iri: https://example.org/y#").tag_problem("ocse:Xyzzy")


def test_many_different_wrong_tags_are_quick(plants: Ontology) -> None:
    """A repository full of slips, or of malice, is indexed all the same."""
    begin = time.perf_counter()
    for number in range(2_000):
        assert plants.tag_problem(f"ocse:State_Space_Sistem_{number}{'x' * 100_000}"[:100_000])

    assert time.perf_counter() - begin < 10


def test_equal_files_make_equal_ontologies() -> None:
    """So that what depends on an ontology can be kept by it."""
    assert ontology(PLANTS) == ontology(PLANTS)
    assert hash(ontology(PLANTS)) == hash(ontology(PLANTS))
    assert ontology(PLANTS) != ontology(PLANTS.replace("state", "states"))
    assert ontology(PLANTS) != NO_ONTOLOGY


# Several files, and what does not fit together ---------------------------------------------


def test_files_see_each_other() -> None:
    """Names of one file can be used in another, whatever their order and namespaces."""
    found = ontology(
        '- iri: "https://example.org/more#"\n'
        "- multiple_owl_classes:\n    - Motor: {SubClassOf: System}\n",
        PLANTS,
    )

    assert () == found.diagnostics
    assert NAMESPACE == found.namespace
    assert "https://example.org/more#Motor" == found.concepts["Motor"].iri
    assert "https://example.org/more#iMotor" == found.concepts["Motor"].individual
    assert ("Motor", "System", "OCSE_Entity") == found.implied_concepts("ocse:Motor")


def test_a_class_declared_twice_is_reported() -> None:
    """The first one counts, wherever it is; superclasses of the later one are added."""
    assert [("0", 5, "ontology-duplicate-class")] == problems(classes("A", "B < A", "B"))
    assert [("1", 3, "ontology-duplicate-class")] == problems(classes("A", "B < A"), classes("B"))
    assert ("A", "C") == ontology(classes("A", "C", "B < A", "B < C")).concepts["B"].parents


def test_an_unknown_superclass_is_reported() -> None:
    """At its place, with what may have been meant; the class stays."""
    found = ontology(classes("State_Space_System", "Linear_System < State_Spaec_System"))
    (problem,) = found.diagnostics

    assert ("ontology-unknown-superclass", 4) == (problem.code, problem.line)
    assert "did you mean State_Space_System?" == problem.remedy
    assert () == found.concepts["Linear_System"].parents


def test_cycles_are_cut() -> None:
    """Each is reported once, and the rest of the hierarchy stays."""
    found = ontology(classes("A < B", "B < C", "C < A, D", "D", "E < E", "F < A"))

    assert ["ontology-cycle", "ontology-cycle"] == [one.code for one in found.diagnostics]
    assert (
        "the classes go round in a circle: A is a B is a C is a A" == found.diagnostics[0].message
    )
    assert {"B", "C", "D"} == set(found.ancestors("A"))
    assert {"A", "B", "C", "D"} == set(found.ancestors("F"))
    assert () == found.ancestors("E")


def chain(count: int) -> Ontology:
    """Classes `C0` to `C{count - 1}`, each below the one before."""
    return ontology(
        '- iri: "https://example.org/x#"\n- multiple_owl_classes:\n'
        "    - C0: {__create_proxy_individual: recursive}\n"
        + "".join(f"    - C{number}: {{SubClassOf: C{number - 1}}}\n" for number in range(1, count))
    )


def test_a_deep_hierarchy() -> None:
    """So many superclasses count as anybody would write; what has more is reported, once."""
    assert () == chain(100).diagnostics
    assert 100 == len(chain(100).implied_concepts("ocse:C99"))
    deep = chain(5_000)

    assert [("ontology-too-large", 103)] == [(one.code, one.line) for one in deep.diagnostics]
    assert (5_000, 101) == (len(deep.concepts), len(deep.implied_concepts("ocse:C4999")))


def test_a_huge_ontology() -> None:
    """Classes are bounded, so that no repository takes all memory."""
    huge = ontology(classes(*(f"C{number}" for number in range(10_050))))

    assert ["ontology-too-large"] == [one.code for one in huge.diagnostics]
    assert 10_000 == len(huge.concepts)


def test_names_that_no_iri_can_hold_are_left_out() -> None:
    """Spaces and brackets would end an IRI."""
    assert [("0", 3, "ontology-bad-name")] == problems(classes('"A> <b"', "C"))
    assert ["C"] == list(ontology(classes('"A> <b"', "C")).concepts)


# Words ------------------------------------------------------------------------------------


def test_the_files_of_the_ontology() -> None:
    """`*.owl.yml` directly in the folder `ontology`, no links."""
    names = ["ontology/b.owl.yml", "ontology/a.owl.yml", "ontology/README.md", "x/c.owl.yml"]
    names += ["ontology/deep/d.owl.yml", "e.owl.yml", "x/ontology/f.owl.yml"]
    entries = [TreeEntry(path=name, mode=0o100644, id="0" * 40) for name in names]
    entries.append(TreeEntry(path="ontology/l.owl.yml", mode=SYMLINK_MODE, id="0" * 40))

    assert ["ontology/a.owl.yml", "ontology/b.owl.yml"] == [
        entry.path for entry in ontology_entries(entries)
    ]


def test_classes_of_entities() -> None:
    """The names of 2022."""
    assert "ACKREP_ProblemSolution" == entity_class(EntityType.PROBLEM_SOLUTION)
    assert "ACKREP_SystemModel" == entity_class(EntityType.SYSTEM_MODEL)
    assert "ACKREP_Notebook" == entity_class(EntityType.NOTEBOOK)
