"""The names of an ontology's files: what they mean, and reports on those that mean nothing."""

import difflib
import re
from collections.abc import Iterable
from typing import Final

from services.catalog.domain.diagnostics import Diagnostic
from services.catalog.domain.metadata.documents import Position
from services.catalog.domain.ontology.documents import (
    Name,
    OntologyDocument,
    OntologyFile,
    is_namespace,
)

DEFAULT_NAMESPACE: Final = "https://w3id.org/yet/undefined/ontology#"
"""Namespace of a file that names none, as in the 2022 dialect."""
OWL: Final = "http://www.w3.org/2002/07/owl#"
XSD: Final = "http://www.w3.org/2001/XMLSchema#"
THING: Final = "owl:Thing"

_BUILT_IN: Final = {
    THING: f"{OWL}Thing",
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
_MAX_SUGGESTIONS: Final = 200
"""Behind so many reports similar names are looked for no more, which is slow."""
_MAX_COMPARED: Final = 2_000


def namespace_of(document: OntologyDocument) -> str:
    """Namespace of what a file declares."""
    return document.iri if is_namespace(document.iri) else DEFAULT_NAMESPACE


class Names:
    """What names mean while files are merged."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._iris: dict[str, str] = dict(_BUILT_IN)

    def __contains__(self, name: str) -> bool:
        return name in self._iris

    def __getitem__(self, name: str) -> str:
        return self._iris[name]

    def get(self, name: str) -> str:
        """IRI of a name; empty where nothing has it."""
        return self._iris.get(name, "")

    def declare(self, file: OntologyFile, name: Name) -> bool:
        """Gives a name its IRI, if it has none yet; False, with a report, if it cannot be one."""
        if not _NAME.fullmatch(name.text):
            self.report(
                file,
                name.position,
                "ontology-bad-name",
                f"{name.text[:100]!r} cannot be a name; it is left out",
                "use letters, digits, `_` and `-`",
            )
            return False
        self.add(file, name.text)
        return True

    def add(self, file: OntologyFile, name: str) -> str:
        """Gives a right name its IRI, if it has none yet; returns its IRI."""
        return self._iris.setdefault(name, namespace_of(file.document) + name)

    def iri(self, file: OntologyFile, name: Name) -> str:
        """IRI of a name that a file uses; empty, with a report, where nothing has it."""
        iri = self.get(name.text)
        if not iri:
            self.report(
                file,
                name.position,
                "ontology-unknown-name",
                f"nothing is named {name.text[:100]!r}; it is left out",
                self.suggestion(name.text, self._iris),
            )
        return iri

    def iris(self, file: OntologyFile, names: Iterable[Name]) -> tuple[str, ...]:
        """IRIs of names, each once; those that nothing has are reported and left out."""
        found = (self.iri(file, name) for name in names)
        return tuple(dict.fromkeys(iri for iri in found if iri))

    def suggestion(self, text: str, names: Iterable[str]) -> str:
        """The remedy for a name that nothing has."""
        near: list[str] = []
        if len(self.diagnostics) < _MAX_SUGGESTIONS:
            near = difflib.get_close_matches(text[:100], list(names)[:_MAX_COMPARED], n=3)
        if near:
            return f"did you mean {', '.join(near)}?"
        return "declare it, or correct the name"

    def report(
        self, file: OntologyFile, position: Position, code: str, message: str, remedy: str
    ) -> None:
        """Reports what is wrong at a place of a file."""
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
