"""Parses `ontology/*.owl.yml`, the dialect of yamlpyowl 0.2, with the nodes of PyYAML.

As with metadata no object is ever constructed: tags are refused, and aliases are followed only as
far as a bounded number of values allows. Statements that say nothing about concepts, individuals
or their properties (rules, restrictions, imports) are left out with a remark.
"""

from collections.abc import Callable, Mapping
from typing import Final

import yaml

from services.catalog.domain.diagnostics import Problem
from services.catalog.domain.metadata.documents import Position
from services.catalog.domain.ontology.documents import (
    MAX_ONTOLOGY_BYTES,
    ClassStatement,
    FactStatement,
    IndividualStatement,
    Name,
    OntologyDocument,
    PropertyKind,
    PropertyStatement,
    Proxy,
    RelationStatement,
    is_namespace,
)
from services.catalog.metadata.yaml_nodes import RefusedError, place
from services.catalog.ontology.nodes import Fields, NodeReader, compose

_PROXIES: Final = {
    "true": Proxy.YES,
    "yes": Proxy.YES,
    "on": Proxy.YES,
    "recursive": Proxy.RECURSIVE,
    "false": Proxy.NO,
    "no": Proxy.NO,
    "off": Proxy.NO,
}
_WITHOUT_EFFECT: Final = {
    "import": "files are never loaded from elsewhere",
    "restriction": "there is no reasoner here",
    "swrl_rule": "there is no reasoner here",
    "different_individuals": "there is no reasoner here",
}
_CLASS_REMARKS: Final = {
    "EquivalentTo": "there is no reasoner here",
    "X_associatedRoles": "declare the roles as properties",
}


def parse_ontology(content: bytes) -> OntologyDocument:
    """Parses one file. Never raises for its content: what is wrong is in the document."""
    if len(content) > MAX_ONTOLOGY_BYTES:
        return _unusable(
            Problem(
                code="yaml-too-large",
                message=f"the file is larger than {MAX_ONTOLOGY_BYTES // 1024} KiB",
                remedy="split it into several files",
            )
        )
    try:
        return _Reader().document(compose(content))
    except RefusedError as refused:
        return _unusable(refused.problem)


def _unusable(problem: Problem) -> OntologyDocument:
    return OntologyDocument(problems=(problem,), usable=False)


class _Reader(NodeReader):
    """Turns the nodes of one file into statements; what does not fit is reported and skipped."""

    def __init__(self) -> None:
        super().__init__()
        self._iris: list[Name] = []
        self._comments: list[str] = []
        self._classes: list[ClassStatement] = []
        self._properties: list[PropertyStatement] = []
        self._individuals: list[IndividualStatement] = []
        self._facts: list[FactStatement] = []
        self._relations: list[RelationStatement] = []
        self._statements: Mapping[str, Callable[[yaml.Node], None]] = {
            "iri": lambda node: self._iris.extend(self.names(node)),
            "annotation": lambda node: self._comments.extend(self.texts(node)),
            "owl_class": self._class_block,
            "multiple_owl_classes": self._class_block,
            "owl_object_property": lambda node: self._property_block(node, PropertyKind.OBJECT),
            "owl_data_property": lambda node: self._property_block(node, PropertyKind.DATA),
            "owl_inverse_property": lambda node: self._property_block(node, None),
            "owl_individual": self._individual_block,
            "owl_multiple_individuals": self._individuals_block,
            "property_facts": self._fact_block,
            "relation_concept_facts": self._relation_block,
        }

    def document(self, root: yaml.Node | None) -> OntologyDocument:
        if not isinstance(root, yaml.SequenceNode):
            position = place(root.start_mark) if root is not None else Position()
            return _unusable(
                Problem(
                    code="ontology-structure",
                    line=position.line,
                    column=position.column,
                    message="the file is no list of statements",
                    remedy="write `- iri: ...` and `- multiple_owl_classes: ...`",
                )
            )
        for name, node in self.pairs(root, "a statement"):
            self._statement(name, node)
        return OntologyDocument(
            iri=self._iri(root),
            comments=tuple(self._comments),
            classes=tuple(self._classes),
            properties=tuple(self._properties),
            individuals=tuple(self._individuals),
            facts=tuple(self._facts),
            relations=tuple(self._relations),
            problems=tuple(self.problems),
        )

    def _statement(self, name: Name, node: yaml.Node) -> None:
        read = self._statements.get(name.text)
        if read is not None:
            read(node)
        elif name.text in _WITHOUT_EFFECT:
            self.remark(name, f"has no effect: {_WITHOUT_EFFECT[name.text]}")
        else:
            self.remark(name, "is no statement that is known; it is left out")

    def _iri(self, root: yaml.Node) -> str:
        if not self._iris:
            self.report(
                place(root.start_mark),
                "ontology-namespace",
                "the file names no namespace for its concepts",
                'begin with `- iri: "https://example.org/my-ontology#"`',
            )
            return ""
        *others, last = self._iris
        for other in others:
            self.report(
                other.position,
                "ontology-namespace",
                "the file names several namespaces; the last one counts",
                "remove one of them",
            )
        if not is_namespace(last.text):
            self.report(
                last.position,
                "ontology-namespace",
                f"{last.text[:100]!r} is no IRI that names can follow",
                'write one such as "https://example.org/my-ontology#"',
            )
        return last.text

    # Statements

    def _class_block(self, node: yaml.Node) -> None:
        for name, body in self.pairs(node, "a class"):
            fields = self.fields(body, f"the class {name.text}")
            statement = ClassStatement(
                name=name,
                parents=self.field_names(fields, "SubClassOf"),
                labels=self.field_texts(fields, "labels"),
                comments=self.field_texts(fields, "annotations"),
                proxy=self._proxy(fields),
                associated=self.field_names(fields, "X_associatedWithClasses"),
            )
            self.remark_rest(fields, _CLASS_REMARKS)
            self._classes.append(statement)

    def _proxy(self, fields: Fields) -> Proxy:
        name, node = fields.pop("__create_proxy_individual", (None, None))
        if name is None or node is None:
            return Proxy.INHERITED
        written = node.value if isinstance(node, yaml.ScalarNode) else ""
        known = _PROXIES.get(written.lower())
        if known is None:
            self.report(
                place(node.start_mark),
                "ontology-structure",
                "__create_proxy_individual is to be True, recursive or False",
                "write `recursive` where subclasses can be tags too",
            )
        return known or Proxy.INHERITED

    def _property_block(self, node: yaml.Node, kind: PropertyKind | None) -> None:
        for name, body in self.pairs(node, "a property"):
            fields = self.fields(body, f"the property {name.text}")
            inverse = self.field_names(fields, "Inverse")
            self._properties.append(
                PropertyStatement(
                    name=name,
                    kind=kind or PropertyKind.OBJECT,
                    domain=self.field_names(fields, "Domain"),
                    range=self.field_names(fields, "Range"),
                    characteristics=self.field_names(fields, "Characteristics"),
                    inverse=inverse[0] if inverse else None,
                )
            )
            _, facts = fields.pop("Facts", (None, None))
            if facts is not None:
                self._read_facts(name, facts)
            self.remark_rest(fields, {"annotations": "", "labels": ""})

    def _individual_block(self, node: yaml.Node) -> None:
        for name, body in self.pairs(node, "an individual"):
            fields = self.fields(body, f"the individual {name.text}")
            self._individuals.append(
                IndividualStatement(name=name, types=self.field_names(fields, "types"))
            )
            self.remark_rest(fields, {})

    def _individuals_block(self, node: yaml.Node) -> None:
        fields = self.fields(node, "owl_multiple_individuals")
        types = self.field_names(fields, "types")
        for name in self.field_names(fields, "names"):
            self._individuals.append(IndividualStatement(name=name, types=types))
        self.remark_rest(fields, {})

    def _fact_block(self, node: yaml.Node) -> None:
        for property_, body in self.pairs(node, "property_facts"):
            fields = self.fields(body, f"the facts of {property_.text}")
            _, facts = fields.pop("Facts", (None, None))
            if facts is not None:
                self._read_facts(property_, facts)
            self.remark_rest(fields, {})

    def _read_facts(self, property_: Name, node: yaml.Node) -> None:
        for subject, values in self.pairs(node, "a fact"):
            self._facts.extend(
                FactStatement(subject=subject, property=property_, value=value)
                for value in self.values(values)
            )

    def _relation_block(self, node: yaml.Node) -> None:
        for subject, body in self.pairs(node, "relation_concept_facts"):
            for role, relations in self.pairs(body, f"the relations of {subject.text}"):
                for relation in self.items(relations):
                    facts = tuple(
                        (name, value)
                        for name, values in self.pairs(relation, "a relation")
                        for value in self.values(values)
                    )
                    self._relations.append(
                        RelationStatement(subject=subject, role=role, facts=facts)
                    )
