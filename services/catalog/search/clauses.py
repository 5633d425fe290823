"""Clauses and conditions of a search as queries of Tantivy."""

from collections.abc import Iterable, Sequence
from typing import Final

import tantivy
from tantivy import FieldType, Occur, Query

from services.catalog.domain.entities import CHECKABLE
from services.catalog.domain.filters import Filter
from services.catalog.domain.search.words import FIELDS
from services.catalog.search.schema import PARTS, value

WEIGHTS: Final = {
    "title": 10.0,
    "key": 12.0,
    "tags": 7.0,
    PARTS: 5.0,
    "short_description": 4.0,
    "creator": 3.5,
    "notes": 2.0,
    "path": 0.5,
}
"""How much a word counts by the field it stands in."""
_LONGER: Final = 0.1
"""What a word counts that only begins with what was asked, beside one that is the same."""
_KEY: Final = 1000.0
"""Whoever asks for a key wants that entity first."""
_KEY_PART: Final = 100.0
_MIN_KEY_PART: Final = 3
_KEY_LENGTH: Final = 5


def every(queries: Iterable[Query]) -> Query:
    """All of some queries."""
    return Query.boolean_query([(Occur.Must, query) for query in queries])


def either(queries: Iterable[Query]) -> Query:
    """Any of some queries; scores add up."""
    return Query.boolean_query([(Occur.Should, query) for query in queries])


def silent(query: Query) -> Query:
    """A condition, which says nothing about how good a match is."""
    return Query.const_score_query(query, 0.0)


def at(schema: tantivy.Schema, number: int) -> Query:
    """What stands in a revision."""
    kind = FieldType.Integer
    return every(
        (
            silent(Query.range_query(schema, "first", kind, upper_bound=number)),
            silent(Query.range_query(schema, "last", kind, lower_bound=number)),
        )
    )


def word_query(schema: tantivy.Schema, word: str, *, open_ended: bool) -> Query:
    """A word in any field; or longer words, if it may be the beginning of one."""
    found = [
        Query.boost_query(Query.term_query(schema, field, word), WEIGHTS[field])
        for field in (*FIELDS, PARTS)
    ]
    if open_ended:
        found += [
            Query.boost_query(
                Query.fuzzy_term_query(schema, field, word, distance=0, prefix=True),
                WEIGHTS[field] * _LONGER,
            )
            for field in (*FIELDS, PARTS)
        ]
    return either(found)


def phrase_query(schema: tantivy.Schema, words: Sequence[str], *, open_ended: bool) -> Query:
    """Words that stand together in one text of one field."""
    make = Query.phrase_prefix_query if open_ended else Query.phrase_query
    return either(
        Query.boost_query(make(schema, field, list(words)), WEIGHTS[field]) for field in FIELDS
    )


def keys_first(schema: tantivy.Schema, query: Query, word: str) -> Query:
    """A word, and before all others the entity whose key it is, or begins."""
    key = word.upper()
    if not (key.isascii() and _MIN_KEY_PART <= len(key) <= _KEY_LENGTH):
        return query
    whole = Query.term_query(schema, "exact_key", key)
    begun = Query.fuzzy_term_query(schema, "exact_key", key, distance=0, prefix=True)
    return Query.boolean_query(
        [
            (Occur.Must, query),
            (Occur.Should, Query.const_score_query(whole, _KEY)),
            (Occur.Should, Query.const_score_query(begun, _KEY_PART)),
        ]
    )


def key_part_query(schema: tantivy.Schema, part: str) -> Query | None:
    """Entities in whose key a text occurs; None for what is no part of a key."""
    if not (part.isascii() and part.isalnum() and _MIN_KEY_PART <= len(part) < _KEY_LENGTH):
        return None
    return Query.regex_query(schema, "exact_key", f".*{part.upper()}.*")


def conditions(
    schema: tantivy.Schema, filter_: Filter, *, authors: Sequence[str], leaving: str = ""
) -> list[Query]:
    """What a filter says, but not of the field to be left out, nor of parts of texts.

    Args:
        schema: Of the index.
        filter_: The filter.
        authors: All creators that there are; those with the wanted parts are asked for.
        leaving: A facet.
    """
    found: list[Query] = []
    if leaving != "type":
        found += [Query.term_query(schema, "type", type_.value) for type_ in filter_.types]
    if leaving != "environment":
        found += [
            Query.term_query(schema, "environment", value(name)) for name in filter_.environments
        ]
    if leaving != "creator":
        for part in filter_.creators:
            fitting = [author for author in authors if part in author.casefold()]
            found.append(Query.term_set_query(schema, "author", fitting))
    found += [Query.term_query(schema, "tag", value(tag)) for tag in filter_.tags]
    found += [Query.term_query(schema, "folder", path) for path in filter_.paths]
    if filter_.checkable is not None:
        checkable = Query.term_set_query(schema, "type", sorted(type_.value for type_ in CHECKABLE))
        found.append(
            checkable
            if filter_.checkable
            else Query.boolean_query([(Occur.Must, Query.all_query()), (Occur.MustNot, checkable)])
        )
    return [silent(query) for query in found]
