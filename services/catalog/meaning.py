"""What is meant by the words of a query: places of words, longer words, keys, and near words."""

import asyncio
import functools
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.catalog.columns import View
from services.catalog.domain.queries import Clause, Query
from services.catalog.domain.snippets import Slot
from services.catalog.domain.words import MAX_WORD_CHARACTERS
from services.catalog.ports import SearchIndex
from services.catalog.ranking import Found, Scores, frequencies, occurrences
from services.catalog.spelling import Vocabulary, nearest_keys

MAX_REPLACEMENTS: Final = 3
CACHED_BYTES: Final = 32 * 1024 * 1024
"""Memory for clauses that were asked before: pages, facets and typing ask them again and again."""
QUICK_BYTES: Final = 200_000
"""Places that are counted within a millisecond."""
MIN_KEY_PART: Final = 3
MAX_KEYS: Final = 50
_KEY_LENGTH: Final = 5


@dataclass(frozen=True)
class Meaning:
    """What a clause means in one revision."""

    slots: tuple[Slot, ...]
    """What may stand in its places."""
    frequencies: Scores
    """How often it stands in each row, weighted by field."""
    keys: tuple[str, ...] = ()
    """Whole keys, or beginnings of keys, that are meant first of all; in upper case."""
    replaced: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Words, as written, that occur nowhere, with the ones that are tried in their place."""

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        return self.frequencies.nbytes + 2_000


@dataclass(frozen=True)
class _Places:
    """Places of what may be meant by one word."""

    exact: Mapping[str, bytes]
    """The word, or what is tried in its place."""
    longer: Mapping[str, bytes]
    corrected: bool = False

    def occur(self, view: View) -> bool:
        stored = (*self.exact.values(), *self.longer.values())
        return any(occurrences(view, places) for places in stored)


class Meanings:
    """Finds out what clauses mean.

    Args:
        index: Where words stand.
    """

    def __init__(self, index: SearchIndex) -> None:
        self._index = index
        self._kept: OrderedDict[tuple[object, ...], Meaning] = OrderedDict()
        self._kept_bytes = 0
        self._vocabulary = Vocabulary({})
        self._vocabulary_last = 0

    async def of(
        self, clause: Clause, query: Query, view: View, *, tree: str, forgiving: bool = True
    ) -> Meaning:
        """The meaning of a clause in a revision.

        Args:
            clause: A clause of `query`.
            query: Says how words were written.
            view: The revision.
            tree: Its tree.
            forgiving: Whether near words are tried for words that occur nowhere.
        """
        written = [query.written(word) for word in clause.words]
        asked = (tree, clause, *written, forgiving)
        known = self._kept.get(asked)
        if known is None:
            known = await self._find(clause, written, view, forgiving=forgiving)
            if asked not in self._kept:  # unless somebody asked the same meanwhile
                self._kept[asked] = known
                self._kept_bytes += known.size
            while self._kept_bytes > CACHED_BYTES:
                _, dropped = self._kept.popitem(last=False)
                self._kept_bytes -= dropped.size
        else:
            self._kept.move_to_end(asked)
        return known

    async def prepare(self, view: View) -> None:
        """Reads the known words, where there may be new ones."""
        if self._vocabulary_last < view.last_version:
            self._vocabulary_last = view.last_version
            self._vocabulary = Vocabulary(await self._index.vocabulary())

    async def _find(
        self, clause: Clause, written: Sequence[str], view: View, *, forgiving: bool
    ) -> Meaning:
        exact = clause.words[:-1] if clause.open_ended else clause.words
        stored = await self._index.places(exact)
        found, slots, replaced = [], [], []
        for number, word in enumerate(clause.words):
            open_ended = clause.open_ended and number == len(clause.words) - 1
            if open_ended:
                longer = await self._index.places_from(word)
                places = _Places(
                    exact={word: longer[word]} if word in longer else {},
                    longer={other: longer[other] for other in longer if other != word},
                )
            else:
                places = _Places({word: stored[word]} if word in stored else {}, {})
            if forgiving and not places.occur(view):
                places = await self._instead(word, written[number], view, open_ended=open_ended)
            if places.corrected:
                replaced.append((written[number], tuple(places.exact)))
            slots.append(Slot(frozenset((word, *places.exact)), prefix=word if open_ended else ""))
            found.append(Found(tuple(places.exact.values()), tuple(places.longer.values())))
        return Meaning(
            slots=tuple(slots),
            frequencies=await _counted(view, found),
            keys=_keys_in(clause),
            replaced=tuple(replaced),
        )

    async def _instead(self, word: str, written: str, view: View, *, open_ended: bool) -> _Places:
        """What may be meant by a word that occurs nowhere: a part of keys, or a near word."""
        if word.isascii() and MIN_KEY_PART <= len(word) < _KEY_LENGTH:
            keys = view.keys_with(word.upper(), limit=MAX_KEYS)
            if keys:
                return _Places(await self._index.places([key.lower() for key in keys]), {})
        near = await self._near(written, word, view, open_ended=open_ended)
        return _Places(near, {}, corrected=bool(near))

    async def _near(
        self, written: str, word: str, view: View, *, open_ended: bool
    ) -> Mapping[str, bytes]:
        """Words near to one that occurs nowhere, likeliest first, which do occur."""
        if len(word) >= MAX_WORD_CHARACTERS:
            return {}
        await self.prepare(view)
        found = await self._occurring(view, self._vocabulary.nearest, word)
        if not found and open_ended:
            found = await self._occurring(view, self._vocabulary.continuing, word)
        if not found and _looks_like_key(written):
            found = await self._occurring(view, functools.partial(_near_keys, view), written)
        return found

    async def _occurring(
        self, view: View, near: Callable[[str], list[list[str]]], word: str
    ) -> Mapping[str, bytes]:
        """The nearest words of those that occur in a revision; most frequent in it first.

        Words of other revisions are in the vocabulary too, but must not change its answers.
        """
        for group in await asyncio.to_thread(near, word):
            places = await self._index.places(group)
            often = {one: occurrences(view, places[one]) for one in group if one in places}
            found = sorted((one for one in often if often[one]), key=lambda one: (-often[one], one))
            if found:
                return {one: places[one] for one in found[:MAX_REPLACEMENTS]}
        return {}


def _near_keys(view: View, written: str) -> list[list[str]]:
    keys = [key.decode() for key in view.keys.tolist()]
    return [[key.lower() for key in nearest_keys(written.upper(), keys)]]


async def _counted(view: View, found: Sequence[Found]) -> Scores:
    """Frequencies; where they take a while, calls of others are answered meanwhile."""
    size = sum(len(part) for one in found for part in (*one.exact, *one.longer))
    if size < QUICK_BYTES:
        return frequencies(view, found)
    return await asyncio.to_thread(frequencies, view, found)


def _keys_in(clause: Clause) -> tuple[str, ...]:
    """The key, or beginning of keys, that a clause may be."""
    word = clause.words[0]
    if len(clause.words) > 1 or not word.isascii() or len(word) > _KEY_LENGTH:
        return ()
    whole = len(word) == _KEY_LENGTH
    return (word.upper(),) if whole or (clause.open_ended and len(word) >= MIN_KEY_PART) else ()


def _looks_like_key(written: str) -> bool:
    near = abs(len(written) - _KEY_LENGTH) <= 1 and written.isascii() and written.isalnum()
    return near and (written.isupper() or any(character.isdigit() for character in written))
