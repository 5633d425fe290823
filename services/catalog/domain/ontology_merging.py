"""Makes one ontology of the statements of all files: names resolved, the hierarchy without cycles.

Tolerant where the 2022 loader gave up: classes may be used before they are declared, several files
see each other's names, and what cannot be resolved is reported and left out.
"""

import difflib
import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Final

from services.catalog.domain.diagnostics import Diagnostic
from services.catalog.domain.documents import Position
from services.catalog.domain.ontology import (
    ENTITY_CLASS,
    NO_ONTOLOGY,
    Concept,
    Fact,
    Individual,
    Ontology,
    Property,
)
from services.catalog.domain.ontology_documents import (
    ClassStatement,
    IndividualStatement,
    Name,
    OntologyDocument,
    OntologyFile,
    PropertyKind,
    PropertyStatement,
    Proxy,
    Value,
    is_namespace,
)

DEFAULT_NAMESPACE: Final = "https://w3id.org/yet/undefined/ontology#"
"""Namespace of a file that names none, as in the 2022 dialect."""
OWL: Final = "http://www.w3.org/2002/07/owl#"
XSD: Final = "http://www.w3.org/2001/XMLSchema#"
THING: Final = f"{OWL}Thing"

_BUILT_IN: Final = {
    "owl:Thing": THING,
    "owl:Nothing": f"{OWL}Nothing",
    "int": f"{XSD}integer",
    "float": f"{XSD}double",
    "str": f"{XSD}string",
    "bool": f"{XSD}boolean",
    "Functional": f"{OWL}FunctionalProperty",
    "InverseFunctional": f"{OWL}InverseFunctionalProperty",
    "Symmetric": f"{OWL}SymmetricProperty",
    "Transitive": f"{OWL}TransitiveProperty",
}
_NAME: Final = re.compile(r"[^\s<>\"{}|\\^`:/#?%\x00-\x20\x7f]{1,200}")
"""What can stand in an IRI behind the namespace as it is."""
_RELATION_CONCEPT: Final = "X_RelationConcept"


def ontology_of(files: Sequence[OntologyFile]) -> Ontology:
    """Merges the ontology files of a revision; never raises for what they hold.

    The first declaration of a name counts, in the order of paths and lines. Superclasses that a
    later one adds are added.
    """
    if not files:
        return NO_ONTOLOGY
    return _Merger(sorted(files, key=lambda file: file.path)).run()


class _Merger:
    """State of one run; each step fills what the next one resolves names with."""

    def __init__(self, files: Sequence[OntologyFile]) -> None:
        self.files = files
        self.diagnostics: list[Diagnostic] = []
        self.iris: dict[str, str] = dict(_BUILT_IN)
        """Every name that is declared, with what it means."""
        self.classes: dict[str, tuple[OntologyFile, ClassStatement]] = {}
        self.parents: dict[str, dict[str, None]] = {}
        """Superclasses that exist, by name of the class; without owl:Thing."""

    def run(self) -> Ontology:
        for file in self.files:
            self.diagnostics.extend(problem.at(file.path) for problem in file.document.problems)
        self._declare()
        self._link()
        self._cut_cycles()
        namespace = self._namespace()
        concepts = self._concepts()
        properties = tuple(self._properties())
        individuals = tuple(self._individuals())
        facts = tuple(self._facts())
        return Ontology(
            id=hashlib.sha256(
                "\n".join(f"{file.id} {file.path!r}" for file in self.files).encode()
            ).hexdigest(),
            namespace=namespace,
            comment="\n".join(text for file in self.files for text in file.document.comments),
            concepts={name: concepts[name] for name in sorted(concepts)},
            properties=properties,
            individuals=individuals,
            facts=facts,
            diagnostics=tuple(sorted(set(self.diagnostics))),
            complete=all(file.document.usable for file in self.files),
        )

    def _namespace(self) -> str:
        """That of the file which declares the class of all entities, else of the first one."""
        usable = [file for file in self.files if file.document.usable] or [self.files[0]]
        home, _ = self.classes.get(ENTITY_CLASS, (usable[0], None))
        return _namespace_of(home.document)

    # Names

    def _declare(self) -> None:
        for file in self.files:
            for statement in file.document.classes:
                self._declare_class(file, statement)
        for file in self.files:
            for name in _other_names(file.document):
                self._declare_name(file, name)

    def _declare_class(self, file: OntologyFile, statement: ClassStatement) -> None:
        name = statement.name.text
        if name in self.classes:
            first, earlier = self.classes[name]
            place = f"{first.path}:{earlier.name.position.line}"
            self._report(
                file,
                statement.name.position,
                "ontology-duplicate-class",
                f"the class {name} is declared in {place} already; only its superclasses are added",
                "declare it once",
            )
            return
        if self._declare_name(file, statement.name):
            self.classes[name] = (file, statement)

    def _declare_name(self, file: OntologyFile, name: Name) -> bool:
        if not _NAME.fullmatch(name.text):
            self._report(
                file,
                name.position,
                "ontology-bad-name",
                f"{name.text[:100]!r} cannot be a name; it is left out",
                "use letters, digits, `_` and `-`",
            )
            return False
        self.iris.setdefault(name.text, _namespace_of(file.document) + name.text)
        return True

    def _resolved(self, file: OntologyFile, names: Iterable[Name]) -> tuple[str, ...]:
        """IRIs of names; those that nothing has are reported and left out."""
        found = []
        for name in names:
            iri = self._iri(file, name)
            if iri:
                found.append(iri)
        return tuple(dict.fromkeys(found))

    def _iri(self, file: OntologyFile, name: Name) -> str:
        iri = self.iris.get(name.text, "")
        if not iri:
            self._report(
                file,
                name.position,
                "ontology-unknown-name",
                f"nothing is named {name.text[:100]!r}; it is left out",
                self._suggestion(name.text, self.iris),
            )
        return iri

    # Hierarchy

    def _link(self) -> None:
        for name in self.classes:
            self.parents[name] = {}
        for file in self.files:
            for statement in file.document.classes:
                if statement.name.text not in self.classes:
                    continue
                for parent in statement.parents:
                    self._link_parent(file, statement.name.text, parent)

    def _link_parent(self, file: OntologyFile, name: str, parent: Name) -> None:
        if parent.text in self.classes:
            self.parents[name][parent.text] = None
        elif parent.text != "owl:Thing":
            self._report(
                file,
                parent.position,
                "ontology-unknown-superclass",
                f"{name} is a subclass of {parent.text[:100]!r}, which no file declares",
                self._suggestion(parent.text, self.classes),
            )

    def _cut_cycles(self) -> None:
        """Removes each superclass that closes a cycle; depth first, in the order of names."""
        done: set[str] = set()
        for start in self.classes:
            path: list[str] = []
            on_path: set[str] = set()
            stack = [(start, True)]
            while stack:
                name, entering = stack.pop()
                if not entering:
                    path.pop()
                    on_path.discard(name)
                    done.add(name)
                    continue
                if name in done or name in on_path:
                    continue
                path.append(name)
                on_path.add(name)
                stack.append((name, False))
                for parent in list(self.parents[name]):
                    if parent in on_path:
                        del self.parents[name][parent]
                        self._report_cycle([*path[path.index(parent) :], parent])
                    elif parent not in done:
                        stack.append((parent, True))

    def _report_cycle(self, ring: Sequence[str]) -> None:
        child, parent = ring[-2], ring[-1]
        file, statement = self.classes[child]
        position = next(
            (name.position for name in statement.parents if name.text == parent),
            statement.name.position,
        )
        shown = " is a ".join([*ring[:10], "..."] if len(ring) > 10 else ring)
        self._report(
            file,
            position,
            "ontology-cycle",
            f"the classes go round in a circle: {shown}",
            f"remove the superclass {parent} of {child}",
        )

    def _concepts(self) -> dict[str, Concept]:
        proxies: dict[str, Proxy] = {}
        for start in self.classes:
            chain = [start]
            while chain[-1] not in proxies and self._inherits(chain[-1]):
                chain.append(next(iter(self.parents[chain[-1]])))
            for name in reversed(chain):
                proxies.setdefault(name, self._proxy(name, proxies))
        concepts = {}
        for name, (file, statement) in self.classes.items():
            namespace = _namespace_of(file.document)
            tagged = proxies[name] in (Proxy.YES, Proxy.RECURSIVE)
            concepts[name] = Concept(
                name=name,
                iri=self.iris[name],
                label=statement.labels[0] if statement.labels else name.replace("_", " "),
                comment="\n".join(statement.comments),
                parents=tuple(self.parents[name]),
                individual=f"{namespace}i{name}" if tagged else "",
                path=file.path,
                line=statement.name.position.line,
            )
            if tagged:
                self.iris.setdefault(f"i{name}", f"{namespace}i{name}")
        return concepts

    def _inherits(self, name: str) -> bool:
        return self.classes[name][1].proxy is Proxy.INHERITED and bool(self.parents[name])

    def _proxy(self, name: str, proxies: dict[str, Proxy]) -> Proxy:
        own = self.classes[name][1].proxy
        if own is not Proxy.INHERITED:
            return own
        above = next(iter(self.parents[name]), "")
        return Proxy.RECURSIVE if proxies.get(above) is Proxy.RECURSIVE else Proxy.NO

    # Properties, individuals, facts

    def _properties(self) -> Iterable[Property]:
        seen: set[str] = set()
        for file in self.files:
            for name, (home, statement) in self.classes.items():
                role = _role_name(name)
                if home is file and statement.associated and role not in seen:
                    seen.add(role)
                    self.iris.setdefault(role, _namespace_of(file.document) + role)
                    yield Property(
                        name=role,
                        iri=self.iris[role],
                        kind=PropertyKind.OBJECT,
                        domain=self._resolved(file, statement.associated),
                        range=(self.iris[name],),
                    )
        for file in self.files:
            for declared in file.document.properties:
                if declared.name.text in self.iris and declared.name.text not in seen:
                    seen.add(declared.name.text)
                    yield self._property(file, declared)

    def _property(self, file: OntologyFile, statement: PropertyStatement) -> Property:
        inverse = self._iri(file, statement.inverse) if statement.inverse else ""
        return Property(
            name=statement.name.text,
            iri=self.iris[statement.name.text],
            kind=statement.kind,
            domain=self._resolved(file, statement.domain),
            range=self._resolved(file, statement.range),
            characteristics=self._resolved(file, statement.characteristics),
            inverse=inverse,
        )

    def _individuals(self) -> Iterable[Individual]:
        for file in self.files:
            for statement in file.document.individuals:
                if statement.name.text in self.iris:
                    yield self._individual(file, statement)
            for number, relation in enumerate(file.document.relations):
                concept = relation.role.text.replace("X_has", "X_", 1)
                if concept in self.classes and relation.role.text in self.iris:
                    name = f"i{concept}_{number}"
                    yield Individual(
                        name=name,
                        iri=_namespace_of(file.document) + name,
                        types=(self.iris[concept],),
                    )

    def _individual(self, file: OntologyFile, statement: IndividualStatement) -> Individual:
        return Individual(
            name=statement.name.text,
            iri=self.iris[statement.name.text],
            types=self._resolved(file, statement.types),
        )

    def _facts(self) -> Iterable[Fact]:
        for file in self.files:
            for statement in file.document.facts:
                subject = self._iri(file, statement.subject)
                property_ = self._iri(file, statement.property)
                if subject and property_:
                    yield self._fact(subject, property_, statement.value)
            for number, relation in enumerate(file.document.relations):
                concept = relation.role.text.replace("X_has", "X_", 1)
                subject = self._iri(file, relation.subject)
                role = self._iri(file, relation.role)
                if not subject or not role or concept not in self.classes:
                    continue
                iri = f"{_namespace_of(file.document)}i{concept}_{number}"
                yield Fact(subject=subject, property=role, value=iri, is_iri=True)
                for name, value in relation.facts:
                    property_ = self._iri(file, name)
                    if property_:
                        yield self._fact(iri, property_, value)

    def _fact(self, subject: str, property_: str, value: Value) -> Fact:
        iri = self.iris.get(value.value) if isinstance(value.value, str) else None
        if iri is not None:
            return Fact(subject=subject, property=property_, value=iri, is_iri=True)
        return Fact(subject=subject, property=property_, value=value.value, is_iri=False)

    # Reports

    def _suggestion(self, text: str, names: Iterable[str]) -> str:
        near = difflib.get_close_matches(text[:100], list(names)[:2000], n=3) if self._few() else []
        if near:
            return f"did you mean {', '.join(near)}?"
        return "declare it, or correct the name"

    def _few(self) -> bool:
        """Whether there are so few reports yet that a slow search for names is worth it."""
        return len(self.diagnostics) < _MAX_SUGGESTIONS

    def _report(
        self, file: OntologyFile, position: Position, code: str, message: str, remedy: str
    ) -> None:
        self.diagnostics.append(
            Diagnostic(
                path=file.path,
                line=position.line,
                column=position.column,
                code=code,
                message=message,
                remedy=remedy,
            )
        )


_MAX_SUGGESTIONS: Final = 200


def _namespace_of(document: OntologyDocument) -> str:
    return document.iri if is_namespace(document.iri) else DEFAULT_NAMESPACE


def _other_names(document: OntologyDocument) -> Iterable[Name]:
    yield from (statement.name for statement in document.properties)
    yield from (statement.name for statement in document.individuals)


def _role_name(concept: str) -> str:
    return f"X_has{concept.removeprefix('X_')}"
