"""Words of texts: what a search finds, folded so that case, accents and umlauts do not matter.

One reading of text serves the index, queries, snippets and corrections, so that they agree.
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

# Letters and digits with their combining accents. Each character has one way to match.
_WORD: Final = re.compile(r"[^\W_]+(?:[\u0300-\u036f]+[^\W_]*)*")
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_MIN_HUMP: Final = 3


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
    whole = folded(word)
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


def plain(text: str) -> str:
    """A text as the index reads it: its words folded, where they are more than ASCII."""
    text = text[:MAX_FIELD_CHARACTERS]
    return text if text.isascii() else " ".join(word.forms[0] for word in words_of(text))


def name_parts(text: str) -> str:
    """Parts of the names in a text, such as `Trajectory` of `PyTrajectory`; mostly none."""
    if not _HUMP.search(text):
        return ""
    return " ".join(part for word in words_of(text) for part in word.forms[1:])
