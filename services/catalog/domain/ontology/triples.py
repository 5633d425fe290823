"""What an ontology and the entities of a revision are as RDF, in lines of N-Triples.

An entity with the key UXMFA is the individual `entity_UXMFA` in the ontology's namespace: of the
class of its type, with `has_entity_key`, its title as `rdfs:label`, and `has_ontology_based_tag`
to the individuals of each concept it is tagged with and of all superclasses.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from services.catalog.domain.entities import EntityType
from services.catalog.domain.ontology.concepts import (
    ENTITY_CLASS,
    KEY_PROPERTY,
    TAG_PROPERTY,
    Ontology,
    Property,
    entity_class,
)
from services.catalog.domain.ontology.documents import FactValue, PropertyKind
from services.catalog.domain.ontology.sparql import ONTOLOGY_PREFIXES, STANDARD_PREFIXES

RDF: Final = STANDARD_PREFIXES["rdf"]
RDFS: Final = STANDARD_PREFIXES["rdfs"]
OWL: Final = STANDARD_PREFIXES["owl"]
XSD: Final = STANDARD_PREFIXES["xsd"]
_TYPE: Final = f"<{RDF}type>"
_LABEL: Final = f"<{RDFS}label>"
_CHARACTERS: Final = str.maketrans({"\x7f": "\\u007F", "\x85": "\\u0085"})


class Tagged(NamedTuple):
    """What the graph wants to know of an entity."""

    key: str
    type: str
    """As its metadata writes it, e.g. `system_model`."""
    title: str
    tags: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """IRIs of what is said of entities; all there is to know to make triples of entities."""

    namespace: str
    key: str
    """Property that gives an entity's key."""
    tag: str
    """Property that gives its concepts."""
    classes: Mapping[str, str]
    """Class of each type of entity."""
    tags: Mapping[str, Sequence[str]]
    """Individuals that each tag means, those of superclasses included."""


def vocabulary_of(ontology: Ontology) -> Vocabulary:
    """The vocabulary: as the ontology declares it, and in its namespace what it does not."""
    properties = {known.name: known.iri for known in ontology.properties}
    return Vocabulary(
        namespace=ontology.namespace,
        key=properties.get(KEY_PROPERTY, ontology.namespace + KEY_PROPERTY),
        tag=properties.get(TAG_PROPERTY, ontology.namespace + TAG_PROPERTY),
        classes={type_.value: _class_iri(ontology, entity_class(type_)) for type_ in EntityType},
        tags={
            concept.tag: [
                ontology.concepts[name].individual
                for name in ontology.implied_concepts(concept.tag)
            ]
            for concept in ontology.concepts.values()
            if concept.tag
        },
    )


def prefixes_of(namespace: str) -> dict[str, str]:
    """The prefixes that queries need not declare."""
    return {**STANDARD_PREFIXES, **dict.fromkeys(ONTOLOGY_PREFIXES, namespace)}


def ontology_triples(ontology: Ontology) -> str:
    """Classes, properties, individuals and facts of an ontology."""
    return "".join(f"{line} .\n" for line in _ontology_lines(ontology))


def entity_triples(entities: Iterable[Tagged], vocabulary: Vocabulary) -> str:
    """The individuals that stand for entities."""
    lines = []
    key_property, tag_property = f"<{vocabulary.key}>", f"<{vocabulary.tag}>"
    classes = {name: f"<{iri}>" for name, iri in vocabulary.classes.items()}
    objects = {
        tag: [f"{tag_property} <{iri}> .\n" for iri in iris]
        for tag, iris in vocabulary.tags.items()
    }
    for entity in entities:
        subject = f"<{vocabulary.namespace}entity_{entity.key}>"
        lines.append(
            f"{subject} {_TYPE} {classes[entity.type]} .\n"
            f'{subject} {key_property} "{entity.key}" .\n'
            f"{subject} {_LABEL} {_text(entity.title)} .\n"
        )
        said: dict[str, None] = {}
        for tag in entity.tags:
            said.update(dict.fromkeys(objects.get(tag, ())))
        lines.extend(f"{subject} {line}" for line in said)
    return "".join(lines)


def _ontology_lines(ontology: Ontology) -> Iterator[str]:
    if not ontology.namespace:
        return
    for concept in ontology.concepts.values():
        iri = f"<{concept.iri}>"
        yield f"{iri} {_TYPE} <{OWL}Class>"
        yield f"{iri} {_LABEL} {_text(concept.label)}"
        if concept.comment:
            yield f"{iri} <{RDFS}comment> {_text(concept.comment)}"
        parents = [ontology.concepts[parent].iri for parent in concept.parents]
        for parent in parents or [f"{OWL}Thing"]:
            yield f"{iri} <{RDFS}subClassOf> <{parent}>"
        if concept.individual:
            yield f"<{concept.individual}> {_TYPE} <{OWL}NamedIndividual>"
            yield f"<{concept.individual}> {_TYPE} {iri}"
    yield from _missing_lines(ontology)
    for number, property_ in enumerate(ontology.properties):
        yield from _property_lines(property_, number)
    for individual in ontology.individuals:
        yield f"<{individual.iri}> {_TYPE} <{OWL}NamedIndividual>"
        for type_ in individual.types:
            yield f"<{individual.iri}> {_TYPE} <{type_}>"
    for fact in ontology.facts:
        value = f"<{fact.value}>" if fact.is_iri else _literal(fact.value)
        yield f"<{fact.subject}> <{fact.property}> {value}"


def _missing_lines(ontology: Ontology) -> Iterator[str]:
    """What queries may rely on where the ontology itself does not declare it."""
    root = _class_iri(ontology, ENTITY_CLASS)
    if ENTITY_CLASS not in ontology.concepts:
        yield f"<{root}> {_TYPE} <{OWL}Class>"
        yield f"<{root}> <{RDFS}subClassOf> <{OWL}Thing>"
    for type_ in EntityType:
        name = entity_class(type_)
        if name not in ontology.concepts:
            iri = _class_iri(ontology, name)
            yield f"<{iri}> {_TYPE} <{OWL}Class>"
            yield f"<{iri}> {_LABEL} {_text(name.replace('_', ' '))}"
            yield f"<{iri}> <{RDFS}subClassOf> <{root}>"
    declared = {known.name for known in ontology.properties}
    for name, kind in ((KEY_PROPERTY, "DatatypeProperty"), (TAG_PROPERTY, "ObjectProperty")):
        if name not in declared:
            yield f"<{ontology.namespace}{name}> {_TYPE} <{OWL}{kind}>"


def _class_iri(ontology: Ontology, name: str) -> str:
    concept = ontology.concepts.get(name)
    return concept.iri if concept is not None else ontology.namespace + name


def _property_lines(property_: Property, number: int) -> Iterator[str]:
    iri = f"<{property_.iri}>"
    kind = "ObjectProperty" if property_.kind is PropertyKind.OBJECT else "DatatypeProperty"
    yield f"{iri} {_TYPE} <{OWL}{kind}>"
    for type_ in property_.characteristics:
        yield f"{iri} {_TYPE} <{type_}>"
    if property_.inverse:
        yield f"{iri} <{OWL}inverseOf> <{property_.inverse}>"
    for role, iris in (("domain", property_.domain), ("range", property_.range)):
        if len(iris) == 1:
            yield f"{iri} <{RDFS}{role}> <{iris[0]}>"
        elif iris:
            # Several classes mean any of them, which RDFS alone would read as all of them.
            union = f"_:{role}{number}"
            yield f"{iri} <{RDFS}{role}> {union}"
            yield f"{union} {_TYPE} <{OWL}Class>"
            yield f"{union} <{OWL}unionOf> {union}x0"
            for index, member in enumerate(iris):
                rest = f"{union}x{index + 1}" if index + 1 < len(iris) else f"<{RDF}nil>"
                yield f"{union}x{index} <{RDF}first> <{member}>"
                yield f"{union}x{index} <{RDF}rest> {rest}"


def _literal(value: FactValue) -> str:
    if isinstance(value, bool):
        return f'"{str(value).lower()}"^^<{XSD}boolean>'
    if isinstance(value, int):
        return f'"{value}"^^<{XSD}integer>'
    if isinstance(value, float):
        return f'"{value!r}"^^<{XSD}double>'
    return _text(value)


def _text(text: str) -> str:
    """A literal: what JSON escapes is what N-Triples takes."""
    return json.dumps(text, ensure_ascii=False).translate(_CHARACTERS)
