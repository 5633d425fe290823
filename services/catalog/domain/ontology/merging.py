"""Makes one ontology of the statements of all files: names resolved, the hierarchy without cycles.

Tolerant where the 2022 loader gave up: classes may be used before they are declared, several files
see each other's names, and what cannot be resolved is reported and left out.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from services.catalog.domain.metadata.documents import Position
from services.catalog.domain.ontology.concepts import (
    ENTITY_CLASS,
    MAX_ANCESTORS,
    NO_ONTOLOGY,
    Concept,
    Ontology,
)
from services.catalog.domain.ontology.cycles import cut_cycles
from services.catalog.domain.ontology.documents import ClassStatement, Name, OntologyFile, Proxy
from services.catalog.domain.ontology.names import THING, Names, namespace_of
from services.catalog.domain.ontology.statements import Statements

MAX_CONCEPTS: Final = 10_000
"""Classes of one ontology."""
_SHOWN_RING: Final = 10


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
        self.names = Names()
        self.classes: dict[str, tuple[OntologyFile, ClassStatement]] = {}
        self.parents: dict[str, dict[str, None]] = {}
        """Superclasses that exist, by name of the class; without owl:Thing."""

    def run(self) -> Ontology:
        for file in self.files:
            self.names.diagnostics.extend(
                problem.at(file.path) for problem in file.document.problems
            )
        for file in self.files:
            for statement in file.document.classes:
                self._declare(file, statement)
        self._link()
        for ring in cut_cycles(self.parents):
            self._report_cycle(ring)
        concepts = self._concepts()
        statements = Statements(self.files, self.classes, self.names)
        found = Ontology(
            id=hashlib.sha256(
                "\n".join(f"{file.id} {file.path!r}" for file in self.files).encode()
            ).hexdigest(),
            namespace=self._namespace(),
            comment="\n".join(text for file in self.files for text in file.document.comments),
            concepts={name: concepts[name] for name in sorted(concepts)},
            properties=tuple(statements.properties()),
            individuals=tuple(statements.individuals()),
            facts=tuple(statements.facts()),
            complete=all(file.document.usable for file in self.files),
        )
        self._check_depth(found)
        return replace(found, diagnostics=tuple(sorted(set(self.names.diagnostics))))

    def _namespace(self) -> str:
        """That of the file which declares the class of all entities, else of the first one."""
        usable = [file for file in self.files if file.document.usable] or [self.files[0]]
        home, _ = self.classes.get(ENTITY_CLASS, (usable[0], None))
        return namespace_of(home.document)

    # Hierarchy

    def _declare(self, file: OntologyFile, statement: ClassStatement) -> None:
        name = statement.name.text
        if name in self.classes:
            first, earlier = self.classes[name]
            place = f"{first.path}:{earlier.name.position.line}"
            self.names.report(
                file,
                statement.name.position,
                "ontology-duplicate-class",
                f"the class {name} is declared in {place} already; only its superclasses are added",
                "declare it once",
            )
        elif len(self.classes) >= MAX_CONCEPTS:
            self.names.report(
                file,
                Position(),
                "ontology-too-large",
                f"there are more than {MAX_CONCEPTS} classes; further ones are left out",
                "split the data repository",
            )
        elif self.names.declare(file, statement.name):
            self.classes[name] = (file, statement)
            self.parents[name] = {}

    def _link(self) -> None:
        for file in self.files:
            for statement in file.document.classes:
                if statement.name.text in self.classes:
                    for parent in statement.parents:
                        self._link_parent(file, statement.name.text, parent)

    def _link_parent(self, file: OntologyFile, name: str, parent: Name) -> None:
        if parent.text in self.classes:
            self.parents[name][parent.text] = None
        elif parent.text != THING:
            self.names.report(
                file,
                parent.position,
                "ontology-unknown-superclass",
                f"{name} is a subclass of {parent.text[:100]!r}, which no file declares",
                self.names.suggestion(parent.text, self.classes),
            )

    def _report_cycle(self, ring: Sequence[str]) -> None:
        child, parent = ring[-2], ring[-1]
        file, statement = self.classes[child]
        position = next(
            (name.position for name in statement.parents if name.text == parent),
            statement.name.position,
        )
        shown = [*ring[:_SHOWN_RING], "..."] if len(ring) > _SHOWN_RING else ring
        self.names.report(
            file,
            position,
            "ontology-cycle",
            f"the classes go round in a circle: {' is a '.join(shown)}",
            f"remove the superclass {parent} of {child}",
        )

    def _check_depth(self, ontology: Ontology) -> None:
        """Reports the first class that has too many superclasses."""
        for name, (file, statement) in self.classes.items():
            if len(ontology.ancestors(name)) >= MAX_ANCESTORS:
                self.names.report(
                    file,
                    statement.name.position,
                    "ontology-too-large",
                    f"{name} has {MAX_ANCESTORS} superclasses or more; the farthest do not count",
                    "make the hierarchy flatter",
                )
                return

    # Concepts

    def _concepts(self) -> dict[str, Concept]:
        proxies = self._proxies()
        concepts = {}
        for name, (file, statement) in self.classes.items():
            tagged = proxies[name] in (Proxy.YES, Proxy.RECURSIVE)
            concepts[name] = Concept(
                name=name,
                iri=self.names[name],
                label=statement.labels[0] if statement.labels else name.replace("_", " "),
                comment="\n".join(statement.comments),
                parents=tuple(self.parents[name]),
                individual=self.names.add(file, f"i{name}") if tagged else "",
                path=file.path,
                line=statement.name.position.line,
            )
        return concepts

    def _proxies(self) -> dict[str, Proxy]:
        """Which classes can be tags: what the nearest class above says, by first superclasses."""
        found: dict[str, Proxy] = {}
        for start in self.classes:
            chain = [start]
            while chain[-1] not in found and self._inherits(chain[-1]):
                chain.append(next(iter(self.parents[chain[-1]])))
            for name in reversed(chain):
                if name not in found:
                    found[name] = self._proxy(name, found)
        return found

    def _inherits(self, name: str) -> bool:
        return self.classes[name][1].proxy is Proxy.INHERITED and bool(self.parents[name])

    def _proxy(self, name: str, found: dict[str, Proxy]) -> Proxy:
        own = self.classes[name][1].proxy
        if own is not Proxy.INHERITED:
            return own
        above = next(iter(self.parents[name]), "")
        return Proxy.RECURSIVE if found.get(above) is Proxy.RECURSIVE else Proxy.NO
