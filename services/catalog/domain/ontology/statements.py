"""Resolves what an ontology says besides its classes: properties, individuals and facts."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.catalog.domain.ontology.concepts import Fact, Individual, Property
from services.catalog.domain.ontology.documents import (
    ClassStatement,
    OntologyFile,
    PropertyKind,
    RelationStatement,
    Value,
)
from services.catalog.domain.ontology.names import Names


@dataclass(frozen=True)
class _Relation:
    """A relation between more than two, with the individual that stands for it."""

    file: OntologyFile
    statement: RelationStatement
    name: str
    concept: str


class Statements:
    """What the files of an ontology state.

    Args:
        files: All of them, in order.
        classes: Where each class is declared.
        names: What names mean; those of properties and individuals are added.
    """

    def __init__(
        self,
        files: Sequence[OntologyFile],
        classes: Mapping[str, tuple[OntologyFile, ClassStatement]],
        names: Names,
    ) -> None:
        self._files = files
        self._classes = classes
        self._names = names
        for file in files:
            named = [stated.name for stated in file.document.properties]
            named += [stated.name for stated in file.document.individuals]
            for name in named:
                names.declare(file, name)
        for concept, (file, statement) in classes.items():
            if statement.associated:
                names.add(file, _role_name(concept))
        self._relations = list(_relations(files, classes))
        for relation in self._relations:
            names.add(relation.file, relation.name)

    def properties(self) -> Iterator[Property]:
        """Properties, and the roles of relation concepts; the first of a name counts."""
        seen: set[str] = set()
        for name, (file, statement) in self._classes.items():
            if statement.associated:
                seen.add(_role_name(name))
                yield Property(
                    name=_role_name(name),
                    iri=self._names[_role_name(name)],
                    kind=PropertyKind.OBJECT,
                    domain=self._names.iris(file, statement.associated),
                    range=(self._names[name],),
                )
        for file in self._files:
            for declared in file.document.properties:
                name = declared.name.text
                if name in seen or name not in self._names:
                    continue
                seen.add(name)
                inverse = declared.inverse
                yield Property(
                    name=name,
                    iri=self._names[name],
                    kind=declared.kind,
                    domain=self._names.iris(file, declared.domain),
                    range=self._names.iris(file, declared.range),
                    characteristics=self._names.iris(file, declared.characteristics),
                    inverse=self._names.iri(file, inverse) if inverse is not None else "",
                )

    def individuals(self) -> Iterator[Individual]:
        """Individuals that are declared, and those that stand for relations."""
        for file in self._files:
            for declared in file.document.individuals:
                if declared.name.text in self._names:
                    yield Individual(
                        name=declared.name.text,
                        iri=self._names[declared.name.text],
                        types=self._names.iris(file, declared.types),
                    )
        for relation in self._relations:
            yield Individual(
                name=relation.name,
                iri=self._names[relation.name],
                types=(self._names[relation.concept],),
            )

    def facts(self) -> Iterator[Fact]:
        """What is stated of individuals."""
        for file in self._files:
            for stated in file.document.facts:
                subject = self._names.iri(file, stated.subject)
                property_ = self._names.iri(file, stated.property)
                if subject and property_:
                    yield self._fact(subject, property_, stated.value)
        for relation in self._relations:
            iri = self._names[relation.name]
            subject = self._names.iri(relation.file, relation.statement.subject)
            if subject:
                role = self._names[relation.statement.role.text]
                yield Fact(subject=subject, property=role, value=iri, is_iri=True)
            for name, value in relation.statement.facts:
                property_ = self._names.iri(relation.file, name)
                if property_:
                    yield self._fact(iri, property_, value)

    def _fact(self, subject: str, property_: str, value: Value) -> Fact:
        iri = self._names.get(value.value) if isinstance(value.value, str) else ""
        if iri:
            return Fact(subject=subject, property=property_, value=iri, is_iri=True)
        return Fact(subject=subject, property=property_, value=value.value, is_iri=False)


def _relations(files: Sequence[OntologyFile], classes: Collection[str]) -> Iterator[_Relation]:
    numbers: Counter[str] = Counter()
    for file in files:
        for statement in file.document.relations:
            concept = statement.role.text.replace("X_has", "X_", 1)
            if concept in classes and statement.role.text == _role_name(concept):
                yield _Relation(file, statement, f"i{concept}_{numbers[concept]}", concept)
                numbers[concept] += 1


def _role_name(concept: str) -> str:
    return f"X_has{concept.removeprefix('X_')}"
