"""Tables of the search index: an inverted index, the same in every database.

Measured at 100,000 entities, the full text search of a database needs some 90 ms only to rank a
word that most entities have, and as long again to count by type and tag; fetching the places of
such a word as a few large values takes 2 ms, and what is left is arithmetic (see `ranking`). It
also makes every database give the same answers in the same order.
"""

from typing import Final

import sqlalchemy as sa

from services.catalog.tables import metadata

BLOCK_BYTES: Final = 4096
"""A block shorter than this is filled up before a new one begins."""

_word = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

places = sa.Table(
    "search_places",
    metadata,
    sa.Column("word", _word, primary_key=True),
    sa.Column("first", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("places", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""Where words stand, in blocks; a block begins with the entity version `first`."""

vocabulary = sa.Table(
    "search_vocabulary",
    metadata,
    sa.Column("word", _word, primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Words of titles, tags and creators, and how often they occur."""
