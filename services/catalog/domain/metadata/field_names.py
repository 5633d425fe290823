"""Names of fields that no entity has, or none of this type."""

import difflib
import re
from typing import Final

from services.catalog.domain.diagnostics import Problem
from services.catalog.domain.entities import EntityType, Value
from services.catalog.domain.metadata.documents import Document
from services.catalog.domain.metadata.schema import FIELDS_OF, FORMER_NAMES, SCHEMA, Field

MAX_UNKNOWN: Final = 20
"""Unknown fields of one file that are told."""
_MAX_NAME: Final = 60
"""Longer names are misspelled forms of nothing."""


def check_names(document: Document, type_: EntityType | None, problems: list[Problem]) -> None:
    """Reports fields that are unknown, misspelled, or of another type of entity.

    Names that begin with `_` are left to whoever writes them.
    """
    known = FIELDS_OF[type_] if type_ is not None else SCHEMA.keys()
    if document.values.keys() <= known:
        return
    unknown = 0
    for name in document.values:
        field = SCHEMA.get(name)
        if field is None:
            if not name.startswith("_") and unknown < MAX_UNKNOWN:
                unknown += 1
                problems.append(_unknown(document, name))
        elif type_ is not None and name not in known and _says_something(document.values[name]):
            problems.append(_foreign(document, field, type_))


def _says_something(value: Value) -> bool:
    return value not in (None, "", [], [""])


def near_name(name: str, document: Document) -> str | None:
    """The known field that somebody who wrote `name` may have meant, unless it is there too."""
    if len(name) > _MAX_NAME:
        return None
    plain = re.sub(r"[\s-]+", "_", name.strip().lower())
    near = FORMER_NAMES.get(plain)
    if near is None:
        found = difflib.get_close_matches(plain, list(SCHEMA), n=1, cutoff=0.8)
        near = found[0] if found else None
    return near if near is not None and near not in document.values else None


def _unknown(document: Document, name: str) -> Problem:
    near = near_name(name, document)
    position = document.name_position(name)
    return Problem(
        code="misspelled-field" if near else "unknown-field",
        line=position.line,
        column=position.column,
        field=name[:100],
        message=f"there is no field {name[:_MAX_NAME]!r}"
        + ("; it has no effect" if near else "; it is kept, and has no effect"),
        remedy=f"did you mean {near}?" if near else "nothing, if it is for your own use",
    )


def _foreign(document: Document, field: Field, type_: EntityType) -> Problem:
    position = document.name_position(field.name)
    near = next(
        (
            other
            for other in (field.name.removesuffix("_list"), f"{field.name}_list")
            if other != field.name and other in SCHEMA and type_ in SCHEMA[other].types
        ),
        None,
    )
    return Problem(
        code="foreign-field",
        line=position.line,
        column=position.column,
        field=field.name,
        message=f"a {type_} has no {field.name}; it has no effect",
        remedy=f"did you mean {near}?" if near else "remove it",
    )
