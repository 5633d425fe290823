"""Pieces of an entity's texts in which a search found its words."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from services.catalog.domain.entities import Entity
from services.catalog.domain.search.words import (
    FIELDS,
    MAX_FIELD_CHARACTERS,
    Word,
    texts_of,
    words_of,
)

SNIPPET_CHARACTERS: Final = 160
MAX_SNIPPETS: Final = 3
_BEFORE: Final = 40
"""So many characters before the first match are shown where a text is cut."""
_ELLIPSIS: Final = "…"


@dataclass(frozen=True, slots=True)
class Slot:
    """What may stand in one place of a clause."""

    words: frozenset[str]
    prefix: str = ""
    """Beginning of further words; empty for none."""

    def fits(self, word: Word) -> bool:
        """Whether a word of a text is one that is meant."""
        return any(
            form in self.words or (self.prefix and form.startswith(self.prefix))
            for form in word.forms
        )


@dataclass(frozen=True, slots=True)
class Snippet:
    """A piece of text with the words found in it."""

    field: str
    text: str
    matches: tuple[tuple[int, int], ...]
    """Begin and length of each, in Unicode characters."""


def snippets_of(
    entity: Entity,
    clauses: Sequence[Sequence[Slot]],
    *,
    limit: int = MAX_SNIPPETS,
    width: int = SNIPPET_CHARACTERS,
) -> tuple[Snippet, ...]:
    """Where clauses are found in an entity, in the most telling fields first."""
    found: list[Snippet] = []
    for field, texts in zip(FIELDS, texts_of(entity), strict=True):
        if len(found) == limit:
            break
        text = ", ".join(texts)[:MAX_FIELD_CHARACTERS]
        if not text or (text.isascii() and not _may_hold(text, clauses)):
            continue
        text = " ".join(text.split())
        words = list(words_of(text))
        matched = set(_matched(words, clauses))
        if matched:
            marked = [word for number, word in enumerate(words) if number in matched]
            found.append(_cut(field, text, words, marked, width=width))
    return tuple(found)


def _may_hold(text: str, clauses: Sequence[Sequence[Slot]]) -> bool:
    """False where no clause can be in a text; much quicker than looking for its words."""
    lower = text.lower()
    return any(
        all(
            (slot.prefix and slot.prefix in lower) or any(word in lower for word in slot.words)
            for slot in slots
        )
        for slots in clauses
    )


def _matched(words: Sequence[Word], clauses: Sequence[Sequence[Slot]]) -> Iterator[int]:
    """Numbers of the words that belong to a clause."""
    for slots in clauses:
        for start in range(len(words) - len(slots) + 1):
            if all(slot.fits(words[start + step]) for step, slot in enumerate(slots)):
                yield from range(start, start + len(slots))


def _cut(
    field: str, text: str, words: Sequence[Word], marked: Sequence[Word], *, width: int
) -> Snippet:
    start, end = 0, len(text)
    if len(text) > width:
        first = marked[0]
        # Begin with a whole word, unless words are longer than any text should have.
        wanted = max(first.start - _BEFORE, 0)
        if len(text) - wanted < width:
            wanted = len(text) - width
        start = next((word.start for word in words if word.start >= wanted), wanted)
        start = 0 if wanted == 0 else min(start, first.start)
        ends = [word.end for word in words if start < word.end <= start + width]
        end = max(ends, default=0)
        if end <= first.start:  # a match longer than all that is shown
            end = start + width
        if len(text) <= start + width:
            end = len(text)
    before = _ELLIPSIS if start > 0 else ""
    after = _ELLIPSIS if end < len(text) else ""
    shift = len(before) - start
    return Snippet(
        field=field,
        text=f"{before}{text[start:end]}{after}",
        matches=_spans(marked, start=start, end=end, shift=shift),
    )


def _spans(
    marked: Collection[Word], *, start: int, end: int, shift: int
) -> tuple[tuple[int, int], ...]:
    return tuple(
        (word.start + shift, min(word.end, end) - word.start)
        for word in marked
        if start <= word.start < end
    )
