"""What makes an entity one: its key, its type and its title."""

import difflib
import re
from typing import Final

from services.catalog.domain.diagnostics import Problem
from services.catalog.domain.entities import KEY, EntityType
from services.catalog.domain.metadata.documents import Document

MAX_ENVIRONMENT_LENGTH: Final = 128
"""Characters of an environment's name; containers, images and subjects have it in theirs."""

_ENVIRONMENT: Final = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*_environment")
_TYPES: Final = ", ".join(EntityType)


def read_key(document: Document, text: str, problems: list[Problem]) -> str | None:
    """The key as written, or None where it is none."""
    if not text:
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
    if KEY.fullmatch(text):
        return text
    remedy = "use 5 characters of A-Z and 0-9 (`ackrep key` makes one)"
    if KEY.fullmatch(text.upper()):
        remedy = f"write it in capitals: {text.upper()}"
    problems.append(
        _problem(document, "invalid-key", "key", f"{text[:40]!r} is no valid key", remedy)
    )
    return None


def read_type(document: Document, text: str, problems: list[Problem]) -> EntityType | None:
    """The type as written, or None where there is no such one."""
    if not text:
        problems.append(
            _problem(
                document, "missing-type", "type", "the entity has no type", f"add one of: {_TYPES}"
            )
        )
        return None
    found = EntityType.__members__.get(text.upper())
    if found is not None and found == text:
        return found
    guess = re.sub(r"[\s-]+", "_", text[:40].lower())
    near = difflib.get_close_matches(guess, list(EntityType), n=1, cutoff=0.75)
    problems.append(
        _problem(
            document,
            "unknown-type",
            "type",
            f"{text[:40]!r} is no type of entity",
            f"did you mean {near[0]}?" if near else f"use one of: {_TYPES}",
        )
    )
    return None


def read_title(
    document: Document, text: str, type_: EntityType | None, problems: list[Problem]
) -> str:
    """The title as written; that of an environment is checked, for it names images too."""
    if not text:
        problems.append(
            _problem(
                document,
                "missing-name",
                "name",
                "the entity has no name",
                "add `name:` with a short title",
            )
        )
    elif type_ is EntityType.ENVIRONMENT_SPECIFICATION:
        _check_environment(document, text, problems)
    return text


def _check_environment(document: Document, text: str, problems: list[Problem]) -> None:
    if len(text) > MAX_ENVIRONMENT_LENGTH:
        why = f"has {len(text)} characters, more than {MAX_ENVIRONMENT_LENGTH}"
    elif not _ENVIRONMENT.fullmatch(text):
        why = "is not made of lower-case words joined by `_` that end in `_environment`"
    else:
        return
    words = "_".join(re.findall(r"[a-z0-9]+", text.lower())[:6]).removesuffix("_environment")
    better = f"{words[:60] or 'some_description'}_environment"
    problems.append(
        _problem(
            document,
            "invalid-environment-name",
            "name",
            f"the name of the environment, {text[:60]!r}, {why}: no container can have it",
            f"name it like {better}",
        )
    )


def _problem(document: Document, code: str, name: str, message: str, remedy: str) -> Problem:
    position = document.position(name)
    return Problem(
        code=code,
        line=position.line,
        column=position.column,
        field=name,
        message=message,
        remedy=remedy,
    )
