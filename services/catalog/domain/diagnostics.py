"""What can be wrong in a data repository, and where it is."""

from dataclasses import dataclass
from typing import Final

from services.catalog.domain.codes import CODES, Severity

__all__ = ["SEVERITIES", "Diagnostic", "Problem", "Severity"]

SEVERITIES: Final = {name: code.severity for name, code in CODES.items()}
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

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return SEVERITIES[self.code]

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
