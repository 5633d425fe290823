"""Words of texts: what a search finds, folded so that case, accents and umlauts do not matter.

One reading of text serves the index, queries, snippets and corrections, so that they agree in
every database.
"""

import functools
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

_WORD: Final = re.compile(r"(?:[^\W_][\u0300-\u036f]*)+")
"""Letters and digits with their combining accents. Each character has one way to match."""
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_MIN_HUMP: Final = 3
_SHORT: Final = 200
"""Texts up to so many characters are kept with their words."""

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
        if forms := _forms(match.group()):
            yield Word(forms, match.start(), match.end())


@functools.lru_cache(maxsize=1 << 16)
def folded(word: str) -> str:
    """A word without case, accents and compatibility forms; empty if nothing is left."""
    if not word.isascii():
        plain = unicodedata.normalize("NFKD", word).casefold()
        # Some letters have accents only after folding.
        plain = unicodedata.normalize("NFKD", plain)
        word = "".join(character for character in plain if character.isalnum())
    return word.lower()[:MAX_WORD_CHARACTERS]


@functools.lru_cache(maxsize=1 << 16)
def _forms(word: str) -> tuple[str, ...]:
    whole = folded(word)
    if not whole:
        return ()
    if word.islower() or word.isupper():
        return (whole,)
    parts = (folded(part) for part in _HUMP.split(word) if len(part) >= _MIN_HUMP)
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
        place = field << FIELD_SHIFT
        left = MAX_FIELD_CHARACTERS
        for text in parts:
            if left <= 0:
                break
            for forms in _forms_of(text[:left]):
                for form in forms:
                    yield form, place
                place += 1
            place += 1
            left -= len(text) + 1


def _forms_of(text: str) -> Sequence[tuple[str, ...]]:
    """Forms of the words of a text. Authors, tags and the like come again and again."""
    return _kept_forms(text) if len(text) < _SHORT else _fresh_forms(text)


def _fresh_forms(text: str) -> list[tuple[str, ...]]:
    return [forms for word in _WORD.findall(text) if (forms := _forms(word))]


_kept_forms = functools.lru_cache(maxsize=1 << 14)(_fresh_forms)
