"""The places that the head of every page leads to."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """One entry of the navigation."""

    address: str
    label: str
    rank: int
    """1 is always in sight, 2 where there is room for it, 3 in the menu."""
    below: tuple[str, ...] = ()
    """Beginnings of further paths that belong to it."""


OVERVIEW = Place("/", "Overview", 1)
PLACES: Sequence[Place] = (
    OVERVIEW,
    Place("/entities", "Entities", 1, ("/e/",)),
    Place("/entity-overview", "Matrix", 1),
    Place("/checks", "Checks", 1, ("/runs",)),
    Place("/environments", "Environments", 2, ("/trials",)),
    Place("/merge-requests", "Merge requests", 2, ("/mr/",)),
    Place("/failure-groups", "Failure groups", 3),
    Place("/bisections", "Bisections", 3),
    Place("/queue", "Queue and runners", 3),
    Place("/diagnostics", "Diagnostics", 3),
    Place("/ontology", "Ontology", 3),
    Place("/search-sparql", "SPARQL", 3),
    Place("/revisions", "Revisions", 3),
    Place("/api", "API", 3),
)
"""In the order in which they are shown."""


def place_of(path: str) -> Place:
    """Tells to which place a path belongs; of rank 0 where it belongs to none."""
    for place in PLACES[1:]:
        if path == place.address or path.startswith((f"{place.address}/", *place.below)):
            return place
    return OVERVIEW if path == "/" else _NOWHERE


_NOWHERE = Place("", "", 0)
