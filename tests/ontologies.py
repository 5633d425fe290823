"""Small ontologies for tests, in the dialect of yamlpyowl."""

from services.catalog.domain.diagnostics import Diagnostic
from services.catalog.domain.ontology.concepts import Ontology
from services.catalog.domain.ontology.documents import OntologyFile
from services.catalog.domain.ontology.merging import ontology_of
from services.catalog.ontology.dialect import parse_ontology

NAMESPACE = "https://example.org/plants#"

PLANTS = f"""\
- iri: "{NAMESPACE}"

- multiple_owl_classes:
    - OCSE_Entity:
        SubClassOf: "owl:Thing"
        __create_proxy_individual: recursive
    - Mathematical_Object:
        SubClassOf: "owl:Thing"
        __create_proxy_individual: recursive
    - Polynomial:
        SubClassOf: Mathematical_Object
    - ACKREP_Entity:
        SubClassOf: "owl:Thing"
    - ACKREP_ProblemSpecification:
        SubClassOf: ACKREP_Entity
    - ACKREP_ProblemSolution:
        SubClassOf: ACKREP_Entity
    - ACKREP_SystemModel:
        SubClassOf: ACKREP_Entity

    - System:
        SubClassOf: OCSE_Entity
        annotations: Anything with a state
    - State_Space_System:
        SubClassOf: System
    - Linear_State_Space_System:
        SubClassOf:
            - State_Space_System
    - Task:
        SubClassOf: OCSE_Entity
    - Closed_Loop_Control:
        SubClassOf: Task
    - Trajectory_Generation:
        SubClassOf: Task

- owl_object_property:
    has_ontology_based_tag:
        Domain: ACKREP_Entity
        Range:
            - OCSE_Entity
            - Mathematical_Object

- owl_data_property:
    has_entity_key:
        Domain: ACKREP_Entity
        Range: str
        Characteristics:
            - Functional
"""
"""Concepts, and what is said of entities."""


def ontology(*contents: str) -> Ontology:
    """Merges files `ontology/0.owl.yml`, `ontology/1.owl.yml`, ..."""
    return ontology_of(
        [
            OntologyFile(
                path=f"ontology/{number}.owl.yml",
                id=f"{hash(content):x}",
                document=parse_ontology(content.encode()),
            )
            for number, content in enumerate(contents)
        ]
    )


def problems(*contents: str) -> list[tuple[str, int, str]]:
    """File number, line and code of each diagnostic of such files."""
    return [_place(diagnostic) for diagnostic in ontology(*contents).diagnostics]


def _place(diagnostic: Diagnostic) -> tuple[str, int, str]:
    name = diagnostic.path.removeprefix("ontology/").removesuffix(".owl.yml")
    return name, diagnostic.line, diagnostic.code


def classes(*lines: str) -> str:
    """A file of classes, `Child < Parent, Other`; the first class stands in line 3."""
    text = f'- iri: "{NAMESPACE}"\n- multiple_owl_classes:\n'
    for line in lines:
        name, _, parents = line.partition(" < ")
        text += f"    - {name}: {{SubClassOf: [{parents or 'owl:Thing'}]}}\n"
    return text
