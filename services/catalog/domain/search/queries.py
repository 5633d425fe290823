"""What a search asks for. There is no syntax that could be wrong: every text means something."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from services.catalog.domain.search.words import Word, words_of
from services.errors import InvalidArgumentError

MAX_QUERY_CHARACTERS: Final = 500
MAX_QUERY_WORDS: Final = 32

_CHUNK: Final = re.compile(r'(?P<minus>-?)"(?P<quoted>[^"]*)(?P<end>"?)|(?P<bare>[^\s"]+)')
_JOINERS: Final = frozenset("_-:./@+'")
"""Signs that keep words together: `ocse:State_Space` is looked for as it stands."""


@dataclass(frozen=True, slots=True)
class Clause:
    """Words that have to stand together, mostly a single one."""

    words: tuple[str, ...]
    """Folded."""
    open_ended: bool = False
    """Whether the last one may be the beginning of a word."""


@dataclass(frozen=True, slots=True)
class Query:
    """A text to search for, understood."""

    clauses: tuple[Clause, ...] = ()
    """All of them have to be found."""
    excluded: tuple[Clause, ...] = ()
    """None of them may be found."""
    spellings: tuple[tuple[str, str], ...] = ()
    """Each folded word with how it was written."""

    @property
    def words(self) -> tuple[str, ...]:
        """All words, also the excluded ones, each once."""
        clauses = (*self.clauses, *self.excluded)
        return tuple(dict.fromkeys(word for clause in clauses for word in clause.words))

    def written(self, word: str) -> str:
        """How a word was written in the query."""
        return dict(self.spellings).get(word, word)


def parse_query(text: str) -> Query:
    """Reads a search text. Without any word it is the empty query.

    Raises:
        InvalidArgumentError: It is longer than a search box has use for.
    """
    if len(text) > MAX_QUERY_CHARACTERS:
        raise InvalidArgumentError(
            f"the query has {len(text)} characters; at most {MAX_QUERY_CHARACTERS} are searched"
        )
    wanted: list[Clause] = []
    excluded: list[Clause] = []
    spellings: dict[str, str] = {}
    for match in _CHUNK.finditer(text):
        chunk = match["quoted"]
        unfinished = match["end"] == ""
        minus = bool(match["minus"])
        if chunk is None:
            bare = match["bare"]
            chunk = bare.lstrip("-")
            minus = bare.startswith("-")
            unfinished = True
            groups = _joined(chunk)
        else:
            groups = iter([list(words_of(chunk))])
        clauses = []
        for words in groups:
            if words:
                clauses.append(Clause(tuple(word.forms[0] for word in words)))
                spellings |= {word.forms[0]: chunk[word.start : word.end] for word in words}
        if clauses and unfinished and match.end() == len(text.rstrip()):
            clauses[-1] = Clause(clauses[-1].words, open_ended=not minus)
        (excluded if minus else wanted).extend(clauses)
    if len(spellings) > MAX_QUERY_WORDS:
        raise InvalidArgumentError(
            f"the query has {len(spellings)} words; at most {MAX_QUERY_WORDS} are searched"
        )
    return Query(
        clauses=tuple(dict.fromkeys(wanted)),
        excluded=tuple(dict.fromkeys(excluded)),
        spellings=tuple(spellings.items()),
    )


def _joined(chunk: str) -> Iterator[list[Word]]:
    """Words of a chunk, grouped where only joining signs are between them."""
    group: list[Word] = []
    for word in words_of(chunk):
        if group and not _JOINERS.issuperset(chunk[group[-1].end : word.start]):
            yield group
            group = []
        group.append(word)
    yield group
