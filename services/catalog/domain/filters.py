"""The filter of entity lists: `field = value` conditions joined by ` AND `."""

import re
from dataclasses import dataclass
from typing import Final

from services.catalog.domain.entities import EntityType, Placed
from services.errors import InvalidArgumentError

_CONDITION: Final = re.compile(
    r"""\s*(?P<field>[a-z_]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>.*?))\s*"""
    r"""(?:(?P<more>\s+AND\s+)|$)""",
    re.DOTALL,
)
_FIELDS: Final = ("type", "tag", "environment", "checkable", "path", "creator", "text")
MAX_FILTER_LENGTH: Final = 2_000


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What an entity has to satisfy; every condition given counts."""

    types: tuple[EntityType, ...] = ()
    tags: tuple[str, ...] = ()
    """All of them."""
    environments: tuple[str, ...] = ()
    checkable: bool | None = None
    paths: tuple[str, ...] = ()
    """The folder itself, or any folder above it."""
    creators: tuple[str, ...] = ()
    """Parts, folded."""
    texts: tuple[str, ...] = ()
    """Parts of title, key, description or tags, folded."""

    def matches(self, placed: Placed) -> bool:
        """Whether an entity satisfies all conditions."""
        entity = placed.entity
        return (
            all(entity.type is wanted for wanted in self.types)
            and all(tag in entity.tags for tag in self.tags)
            and all(placed.environment == name for name in self.environments)
            and (self.checkable is None or entity.checkable is self.checkable)
            and all(f"{entity.path}/".startswith(f"{path}/") for path in self.paths)
            and all(part in entity.creator.casefold() for part in self.creators)
            and all(part in searched_text(placed) for part in self.texts)
        )


def searched_text(placed: Placed) -> str:
    """What the condition `text` looks into, folded; a line break between the parts."""
    entity = placed.entity
    return "\n".join((entity.title, entity.key, entity.short_description, *entity.tags)).casefold()


def parse_filter(text: str) -> Filter:
    """Reads a filter; an empty one lets everything through.

    Raises:
        InvalidArgumentError: It cannot be understood; the message says where.
    """
    if len(text) > MAX_FILTER_LENGTH:
        raise InvalidArgumentError(f"the filter is longer than {MAX_FILTER_LENGTH} characters")
    if "\0" in text:  # which PostgreSQL does not take in any text
        raise InvalidArgumentError("the filter has a NUL character, which no metadata can have")
    found: dict[str, list[str]] = {name: [] for name in _FIELDS}
    position = 0
    more = bool(text.strip())
    while more:
        match = _CONDITION.match(text, position)
        if match is None:
            raise InvalidArgumentError(
                f"the filter is not understood at {text[position : position + 40]!r}: "
                'write e.g. `type = system_model AND text = "lorenz"`',
                filter=text,
            )
        name = match["field"]
        if name not in found:
            raise InvalidArgumentError(
                f"the filter has no field {name}; there are {', '.join(_FIELDS)}", filter=text
            )
        value = match["bare"]
        if match["quoted"] is not None:
            value = re.sub(r"\\(.)", r"\1", match["quoted"])
        if not value:
            raise InvalidArgumentError(f"the filter's {name} wants a value", filter=text)
        found[name].append(value)
        position = match.end()
        more = match["more"] is not None
    return _filter(found)


def _filter(found: dict[str, list[str]]) -> Filter:
    checkable = {_truth(value) for value in found["checkable"]}
    if len(checkable) > 1:
        raise InvalidArgumentError("the filter asks for checkable = true and false at once")
    return Filter(
        types=tuple(_type(value) for value in found["type"]),
        tags=tuple(found["tag"]),
        environments=tuple(value.removeprefix("environments/") for value in found["environment"]),
        checkable=checkable.pop() if checkable else None,
        paths=tuple(value.strip("/") for value in found["path"]),
        creators=tuple(value.casefold() for value in found["creator"]),
        texts=tuple(value.casefold() for value in found["text"]),
    )


def _type(value: str) -> EntityType:
    try:
        return EntityType(value.lower().removeprefix("entity_type_"))
    except ValueError:
        raise InvalidArgumentError(
            f"the filter's type {value!r} is none of {', '.join(EntityType)}"
        ) from None


def _truth(value: str) -> bool:
    if value not in ("true", "false"):
        raise InvalidArgumentError(f"the filter's checkable is true or false, not {value!r}")
    return value == "true"
