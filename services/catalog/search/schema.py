"""What the search index knows of an entity: the schema of Tantivy, and documents of it.

A document is an entity as it stands in the revisions `first` to `last`. A key is a number too
(`order`, to base 36), by which hits are sorted and named without reading documents.
"""

from typing import Final

import tantivy

from services.catalog.domain.search.words import FIELDS, name_parts, plain
from services.catalog.ports import Standing

NEVER: Final = 2**62
"""Greater than the number of any revision."""
MAX_VALUE_CHARACTERS: Final = 1000
"""Longer values of facets are cut: Tantivy takes terms of a limited size only."""
WORDS: Final = "words"
"""Our tokenizer: letters and digits, in small letters; other scripts are folded beforehand."""
PARTS: Final = "parts"
"""Field of the parts of names, such as `Trajectory` of `PyTrajectory`."""


def make_index() -> tantivy.Index:
    """An empty index in memory."""
    builder = tantivy.SchemaBuilder()
    for name in ("id", "exact_key", "folder"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for name in ("type", "tag", "author", "environment"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic", fast=True)
    for name in ("first", "last", "order"):
        builder.add_integer_field(name, indexed=True, fast=True)
    for name in (*FIELDS, PARTS):
        builder.add_text_field(name, tokenizer_name=WORDS, index_option="position")
    index = tantivy.Index(builder.build())
    analyzer = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    index.register_tokenizer(WORDS, analyzer.filter(tantivy.Filter.lowercase()).build())
    return index


def identifier(standing: Standing) -> str:
    """Names a document."""
    return f"{standing.key}@{standing.first}"


def document(standing: Standing) -> tantivy.Document:
    """The document of an entity."""
    path = standing.path
    parts = (name_parts(standing.title), *map(name_parts, standing.tags), name_parts(path))
    values = {
        "id": [identifier(standing)],
        "first": [standing.first],
        "last": [min(standing.last, NEVER)],
        "order": [order_of(standing.key)],
        "exact_key": [standing.key],
        # The folder and all above it.
        "folder": [path, *(path[:end] for end, sign in enumerate(path) if sign == "/")],
        "type": [standing.type],
        "tag": [value(tag) for tag in standing.tags if tag],
        "author": [value(standing.creator)] if standing.creator else [],
        "environment": [value(standing.environment)] if standing.environment else [],
        "title": [plain(standing.title)],
        "key": [standing.key],
        "tags": [plain(tag) for tag in standing.tags],
        "short_description": [plain(standing.short_description)],
        "creator": [plain(standing.creator)],
        "notes": [plain(standing.notes)],
        "path": [plain(path)],
        PARTS: [part for part in parts if part],
    }
    return tantivy.Document(**{name: found for name, found in values.items() if found})


def value(text: str) -> str:
    """A value as facets have it."""
    return text[:MAX_VALUE_CHARACTERS]


def order_of(key: str) -> int:
    """A key as a number; numbers are in the order of keys."""
    return int(key, 36)


def key_of(order: int) -> str:
    """The key that a number stands for."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    key = ""
    for _ in range(5):
        order, digit = divmod(order, 36)
        key = digits[digit] + key
    return key
