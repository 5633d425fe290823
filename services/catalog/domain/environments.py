"""Which environment entities run in that name none."""

from collections.abc import Mapping
from typing import Final

from services.catalog.domain.entities import Entity, EntityType

DEFAULT_ENVIRONMENT: Final = "default_environment"
"""Environment of entities that name none, where the repository specifies one of this name."""
DEFAULT_ENVIRONMENT_KEY: Final = "CDAMA"
"""Otherwise the one with this key, the 2022 default; otherwise the only one there is."""


def default_environment(entities: Mapping[str, Entity]) -> Entity | None:
    """The environment specification of entities that name none, or None."""
    specifications = [
        entities[key]
        for key in sorted(entities)
        if entities[key].type is EntityType.ENVIRONMENT_SPECIFICATION
    ]
    for entity in specifications:
        if entity.title == DEFAULT_ENVIRONMENT:
            return entity
    for entity in specifications:
        if entity.key == DEFAULT_ENVIRONMENT_KEY:
            return entity
    return specifications[0] if len(specifications) == 1 else None
