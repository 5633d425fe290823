"""Words of texts: what a search finds, folded so that case, accents and umlauts do not matter.

One reading of text serves the index, queries, snippets and corrections, so that they agree in
every database.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from services.catalog.domain.entities import Entity

MAX_WORD_CHARACTERS: Final = 64
"""Longer words are known by their beginning."""
MAX_FIELD_CHARACTERS: Final = 50_000
"""So much of one field is searched."""
FIELDS: Final = ("title", "key", "tags", "short_description", "creator", "notes", "path")
"""Where words are looked for, most telling first."""
NAMING_FIELDS: Final = ("title", "tags", "creator")
"""Fields whose words are offered in place of misspelt ones."""

# Not the separators of ASCII, which are white space to Python.
TEXT_SEPARATOR: Final = "\x01"
FIELD_SEPARATOR: Final = "\x02"

# Letters and digits with their combining accents. Each character has one way to match.
_WORD: Final = re.compile(r"[^\W_]+(?:[\u0300-\u036f]+[^\W_]*)*")
_WORD_OR_SEPARATOR: Final = re.compile(rf"{_WORD.pattern}|[{TEXT_SEPARATOR}{FIELD_SEPARATOR}]")
_SEPARATORS: Final = (TEXT_SEPARATOR, FIELD_SEPARATOR)
_SPACED: Final = {
    code: " " for code in range(128) if not chr(code).isalnum() and chr(code) not in _SEPARATORS
}
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_MIN_HUMP: Final = 3

_FIELD_BITS: Final = 4
_POSITION_BITS: Final = 16
POSITION_MASK: Final = (1 << _POSITION_BITS) - 1
FIELD_MASK: Final = (1 << _FIELD_BITS) - 1
VERSION_SHIFT: Final = _FIELD_BITS + _POSITION_BITS
FIELD_SHIFT: Final = _POSITION_BITS


@dataclass(frozen=True, slots=True)
class Word:
    """A word in a text."""

    forms: tuple[str, ...]
    """Folded: the word itself, then parts of a name like `PyTrajectory`."""
    start: int
    """Where it begins in the text, in characters."""
    end: int


def words_of(text: str) -> Iterator[Word]:
    """The words of a text in order. `ocse:State_Space` and `state-space` are several words."""
    for match in _WORD.finditer(text):
        if forms := forms_of(match.group()):
            yield Word(forms, match.start(), match.end())


def split(text: str) -> list[str]:
    """The words of a text as they are written, and the signs that separate texts and fields."""
    if text.isascii():  # the same, in a third of the time
        text = text.translate(_SPACED)
        for sign in _SEPARATORS:
            text = text.replace(sign, f" {sign} ")
        return text.split()
    return _WORD_OR_SEPARATOR.findall(text)


def folded(word: str) -> str:
    """A word without case, accents and compatibility forms; empty if nothing is left."""
    if word.isascii():
        return word.lower()[:MAX_WORD_CHARACTERS]
    plain = unicodedata.normalize("NFKD", word).casefold()
    # Some letters have accents only after folding.
    plain = unicodedata.normalize("NFKD", plain)
    kept = "".join(character for character in plain if character.isalnum())
    return kept[:MAX_WORD_CHARACTERS]


def forms_of(word: str) -> tuple[str, ...]:
    """What a written word is found by: itself and parts, folded; nothing for a stray accent."""
    whole = "" if word in _SEPARATORS else folded(word)
    if not whole:
        return ()
    if whole == word or word.isupper():
        return (whole,)
    parts = [folded(part) for part in _HUMP.split(word) if len(part) >= _MIN_HUMP]
    return (whole, *(part for part in parts if part != whole))


def texts_of(entity: Entity) -> tuple[Sequence[str], ...]:
    """What is searched in an entity: for each of `FIELDS` its texts."""
    return (
        (entity.title,),
        (entity.key,),
        entity.tags,
        (entity.short_description,),
        (entity.creator,),
        (entity.notes,),
        (entity.path,),
    )


def places_in(texts: Sequence[Sequence[str]]) -> Iterator[tuple[str, int]]:
    """Every word of an entity with its place: field and position in one number.

    Neighbours in one text have consecutive numbers; texts and fields are apart. Shifted by
    `VERSION_SHIFT`, the number of an entity version goes before it.
    """
    for field, parts in enumerate(texts):
        for position, word in enumerate(split(joined(parts))):
            for form in forms_of(word):
                yield form, field << FIELD_SHIFT | position


def joined(texts: Sequence[str]) -> str:
    """The texts of a field, as far as they are searched, in one."""
    text = texts[0] if len(texts) == 1 else TEXT_SEPARATOR.join(texts)
    return text[:MAX_FIELD_CHARACTERS].replace(FIELD_SEPARATOR, TEXT_SEPARATOR)
