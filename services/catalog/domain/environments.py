"""Which environment entities run in that name none."""

from collections.abc import Mapping
from typing import Final, Protocol, TypeVar

DEFAULT_ENVIRONMENT: Final = "default_environment"
"""Environment of entities that name none, where the repository specifies one of this name."""
DEFAULT_ENVIRONMENT_KEY: Final = "CDAMA"
"""Otherwise the one with this key, the 2022 default; otherwise the only one there is."""


class Specification(Protocol):
    """What counts of an environment specification."""

    @property
    def key(self) -> str: ...

    @property
    def title(self) -> str: ...


S = TypeVar("S", bound=Specification)


def default_environment(specifications: Mapping[str, S]) -> S | None:
    """The environment specification of entities that name none, or None.

    Args:
        specifications: All environment specifications by key.
    """
    ordered = [specifications[key] for key in sorted(specifications)]
    for specification in ordered:
        if specification.title == DEFAULT_ENVIRONMENT:
            return specification
    for specification in ordered:
        if specification.key == DEFAULT_ENVIRONMENT_KEY:
            return specification
    return ordered[0] if len(ordered) == 1 else None
