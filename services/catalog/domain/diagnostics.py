"""What can be wrong in a data repository: every code, how bad it is, and what to do about it."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class Severity(IntEnum):
    """How bad it is; the numbers are those of the protocol."""

    ERROR = 1
    """The entity, or a reference of it, cannot be used."""
    WARNING = 2
    """Works, but is not as it should be."""
    INFO = 3
    """Worth knowing."""


SEVERITIES: Final = {
    "yaml-syntax": Severity.ERROR,
    "yaml-not-utf8": Severity.ERROR,
    "yaml-tag-refused": Severity.ERROR,
    "yaml-too-large": Severity.ERROR,
    "yaml-not-a-mapping": Severity.ERROR,
    "duplicate-field": Severity.WARNING,
    "missing-key": Severity.ERROR,
    "invalid-key": Severity.ERROR,
    "duplicate-key": Severity.ERROR,
    "missing-type": Severity.ERROR,
    "unknown-type": Severity.ERROR,
    "missing-name": Severity.ERROR,
    "wrong-field-type": Severity.WARNING,
    "too-long": Severity.WARNING,
    "dangling-reference": Severity.ERROR,
    "wrong-reference-type": Severity.ERROR,
    "unknown-environment": Severity.ERROR,
    "no-environment": Severity.WARNING,
    "missing-file": Severity.ERROR,
    "missing-content": Severity.ERROR,
    "metadata-not-a-file": Severity.ERROR,
    "entity-at-root": Severity.WARNING,
    "odd-name": Severity.WARNING,
    "odd-entity-path": Severity.ERROR,
    "symlink": Severity.INFO,
    "symlink-outside": Severity.WARNING,
    "submodule-ignored": Severity.WARNING,
    "unreadable-file": Severity.WARNING,
    "unknown-tag": Severity.WARNING,
    "ontology-structure": Severity.ERROR,
    "ontology-namespace": Severity.WARNING,
    "ontology-bad-name": Severity.ERROR,
    "ontology-duplicate-class": Severity.WARNING,
    "ontology-unknown-superclass": Severity.ERROR,
    "ontology-unknown-name": Severity.WARNING,
    "ontology-cycle": Severity.ERROR,
    "ontology-unknown-statement": Severity.INFO,
}
"""Every code with its severity."""


@dataclass(frozen=True, kw_only=True, order=True)
class Diagnostic:
    """Something wrong, and what to do about it. Sorts by file and line."""

    path: str
    """File in the data repository."""
    line: int = 0
    """From 1; 0 where it concerns the whole file."""
    column: int = 0
    """From 1; 0 where unknown."""
    code: str
    field: str = ""
    """Metadata field; empty where it concerns the file."""
    message: str
    remedy: str
    key: str = ""
    """Entity concerned; empty where it has no usable key."""

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return SEVERITIES[self.code]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A diagnostic before it is known which file it stands in."""

    code: str
    line: int = 0
    column: int = 0
    field: str = ""
    message: str
    remedy: str

    def at(self, path: str, *, key: str = "") -> Diagnostic:
        """The diagnostic of this problem in a file."""
        return Diagnostic(
            path=path,
            line=self.line,
            column=self.column,
            code=self.code,
            field=self.field,
            message=self.message,
            remedy=self.remedy,
            key=key,
        )
