"""The dialect of yamlpyowl: what its statements mean, and what is said of others."""

import random

import pytest

from services.catalog.domain.diagnostics import SEVERITIES
from services.catalog.domain.ontology.documents import MAX_ONTOLOGY_BYTES, PropertyKind
from services.catalog.ontology.dialect import parse_ontology
from tests.ontologies import PLANTS, ontology, problems

HEAD = '- iri: "https://example.org/x#"\n'
X = "https://example.org/x#"


def said(text: str) -> list[tuple[str, int, int]]:
    """Code, line and column of each problem of a file."""
    return [
        (problem.code, problem.line, problem.column)
        for problem in parse_ontology(text.encode()).problems
    ]


def test_classes_in_both_spellings() -> None:
    """`owl_class` declares one, `multiple_owl_classes` a list; superclasses a text or a list."""
    found = ontology(
        HEAD + "- owl_class:\n"
        "    Food:\n"
        "      SubClassOf: 'owl:Thing'\n"
        "      labels: [food, Essen]\n"
        "      annotations: [what is eaten, at any time]\n"
        "- multiple_owl_classes:\n"
        "    - Pizza: {SubClassOf: Food}\n"
        "    - Feedback-Law:\n"
    )

    assert () == found.diagnostics
    assert ["Feedback-Law", "Food", "Pizza"] == list(found.concepts)
    assert ("food", "what is eaten\nat any time") == (
        found.concepts["Food"].label,
        found.concepts["Food"].comment,
    )
    assert 3 == found.concepts["Food"].line


def test_properties() -> None:
    """Kind, domain, range, characteristics and inverse, by IRI."""
    found = ontology(
        HEAD + "- owl_class: {House: {}}\n"
        "- owl_object_property:\n"
        "    right_to:\n"
        "      Domain: House\n"
        "      Range: [House, 'owl:Thing']\n"
        "      Characteristics: [Functional, InverseFunctional]\n"
        "- owl_inverse_property:\n"
        "    left_to: {Inverse: right_to}\n"
        "- owl_data_property:\n"
        "    has_number: {Domain: House, Range: int}\n"
    )
    right, left, number = found.properties

    assert () == found.diagnostics
    assert (PropertyKind.OBJECT, (f"{X}House",)) == (right.kind, right.domain)
    assert (f"{X}House", "http://www.w3.org/2002/07/owl#Thing") == right.range
    assert 2 == len(right.characteristics)
    assert (f"{X}left_to", f"{X}right_to") == (left.iri, left.inverse)
    assert (PropertyKind.DATA, ("http://www.w3.org/2001/XMLSchema#integer",)) == (
        number.kind,
        number.range,
    )


def test_individuals_and_facts() -> None:
    """One or several individuals, and what is stated of them; proxies are individuals too."""
    found = ontology(
        HEAD + "- owl_class: {Topping: {__create_proxy_individual: True}}\n"
        "- owl_object_property: {has_topping: {Domain: Topping, Range: Topping}}\n"
        "- owl_data_property: {has_price: {Domain: Topping, Range: float}}\n"
        "- owl_individual: {pizza1: {types: [Topping]}}\n"
        "- owl_multiple_individuals: {names: [pizza2, pizza3], types: Topping}\n"
        "- property_facts:\n"
        "    has_topping:\n"
        "      Facts:\n"
        "        - pizza1: [iTopping, pizza2]\n"
        "    has_price:\n"
        "      Facts:\n"
        "        - pizza1: 8.5\n"
        "        - pizza2: cheap\n"
    )

    assert () == found.diagnostics
    assert ["pizza1", "pizza2", "pizza3"] == [one.name for one in found.individuals]
    assert [
        (f"{X}has_topping", f"{X}iTopping", True),
        (f"{X}has_topping", f"{X}pizza2", True),
        (f"{X}has_price", 8.5, False),
        (f"{X}has_price", "cheap", False),
    ] == [(fact.property, fact.value, fact.is_iri) for fact in found.facts]


def test_relations_between_more_than_two() -> None:
    """A subclass of `X_RelationConcept` has a role, and each stated relation an individual."""
    found = ontology(
        HEAD + "- multiple_owl_classes:\n"
        "    - Food: {__create_proxy_individual: recursive}\n"
        "    - X_RelationConcept: {SubClassOf: 'owl:Thing'}\n"
        "    - X_Taste_RC: {SubClassOf: X_RelationConcept, X_associatedWithClasses: [Food]}\n"
        "- owl_object_property: {has_partner: {Domain: X_Taste_RC, Range: Food}}\n"
        "- owl_data_property: {has_value: {Domain: X_Taste_RC, Range: float}}\n"
        "- relation_concept_facts:\n"
        "    iFood:\n"
        "      X_hasTaste_RC:\n"
        "        - {has_partner: iFood, has_value: 0.5}\n"
        "        - {has_value: 1}\n"
    )

    assert () == found.diagnostics
    assert "X_hasTaste_RC" in {one.name for one in found.properties}
    assert ["iX_Taste_RC_0", "iX_Taste_RC_1"] == [one.name for one in found.individuals]
    assert 5 == len(found.facts)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("- swrl_rule: {name: a, src: b}", 2, 3),
        ("- restriction: {Subject: a, Body: {}}", 2, 3),
        ("- different_individuals: [__all__]", 2, 3),
        ("- import: {iri: 'https://example.org/y#', localpath: /etc/passwd}", 2, 3),
        ("- owl_classes: []", 2, 3),
        ("- owl_class: {A: {SubclassOf: B}}", 2, 19),
        ("- owl_class: {A: {EquivalentTo: B}}", 2, 19),
    ],
)
def test_statements_without_effect_are_remarked(text: str, line: int, column: int) -> None:
    """What is unknown, or plays no part here, is worth knowing and no failure."""
    assert [("ontology-unknown-statement", line, column)] == said(HEAD + text)


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("", "ontology-structure", 0),
        ("a: b", "ontology-structure", 1),
        ("- iri: ]", "yaml-syntax", 1),
        ("- iri: !!python/object:os.system x", "yaml-tag-refused", 1),
        ("- iri: !x y", "yaml-tag-refused", 1),
        ("- " * 60 + "a", "yaml-too-large", 1),
    ],
)
def test_a_file_that_cannot_be_read(text: str, code: str, line: int) -> None:
    """It has one problem, and says nothing."""
    document = parse_ontology(text.encode())

    assert [(code, line)] == [(problem.code, problem.line) for problem in document.problems]
    assert (False, ()) == (document.usable, document.classes)


def test_other_files_that_cannot_be_read() -> None:
    """Too large ones, odd bytes, and bombs of aliases."""
    bomb = "- &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"- &{name} [{', '.join([f'*{before}'] * 10)}]\n"
        for before, name in zip("abcdefg", "bcdefgh", strict=True)
    )

    assert ["yaml-too-large"] == [code for code, _, _ in said("#" * (MAX_ONTOLOGY_BYTES + 1))]
    assert ("yaml-not-utf8", 2) == (
        parse_ontology(b"- iri: a\n- \xff").problems[0].code,
        parse_ontology(b"- iri: a\n- \xff").problems[0].line,
    )
    for use in ("- iri: *h\n", "- multiple_owl_classes: *h\n", "- *h\n"):
        assert len(parse_ontology((bomb + use).encode()).problems) <= 1_000


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("- multiple_owl_classes:\n    - A\n", ("ontology-structure", 3, 7)),
        ("- owl_class: {A: {SubClassOf: {Or: [B, C]}}}", ("ontology-structure", 2, 31)),
        (
            "- owl_class: {A: {__create_proxy_individual: maybe}}",
            ("ontology-structure", 2, 46),
        ),
        ("- iri: https://example.org/y#", ("ontology-namespace", 1, 8)),
    ],
)
def test_what_has_the_wrong_shape_is_reported(text: str, place: tuple[str, int, int]) -> None:
    """At its place; the rest of the file is read."""
    assert [place] == said(HEAD + text)


@pytest.mark.parametrize("head", ["- annotation: x\n", "- iri: no iri\n", "- iri: 'a:b c'\n"])
def test_a_missing_namespace_is_reported(head: str) -> None:
    """That of the 2022 dialect is taken."""
    found = ontology(head + "- owl_class: {A: {}}\n")

    assert ["ontology-namespace"] == [one.code for one in found.diagnostics]
    assert "https://w3id.org/yet/undefined/ontology#A" == found.concepts["A"].iri


def test_unknown_names_are_reported() -> None:
    """In domains, types and facts; the rest stays."""
    assert [
        ("0", 2, "ontology-unknown-name"),
        ("0", 3, "ontology-unknown-name"),
        ("0", 4, "ontology-unknown-name"),
    ] == problems(
        HEAD + "- owl_object_property: {p: {Domain: Nowhere, Range: 'owl:Thing'}}\n"
        "- owl_individual: {i: {types: [Nothing]}}\n"
        "- property_facts: {p: {Facts: [{nobody: i}]}}\n"
    )


def test_no_input_raises() -> None:
    """Whatever stands in a file, it gives an ontology and diagnostics with known codes."""
    chance = random.Random(5)  # noqa: S311  # the same each time
    pieces = PLANTS.split("\n")
    marks = ["- ", ": ", "  ", "[", "]", "{", "}", "&a ", "*a", "!!str ", "|", ">", "'", '"', "\t"]
    for _ in range(600):
        lines = list(pieces)
        for _ in range(chance.randint(1, 12)):
            place = chance.randrange(len(lines))
            column = chance.randint(0, len(lines[place]))
            way = chance.randrange(4)
            if way == 0:
                del lines[place]
            elif way == 1:
                lines[place] = lines[chance.randrange(len(lines))]
            elif way == 2:
                mark = chance.choice(marks)
                lines[place] = lines[place][:column] + mark + lines[place][column:]
            else:
                lines[place] = " " * chance.randint(0, 12) + lines[place].strip()
            lines = lines or [""]
        found = ontology("\n".join(lines))
        assert {one.code for one in found.diagnostics} <= SEVERITIES.keys()
        for name in found.concepts:
            found.ancestors(name)
