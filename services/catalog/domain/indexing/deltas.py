"""A revision as a whole, and what it has other than another one."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.catalog.domain.diagnostics import Diagnostic, Severity
from services.catalog.domain.entities import Placed


@dataclass(frozen=True, kw_only=True)
class Index:
    """Everything the catalog knows of one revision."""

    entities: tuple[Placed, ...]
    """Ordered by key."""
    diagnostics: tuple[Diagnostic, ...]
    """Ordered by file and line."""

    def count(self, severity: Severity) -> int:
        """Number of diagnostics of a severity."""
        return sum(1 for diagnostic in self.diagnostics if diagnostic.severity is severity)


@dataclass(frozen=True, kw_only=True)
class Delta:
    """What one revision has other than another."""

    base: str
    """Tree of the other revision; empty where it is compared with nothing."""
    placed: tuple[Placed, ...] = ()
    """Entities that are new or have another content; ordered by key."""
    moved: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Name and key of the environment, by the key of entities that changed in that alone."""
    removed: tuple[str, ...] = ()
    """Keys that are gone."""
    noted: tuple[Diagnostic, ...] = ()
    resolved: tuple[Diagnostic, ...] = ()
