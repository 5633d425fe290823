"""Reads one entity from its parsed metadata, tolerant in what it takes, strict in what it says."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from services.catalog.domain.diagnostics import Problem
from services.catalog.domain.entities import Entity, Reference, Value
from services.catalog.domain.metadata.documents import (
    LIST_FIELDS,
    REFERENCE_FIELDS,
    TEXT_FIELDS,
    Document,
)
from services.catalog.domain.metadata.field_names import check_names
from services.catalog.domain.metadata.field_values import CHECKS, ITEM_CHECKS, iso_date
from services.catalog.domain.metadata.identity import read_key, read_title, read_type
from services.catalog.domain.metadata.schema import SCHEMA, Field, Kind

MAX_ITEMS = 500
"""Items of a list that are read."""
MAX_PROBLEMS = 50
"""Problems of one file that are told."""

_LIST_OR_TEXT = frozenset(one.name for one in SCHEMA.values() if one.kind is Kind.REFERENCES)


def read_entity(
    document: Document, *, path: str, tree: str
) -> tuple[Entity | None, tuple[Problem, ...]]:
    """The entity that a document describes, or None, and everything wrong with it alone.

    Args:
        document: Parsed `metadata.yml`.
        path: The entity's folder.
        tree: Git tree id of the folder.
    """
    if not document.usable:
        return None, document.problems
    problems = list(document.problems)
    metadata = _normalised(document, problems)
    key = read_key(document, _text(metadata, "key"), problems)
    type_ = read_type(document, _text(metadata, "type"), problems)
    title = read_title(document, _text(metadata, "name"), type_, problems)
    check_names(document, type_, problems)
    entity = None
    if key is not None and type_ is not None:
        entity = Entity(
            key=key,
            type=type_,
            title=title or key,
            short_description=_text(metadata, "short_description"),
            path=path,
            tree=tree,
            creator=_text(metadata, "creator"),
            creation_date=iso_date(_text(metadata, "creation_date")),
            version=_text(metadata, "version"),
            tags=tuple(dict.fromkeys(texts(metadata, "tag_list"))),
            notes=_text(metadata, "notes"),
            estimated_runtime=_text(metadata, "estimated_runtime"),
            references=tuple(_references(metadata)),
            metadata=metadata,
        )
    return entity, _bounded(problems)


def texts(metadata: Mapping[str, Value], name: str) -> list[str]:
    """The items of a list field of normalised metadata."""
    value = metadata.get(name)
    if isinstance(value, list | tuple):
        return [item for item in value if isinstance(item, str)]
    return []


def _text(metadata: Mapping[str, Value], name: str) -> str:
    value = metadata.get(name)
    return value if isinstance(value, str) else ""


def _bounded(problems: list[Problem]) -> tuple[Problem, ...]:
    more = len(problems) - MAX_PROBLEMS
    if more <= 0:
        return tuple(problems)
    problems.sort(key=lambda one: one.severity)
    rest = Problem(
        code="too-many-problems",
        message=f"{more} more problems of this file are not told",
        remedy="correct the others first",
    )
    return (*problems[:MAX_PROBLEMS], rest)


# Values -----------------------------------------------------------------------------------------


def _normalised(document: Document, problems: list[Problem]) -> dict[str, Value]:
    """Metadata in which known fields have their kind: text, or list of texts without blanks."""
    result: dict[str, Value] = {}
    for name, value in document.values.items():
        if name in LIST_FIELDS or (name in _LIST_OR_TEXT and isinstance(value, list | tuple)):
            result[name] = _list(document, SCHEMA[name], value, problems)
        elif name in TEXT_FIELDS:
            result[name] = _text_of(document, SCHEMA[name], value, problems)
        else:
            result[name] = value
    return result


def _text_of(document: Document, field: Field, value: Value, problems: list[Problem]) -> str:
    if value is None:
        value = ""
    if not isinstance(value, str):
        problems.append(
            _problem(
                document,
                "wrong-field-type",
                field.name,
                f"{field.name} is to be one text, not a {_kind(value)}; it is taken as empty",
                f"write `{field.name}: some text`",
            )
        )
        return ""
    text = value.strip()
    if not text:
        if field.wanted:
            problems.append(
                _problem(
                    document,
                    "empty-field",
                    field.name,
                    f"{field.name} is left empty",
                    f"fill it in: {field.meaning}",
                )
            )
        return ""
    if not text.isprintable() and field.kind is not Kind.TEXT:
        text = " ".join(text.split())
    if len(text) > field.max_length:
        problems.append(
            _problem(
                document,
                "too-long",
                field.name,
                f"{field.name} has {len(text)} characters; "
                f"only the first {field.max_length} are kept",
                "shorten it, and put long text into a file of the entity",
            )
        )
        text = text[: field.max_length]
    elif field.name in CHECKS:
        found = CHECKS[field.name](text)
        if found is not None:
            problems.append(_placed(document, found, field.name))
    return text


def _list(document: Document, field: Field, value: Value, problems: list[Problem]) -> list[str]:
    name = field.name
    items: Sequence[Value]
    if value is None:
        return []
    if isinstance(value, str):
        if not value.strip():
            return []
        problems.append(
            _problem(
                document,
                "wrong-field-type",
                name,
                f"{name} is to be a list; the one text is taken as its only item",
                f"write `{name}:`, and on a line of its own below it `- {value.strip()[:40]}`",
            )
        )
        items = [value]
    elif isinstance(value, Sequence):
        items = value
    else:
        items = [value]
    if len(items) > MAX_ITEMS:
        problems.append(
            _problem(
                document,
                "too-long",
                name,
                f"{name} has {len(items)} items; only the first {MAX_ITEMS} are read",
                "shorten it",
            )
        )
    result = []
    for index, item in enumerate(items[:MAX_ITEMS]):
        if item is None:
            continue
        if not isinstance(item, str):
            problems.append(
                _problem(
                    document,
                    "wrong-field-type",
                    name,
                    f"an item of {name} is a {_kind(item)}, not a text; it is left out",
                    f"write one text per line below `{name}:`",
                    item=index,
                )
            )
            continue
        text = item.strip()
        if text:
            result.append(_item(document, field, text, index, problems))
    return result


def _item(document: Document, field: Field, text: str, index: int, problems: list[Problem]) -> str:
    if not text.isprintable():
        text = " ".join(text.split())
    if len(text) > field.max_length:
        problems.append(
            _problem(
                document,
                "too-long",
                field.name,
                f"an item of {field.name} has {len(text)} characters; "
                f"only the first {field.max_length} are kept",
                "shorten it",
                item=index,
            )
        )
        text = text[: field.max_length]
    elif field.name in ITEM_CHECKS:
        found = ITEM_CHECKS[field.name](text)
        if found is not None:
            problems.append(_placed(document, found, field.name, item=index))
    return text


def _kind(value: Value) -> str:
    if isinstance(value, Mapping):
        return "mapping"
    if isinstance(value, bool):
        return "truth value"
    if isinstance(value, int | float):
        return "number"
    return "list"


def _problem(
    document: Document, code: str, name: str, message: str, remedy: str, *, item: int | None = None
) -> Problem:
    return _placed(document, Problem(code=code, message=message, remedy=remedy), name, item=item)


def _placed(document: Document, problem: Problem, name: str, *, item: int | None = None) -> Problem:
    position = document.position(name, item=item)
    return replace(problem, line=position.line, column=position.column, field=name)


# References -------------------------------------------------------------------------------------


def _references(metadata: Mapping[str, Value]) -> Iterator[Reference]:
    """References in the order in which the metadata names them, each once per field."""
    for name in metadata:
        if name not in REFERENCE_FIELDS:
            continue
        keys = texts(metadata, name) if name in LIST_FIELDS else [_text(metadata, name)]
        for key in dict.fromkeys(keys):
            if key:
                yield Reference(field=name, key=key)
