"""The closure of an entity: the folders that a check of it can see."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.catalog.domain.entities import METADATA_FILE, Placed
from services.catalog.domain.metadata.documents import CLOSURE_FIELDS, REFERENCE_FIELDS
from services.errors import NotCheckableError


@dataclass(frozen=True, kw_only=True)
class Closure:
    """An entity's folders: its own first, then as its metadata names them, then environment."""

    key: str
    environment: str
    digest: str
    folders: tuple[Placed, ...]


def wanted_keys(placed: Placed) -> list[str]:
    """Keys of the entities whose folders an entity needs directly, in order."""
    return [
        reference.key for reference in placed.entity.references if reference.field in CLOSURE_FIELDS
    ]


def closure_of(key: str, known: Mapping[str, Placed]) -> Closure:
    """The closure of an entity, breadth first, each folder once; cycles do no harm.

    Args:
        key: The entity.
        known: Entities by key, with everything that is reachable and exists.

    Raises:
        NotCheckableError: A reference dangles or names an entity of a wrong type.
    """
    start = known[key]
    folders = {key: start}
    queue = [start]
    for placed in queue:
        for reference in placed.entity.references:
            if reference.field not in CLOSURE_FIELDS:
                continue
            other = _resolved(placed, reference.field, reference.key, known)
            if reference.key not in folders:
                folders[reference.key] = other
                queue.append(other)
    named = start.entity.metadata.get("compatible_environment")
    if start.entity.checkable and named:
        _resolved(start, "compatible_environment", str(named), known)
    if start.environment_key:
        folders.setdefault(start.environment_key, known[start.environment_key])
    return Closure(
        key=key,
        environment=start.environment,
        digest=digest_of(list(folders.values())),
        folders=tuple(folders.values()),
    )


def digest_of(folders: Sequence[Placed]) -> str:
    """sha256 over key, path and tree of all folders, in the order of their keys."""
    lines = sorted(
        f"{placed.entity.key}\0{placed.entity.path}\0{placed.entity.tree}\n" for placed in folders
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _resolved(placed: Placed, field: str, key: str, known: Mapping[str, Placed]) -> Placed:
    """The entity that a reference names."""
    other = known.get(key)
    wanted = REFERENCE_FIELDS[field]
    if other is not None and wanted in (None, other.entity.type):
        return other
    file = f"{placed.entity.path}/{METADATA_FILE}"
    problem = (
        f"no entity has the key {key[:40]}"
        if other is None
        else f"{key} is a {other.entity.type}, not a {wanted}"
    )
    raise NotCheckableError(
        f"{file}: {field} of {placed.entity.key} leads nowhere: {problem}",
        entity=placed.entity.key,
        field=field,
        reference=key[:200],
        file=file,
    )
