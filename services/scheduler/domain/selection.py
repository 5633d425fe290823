"""Which entities a run is to check."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Conditions on entities, all of which have to hold; empty ones ask for nothing."""

    entities: tuple[str, ...] = ()
    """Only these keys."""
    filter: str = ""
    """Of the catalog, e.g. `type = system_model`."""
    affected_since: str = ""
    """Only those whose check is another one than at this revision (tree id)."""
    failed_in: str = ""
    """Only those that were no success in this run (id); `-` means by their newest check."""

    @property
    def everything(self) -> bool:
        """Whether nothing is asked for."""
        return self == Selection()
