"""What can be wrong in a data repository, and where it is."""

from dataclasses import dataclass
from typing import Final

from services.catalog.domain.codes import CODES, Severity

__all__ = ["MAX_PATH", "SEVERITIES", "Diagnostic", "Problem", "Severity", "shortened"]

SEVERITIES: Final = {name: code.severity for name, code in CODES.items()}
"""Every code with its severity."""
MAX_PATH: Final = 500
"""Characters of a path that can be indexed; databases have limits far below those of git."""


@dataclass(frozen=True, kw_only=True, order=True)
class Diagnostic:
    """Something wrong, and what to do about it. Sorts by file and line."""

    path: str
    """File in the data repository; one that is too long for any store is cut."""
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

    def __post_init__(self) -> None:
        if len(self.path) > MAX_PATH:
            object.__setattr__(self, "path", shortened(self.path))

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return SEVERITIES[self.code]


def shortened(path: str, limit: int = MAX_PATH) -> str:
    """A path of at most so many characters; what is in the middle of a longer one is left out."""
    if len(path) <= limit:
        return path
    half = (limit - 1) // 2
    return f"{path[:half]}…{path[-half:]}"


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
