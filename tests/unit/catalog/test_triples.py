"""The RDF of an ontology and of entities: every line is right, and says what it is to say."""

import pyoxigraph
import pytest

from services.catalog.domain.ontology.concepts import NO_ONTOLOGY
from services.catalog.domain.ontology.triples import (
    Tagged,
    entity_triples,
    ontology_triples,
    prefixes_of,
    vocabulary_of,
)
from tests.ontologies import NAMESPACE, PLANTS, ontology

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"


def statements(lines: str) -> set[tuple[str, str, str]]:
    """Subject, property and value of each line, read strictly."""
    read = pyoxigraph.parse(lines.encode(), format=pyoxigraph.RdfFormat.N_TRIPLES)
    found = set()
    for quad in read:
        assert isinstance(quad.subject, pyoxigraph.NamedNode | pyoxigraph.BlankNode)
        assert not isinstance(quad.object, pyoxigraph.Triple)
        found.add((quad.subject.value, quad.predicate.value, quad.object.value))
    return found


def test_an_entity_is_an_individual() -> None:
    """Of the class of its type, with key, title, and the concepts of its tags and above."""
    entity = Tagged(
        "AAAAA", "system_model", "A", ("free", "ocse:State_Space_System", "ocse:System")
    )
    found = statements(entity_triples([entity], vocabulary_of(ontology(PLANTS))))
    subject, tag = f"{NAMESPACE}entity_AAAAA", f"{NAMESPACE}has_ontology_based_tag"

    assert {
        (subject, f"{RDF}type", f"{NAMESPACE}ACKREP_SystemModel"),
        (subject, f"{NAMESPACE}has_entity_key", "AAAAA"),
        (subject, f"{RDFS}label", "A"),
        (subject, tag, f"{NAMESPACE}iState_Space_System"),
        (subject, tag, f"{NAMESPACE}iSystem"),
        (subject, tag, f"{NAMESPACE}iOCSE_Entity"),
    } == found


@pytest.mark.parametrize(
    "title",
    [
        'say "no"',
        "back\\slash \\u0041",
        "two\nlines\r\t",
        "üñí 漢字 🚀",
        "\x00\x01\x7f\x85\u2028",
        "",
    ],
)
def test_any_title_is_kept(title: str) -> None:
    """Quotes, line ends and control characters included."""
    lines = entity_triples([Tagged("AAAAA", "comment", title, ())], vocabulary_of(ontology(PLANTS)))

    assert title in {value for _, name, value in statements(lines) if name == f"{RDFS}label"}


def test_a_class_that_is_not_declared_is_made() -> None:
    """Types of entities that the ontology does not know are below the class of all entities."""
    found = statements(ontology_triples(ontology(PLANTS)))

    below = {
        one for one, name, above in found if name == f"{RDFS}subClassOf" and "_Entity" in above
    }
    assert {f"{NAMESPACE}ACKREP_Notebook", f"{NAMESPACE}ACKREP_SystemModel"} <= below


def test_a_vocabulary_of_its_own_is_used() -> None:
    """Where a file of another namespace declares the property, its IRI is meant."""
    other = (
        '- iri: "https://example.org/y#"\n'
        "- owl_data_property: {has_entity_key: {Domain: ACKREP_Entity, Range: str}}\n"
    )
    plants = PLANTS[: PLANTS.index("- owl_object_property")]

    assert "https://example.org/y#has_entity_key" == vocabulary_of(ontology(plants, other)).key
    assert f"{NAMESPACE}has_ontology_based_tag" == vocabulary_of(ontology(plants, other)).tag


def test_all_statements_are_right_rdf() -> None:
    """Concepts, properties with several classes, individuals and facts of each kind of value."""
    text = PLANTS + (
        "- owl_individual: {motor: {types: [System]}}\n"
        "- owl_data_property: {has_value: {Domain: [System, Task], Range: float}}\n"
        "- property_facts:\n"
        "    has_value: {Facts: [{motor: [1, 2.5, true, 'a \"b\"', iSystem]}]}\n"
    )
    found = statements(ontology_triples(ontology(text)))

    assert {"1", "2.5", "true", 'a "b"', f"{NAMESPACE}iSystem"} == {
        value for _, name, value in found if name == f"{NAMESPACE}has_value"
    }
    assert (f"{NAMESPACE}System", f"{RDFS}subClassOf", f"{NAMESPACE}OCSE_Entity") in found
    assert (f"{NAMESPACE}iSystem", f"{RDF}type", f"{NAMESPACE}System") in found
    assert 4 == sum(name == f"{RDF}first" for _, name, _ in found)


def test_without_an_ontology_there_is_nothing() -> None:
    """No namespace, no statements."""
    assert "" == ontology_triples(NO_ONTOLOGY)


def test_prefixes() -> None:
    """`P:` and `ocse:` are the ontology's own namespace."""
    prefixes = prefixes_of(NAMESPACE)

    assert {"rdf", "rdfs", "owl", "xsd", "P", "ocse"} == set(prefixes)
    assert (NAMESPACE, NAMESPACE, RDF) == (prefixes["P"], prefixes["ocse"], prefixes["rdf"])
