"""Reads one entity from its parsed metadata, tolerant in what it takes, strict in what it says."""

import datetime
from collections.abc import Iterator, Mapping, Sequence

from services.catalog.domain.diagnostics import Problem
from services.catalog.domain.documents import (
    LIST_FIELDS,
    MAX_ITEM_LENGTH,
    MAX_LENGTHS,
    REFERENCE_FIELDS,
    TEXT_FIELDS,
    Document,
)
from services.catalog.domain.entities import KEY, Entity, EntityType, Reference, Value

_TYPES = ", ".join(EntityType)


def read_entity(
    document: Document, *, path: str, tree: str
) -> tuple[Entity | None, tuple[Problem, ...]]:
    """The entity that a document describes, or None, and everything wrong with it alone.

    Args:
        document: Parsed `metadata.yml`.
        path: The entity's folder.
        tree: Git tree id of the folder.
    """
    problems = list(document.problems)
    if not document.usable:
        return None, tuple(problems)
    metadata = _normalised(document, problems)
    key = _key(document, metadata, problems)
    type_ = _type(document, metadata, problems)
    title = _text(metadata, "name")
    if not title:
        problems.append(
            _problem(
                document,
                "missing-name",
                "name",
                "the entity has no name",
                "add `name:` with a short title",
            )
        )
    if key is None or type_ is None:
        return None, tuple(problems)
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
    return entity, tuple(problems)


def iso_date(text: str) -> str:
    """A date in ISO 8601 where it can be understood, else as written."""
    try:
        if len(text) <= len("2022-05-17"):
            return datetime.date.fromisoformat(text).isoformat()
        return datetime.datetime.fromisoformat(text).isoformat()
    except ValueError:
        pass
    try:
        naive = datetime.datetime.strptime(text, "%d.%m.%Y")  # noqa: DTZ007  # only its date is used
    except ValueError:
        return text
    return naive.date().isoformat()


def texts(metadata: Mapping[str, Value], name: str) -> list[str]:
    """The items of a list field of normalised metadata."""
    value = metadata.get(name)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [item for item in value if isinstance(item, str)]
    return []


def _text(metadata: Mapping[str, Value], name: str) -> str:
    value = metadata.get(name)
    return value if isinstance(value, str) else ""


def _problem(
    document: Document, code: str, name: str, message: str, remedy: str, *, item: int | None = None
) -> Problem:
    position = document.position(name, item=item)
    return Problem(
        code=code,
        line=position.line,
        column=position.column,
        field=name,
        message=message,
        remedy=remedy,
    )


def _normalised(document: Document, problems: list[Problem]) -> dict[str, Value]:
    """Metadata in which known fields have their kind: text, or list of texts without blanks."""
    result: dict[str, Value] = {}
    for name, value in document.values.items():
        if name in TEXT_FIELDS:
            result[name] = _normalised_text(document, name, value, problems)
        elif name in LIST_FIELDS:
            result[name] = list(_normalised_list(document, name, value, problems))
        else:
            result[name] = value
    return result


def _normalised_text(document: Document, name: str, value: Value, problems: list[Problem]) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        problems.append(
            _problem(
                document,
                "wrong-field-type",
                name,
                f"{name} is to be one text, not a {_kind(value)}; it is taken as empty",
                f"write `{name}: some text`",
            )
        )
        return ""
    text = value.strip()
    if len(text) > MAX_LENGTHS[name]:
        problems.append(
            _problem(
                document,
                "too-long",
                name,
                f"{name} has {len(text)} characters; more than {MAX_LENGTHS[name]} are too many",
                "shorten it, and put long text into a file of the entity",
            )
        )
    return text


def _normalised_list(
    document: Document, name: str, value: Value, problems: list[Problem]
) -> Iterator[str]:
    items: Sequence[Value]
    if value is None:
        return
    if isinstance(value, str):
        if not value.strip():
            return
        problems.append(
            _problem(
                document,
                "wrong-field-type",
                name,
                f"{name} is to be a list; the one text is taken as its only item",
                f"write `{name}:` and below it `    - {value.strip()[:40]}`",
            )
        )
        items = [value]
    elif isinstance(value, Sequence):
        items = value
    else:
        items = [value]
    for index, item in enumerate(items):
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
        if len(text) > MAX_ITEM_LENGTH:
            problems.append(
                _problem(
                    document,
                    "too-long",
                    name,
                    f"an item of {name} has {len(text)} characters; "
                    f"more than {MAX_ITEM_LENGTH} are too many",
                    "shorten it",
                    item=index,
                )
            )
        if text:
            yield text


def _kind(value: Value) -> str:
    if isinstance(value, Mapping):
        return "mapping"
    if isinstance(value, bool):
        return "truth value"
    if isinstance(value, int | float):
        return "number"
    return "list"


def _key(document: Document, metadata: Mapping[str, Value], problems: list[Problem]) -> str | None:
    key = _text(metadata, "key")
    if not key:
        problems.append(
            _problem(
                document,
                "missing-key",
                "key",
                "the entity has no key, so that nothing can refer to it",
                "add `key:` with 5 characters of A-Z and 0-9 (`ackrep key` makes one)",
            )
        )
        return None
    if KEY.fullmatch(key):
        return key
    remedy = "use 5 characters of A-Z and 0-9 (`ackrep key` makes one)"
    if KEY.fullmatch(key.upper()):
        remedy = f"write it in capitals: {key.upper()}"
    problems.append(
        _problem(document, "invalid-key", "key", f"{key[:40]!r} is no valid key", remedy)
    )
    return None


def _type(
    document: Document, metadata: Mapping[str, Value], problems: list[Problem]
) -> EntityType | None:
    name = _text(metadata, "type")
    if not name:
        problems.append(
            _problem(
                document, "missing-type", "type", "the entity has no type", f"add one of: {_TYPES}"
            )
        )
        return None
    try:
        return EntityType(name)
    except ValueError:
        problems.append(
            _problem(
                document,
                "unknown-type",
                "type",
                f"{name[:40]!r} is no type of entity",
                f"use one of: {_TYPES}",
            )
        )
        return None


def _references(metadata: Mapping[str, Value]) -> Iterator[Reference]:
    """References in the order in which the metadata names them, each once per field."""
    for name in metadata:
        if name not in REFERENCE_FIELDS:
            continue
        keys = texts(metadata, name) if name in LIST_FIELDS else [_text(metadata, name)]
        for key in dict.fromkeys(keys):
            if key:
                yield Reference(field=name, key=key)
