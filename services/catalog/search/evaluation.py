"""Answering one question to the search index, from one state of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import tantivy
from tantivy import Occur, Order, Query

from services.catalog.domain.filters import Filter
from services.catalog.domain.search.queries import Clause
from services.catalog.domain.search.queries import Query as Asked
from services.catalog.domain.search.snippets import Slot
from services.catalog.domain.search.words import MAX_WORD_CHARACTERS, NAMING_FIELDS
from services.catalog.ports import Correction, Facet, Finding, Question
from services.catalog.search.clauses import (
    at,
    conditions,
    either,
    every,
    key_part_query,
    keys_first,
    phrase_query,
    silent,
    word_query,
)
from services.catalog.search.schema import key_of
from services.catalog.search.spelling import Vocabulary, looks_like_key, nearest_keys

MAX_FACET_VALUES: Final = 50
MAX_REPLACEMENTS: Final = 3
_FACETS: Final = {
    "type": "type",
    "tag": "tag",
    "creator": "author",
    "environment": "environment",
}
"""Facets, in the order of answers, with the fields that they count."""
_BLOCK: Final = 400
"""Hits that are put in order at once: equal ones by key, which Tantivy leaves open."""
_SCORE_DIGITS: Final = 4


class Words:
    """What is known of all words in one state of the index; found out when it is asked for."""

    def __init__(self, searcher: tantivy.Searcher) -> None:
        self._searcher = searcher
        self._vocabulary: Vocabulary | None = None
        self._authors: list[str] | None = None
        self._keys: list[str] | None = None

    @property
    def vocabulary(self) -> Vocabulary:
        """Words of titles, tags and creators."""
        if self._vocabulary is None:
            counts: dict[str, int] = {}
            for field in NAMING_FIELDS:
                for word, count in self._searcher.terms_with_prefix(field, ""):
                    counts[word] = counts.get(word, 0) + count
            self._vocabulary = Vocabulary(counts)
        return self._vocabulary

    @property
    def authors(self) -> list[str]:
        """All creators."""
        if self._authors is None:
            self._authors = self._terms("author")
        return self._authors

    @property
    def keys(self) -> list[str]:
        """All keys."""
        if self._keys is None:
            self._keys = self._terms("exact_key")
        return self._keys

    def _terms(self, field: str) -> list[str]:
        return [term for term, _ in self._searcher.terms_with_prefix(field, "")]


@dataclass(frozen=True, kw_only=True)
class _Meaning:
    """What may stand in one place of a clause."""

    words: tuple[str, ...]
    """The word as asked, or what is tried in its place."""
    query: Query
    """Finds them."""
    open_ended: bool = False
    written: str = ""
    """Of a word that was replaced."""


class Evaluation:
    """One state of the index, seen at one revision.

    Args:
        schema: Of the index.
        searcher: The state.
        words: What is known of its words.
        number: Of the revision.
        holding: Keys that hold the parts of texts which the filter asks for; None for all.
    """

    def __init__(
        self,
        schema: tantivy.Schema,
        searcher: tantivy.Searcher,
        words: Words,
        *,
        number: int,
        holding: Sequence[str] | None,
    ) -> None:
        self._schema = schema
        self._searcher = searcher
        self._words = words
        self._standing = at(schema, number)
        self._holding = holding

    def find(self, question: Question) -> Finding:
        """Answers a question."""
        asked = question.query
        meanings = [self._meanings(clause, asked) for clause in asked.clauses]
        wanted = [
            self._clause(clause, found)
            for clause, found in zip(asked.clauses, meanings, strict=True)
        ]
        unwanted = [self._plain(clause) for clause in asked.excluded]
        matching = self._among(question, wanted, unwanted)
        kept = every((matching, *self._conditions(question.filter)))
        hits, total = self._page(
            kept, offset=question.offset, limit=question.limit, ranked=bool(wanted)
        )
        return Finding(
            hits=hits,
            total=total,
            clauses=tuple(
                tuple(
                    Slot(frozenset(one.words), prefix=one.words[0] if one.open_ended else "")
                    for one in found
                )
                for found in meanings
            ),
            facets=self._facets(matching, question.filter) if question.facets else (),
            corrections=_corrections(meanings),
        )

    # Words

    def _meanings(self, clause: Clause, asked: Asked) -> list[_Meaning]:
        last = len(clause.words) - 1
        return [
            self._meaning(
                word,
                asked.written(word),
                open_ended=clause.open_ended and place == last,
            )
            for place, word in enumerate(clause.words)
        ]

    def _meaning(self, word: str, written: str, *, open_ended: bool) -> _Meaning:
        query = word_query(self._schema, word, open_ended=open_ended)
        if self._count(query):
            return _Meaning(words=(word,), query=query, open_ended=open_ended)
        part = key_part_query(self._schema, word)
        if part is not None and self._count(part):
            return _Meaning(words=(word,), query=part)
        near = self._near(word, written, open_ended=open_ended)
        if near:
            return _Meaning(words=near, query=self._any(near), written=written)
        return _Meaning(words=(word,), query=query)

    def _near(self, word: str, written: str, *, open_ended: bool) -> tuple[str, ...]:
        """Words near to one that occurs nowhere, likeliest first, which do occur."""
        if len(word) >= MAX_WORD_CHARACTERS:
            return ()
        vocabulary = self._words.vocabulary
        found = self._occurring(vocabulary.nearest(word))
        if not found and open_ended:
            found = self._occurring(vocabulary.continuing(word))
        if not found and looks_like_key(written):
            keys = nearest_keys(written.upper(), self._words.keys)
            found = self._occurring([[key.lower() for key in keys]])
        return found

    def _occurring(self, groups: Iterable[Sequence[str]]) -> tuple[str, ...]:
        """The nearest words of those that occur in this revision; most frequent in it first.

        Words of other revisions are known too, but must not change its answers.
        """
        for group in groups:
            often = {one: self._count(self._any((one,))) for one in group}
            found = sorted((one for one in often if often[one]), key=lambda one: (-often[one], one))
            if found:
                return tuple(found[:MAX_REPLACEMENTS])
        return ()

    def _any(self, words: Iterable[str]) -> Query:
        return either(word_query(self._schema, word, open_ended=False) for word in words)

    def _clause(self, clause: Clause, found: Sequence[_Meaning]) -> Query:
        if len(found) == 1:
            query = found[0].query
            return query if found[0].written else keys_first(self._schema, query, clause.words[0])
        if any(one.written for one in found):  # then their order is no longer what was meant
            return every(one.query for one in found)
        return phrase_query(self._schema, clause.words, open_ended=clause.open_ended)

    def _plain(self, clause: Clause) -> Query:
        """A clause as it stands, with nothing tried in its place."""
        if len(clause.words) == 1:
            return word_query(self._schema, clause.words[0], open_ended=clause.open_ended)
        return phrase_query(self._schema, clause.words, open_ended=clause.open_ended)

    def _count(self, query: Query) -> int:
        return _total(self._searcher.search(every((self._standing, query)), 1))

    # Hits

    def _among(
        self, question: Question, wanted: Sequence[Query], unwanted: Sequence[Query]
    ) -> Query:
        clauses = [(Occur.Must, query) for query in (self._standing, *wanted)]
        clauses += [(Occur.MustNot, query) for query in unwanted]
        for keys in (question.keys, self._holding):
            if keys is not None:
                among = Query.term_set_query(self._schema, "exact_key", sorted(keys))
                clauses.append((Occur.Must, silent(among)))
        return Query.boolean_query(clauses)

    def _conditions(self, filter_: Filter, *, leaving: str = "") -> list[Query]:
        authors = self._words.authors if filter_.creators else []
        return conditions(self._schema, filter_, authors=authors, leaving=leaving)

    def _page(
        self, query: Query, *, offset: int, limit: int, ranked: bool
    ) -> tuple[tuple[tuple[str, float], ...], int]:
        if not ranked:
            found = self._searcher.search(
                query, limit, order_by_field="order", order=Order.Asc, offset=offset
            )
            return tuple((key_of(order), 0.0) for order, _ in found.hits), _total(found)
        hits: list[tuple[str, float]] = []
        total = 0
        for start in range(offset // _BLOCK * _BLOCK, offset + limit, _BLOCK):
            found = self._searcher.search(query, _BLOCK, offset=start)
            total = _total(found)
            block = self._ordered(found.hits)
            hits += block[max(offset - start, 0) : offset + limit - start]
        return tuple(hits), total

    def _ordered(self, hits: Sequence[tuple[float, tantivy.DocAddress]]) -> list[tuple[str, float]]:
        """Hits with their keys, equal ones by key."""
        orders = self._searcher.fast_field_values("order", [address for _, address in hits])
        # Sums of floats in another order differ in the last digits; that must not decide.
        scored = [
            (-round(score, _SCORE_DIGITS), int(order or 0))
            for (score, _), order in zip(hits, orders, strict=True)
        ]
        return [(key_of(order), -negative) for negative, order in sorted(scored)]

    # Counts

    def _facets(self, matching: Query, filter_: Filter) -> tuple[Facet, ...]:
        """Counts under the other conditions, so that one sees what another choice would give."""
        alone = {
            name
            for name, given in (
                ("type", filter_.types),
                ("creator", filter_.creators),
                ("environment", filter_.environments),
            )
            if given
        }
        # One pass for all fields without a condition of their own.
        shared = [name for name in _FACETS if name not in alone]
        counts = self._counts(every((matching, *self._conditions(filter_))), shared)
        for name in alone:
            conditions_ = self._conditions(filter_, leaving=name)
            counts |= self._counts(every((matching, *conditions_)), [name])
        return tuple(Facet(field=name, values=counts[name]) for name in _FACETS)

    def _counts(self, query: Query, names: Iterable[str]) -> dict[str, tuple[tuple[str, int], ...]]:
        # More than are shown, so that of equally frequent ones the first by name are.
        wanted = {
            name: {"terms": {"field": _FACETS[name], "size": 10 * MAX_FACET_VALUES}}
            for name in names
        }
        answer: dict[str, Any] = self._searcher.aggregate(query, wanted)
        found = {}
        for name in wanted:
            values = [(one["key"], one["doc_count"]) for one in answer[name]["buckets"]]
            values.sort(key=lambda pair: (-pair[1], pair[0]))
            found[name] = tuple(values[:MAX_FACET_VALUES])
        return found


def _total(found: tantivy.SearchResult) -> int:
    count: int = found.count  # type: ignore[attr-defined]  # missing in its types
    return count


def _corrections(meanings: Iterable[Iterable[_Meaning]]) -> tuple[Correction, ...]:
    replaced = {one.written: one.words for found in meanings for one in found if one.written}
    return tuple(
        Correction(word=word, replacements=replacements) for word, replacements in replaced.items()
    )
