"""Says where a query is wrong, in words: Oxigraph's own places and expectations help nobody.

Its parser reports the furthest character that any rule of the grammar looked at, which may lie
far behind the mistake. The query is therefore parsed again from its beginning, one token more
each time: the token after which no continuation is left is the wrong one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pyoxigraph

from services.catalog.domain.ontology.sparql import query_error, tokens_of
from services.errors import InvalidArgumentError

MAX_PROBES: Final = 2_000
"""So many tokens are tried; a query with more is longer than people write."""

_PLACE: Final = re.compile(r"error at (\d+):(\d+): expected (?:one of )?(.*)", re.DOTALL)
_KEYWORD: Final = re.compile(r"\b[A-Z]{2,}\b")
_SIGN: Final = re.compile(r'"([^\w"\s]{1,3})"')
_SENTENCE: Final = re.compile(r"[A-Z][A-Za-z]*(?: [A-Za-z]+){2,}")
"""A mistake that Oxigraph has words for, among what it expected."""
_PAD: Final = " " * 40
"""Behind a beginning that can go on, the parser looks for more at the end of this. It may report up
to the length of a keyword too far, never so far."""
_RARE: Final = {"{|", "<<(", "~"}
"""Signs of RDF 1.2, which nobody here means."""
_MAX_EXPECTED: Final = 8


@dataclass(frozen=True, kw_only=True)
class _Probe:
    """What the parser says to the beginning of a query."""

    fits: bool
    """Whether the query could go on from there, or is whole."""
    wanted: str = ""
    """What could follow."""
    mistake: str = ""
    """Oxigraph's own words for what is wrong."""


def syntax_error(
    query: str, failure: SyntaxError, prefixes: Mapping[str, str]
) -> InvalidArgumentError:
    """The error to give for a query that Oxigraph refused."""
    store = pyoxigraph.Store()
    probe = _Probe(fits=True)
    for token in tokens_of(query)[:MAX_PROBES]:
        before, probe = probe, _probe(store, query[: token.end], prefixes)
        if not probe.fits:
            why = probe.mistake or f"`{token.text[:40]}` does not fit here{before.wanted}"
            return query_error(query, token.start, why)
    end = len(query.rstrip())
    if probe.mistake:
        return query_error(query, end - 1, probe.mistake)
    if probe.wanted:
        return query_error(query, end, f"the query ends too early{probe.wanted}")
    return InvalidArgumentError(f"the query is not valid: {str(failure)[:300]}")


def _probe(store: pyoxigraph.Store, part: str, prefixes: Mapping[str, str]) -> _Probe:
    try:
        store.query(part + _PAD, prefixes=dict(prefixes))
    except SyntaxError as error:
        found = _PLACE.match(str(error))
        if found is None:
            return _Probe(fits=True)
        column = len(part) - (part.rfind("\n") + 1) + len(_PAD) + 1
        fits = (int(found[1]), int(found[2])) >= (part.count("\n") + 1, column)
        sentence = _SENTENCE.search(found[3])
        mistake = sentence[0].replace("The ", "the ", 1) if sentence else ""
        return _Probe(fits=fits, wanted=_wanted(found[3]), mistake=mistake)
    except (OSError, ValueError, RuntimeError):
        return _Probe(fits=True)
    return _Probe(fits=True)


def _wanted(expected: str) -> str:
    signs = [sign for sign in dict.fromkeys(_SIGN.findall(expected)) if sign not in _RARE]
    words = list(dict.fromkeys(_KEYWORD.findall(re.sub(r"\[[^\]]*\]", "", expected))))
    if "?" in signs and ("<" in signs or "(" in signs or not words):
        return "; a variable, a name or a value is wanted"
    shown = [*words, *(f"`{sign}`" for sign in signs)]
    if not shown or len(shown) > _MAX_EXPECTED:
        return ""
    return f"; {' or '.join(shown)} is wanted"
