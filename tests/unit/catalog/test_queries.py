"""What a search text means. That no text is wrong is also tested with real stores."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.domain.search.queries import (
    MAX_QUERY_CHARACTERS,
    MAX_QUERY_WORDS,
    Clause,
    parse_query,
)
from services.errors import InvalidArgumentError


def one(*words: str, open_ended: bool = False) -> Clause:
    return Clause(words, open_ended=open_ended)


@pytest.mark.parametrize(
    ("text", "wanted", "excluded"),
    [
        ("", [], []),
        (" \t\n", [], []),
        ("Lorenz", [one("lorenz", open_ended=True)], []),
        ("Lorenz  ", [one("lorenz", open_ended=True)], []),
        ("cart pole", [one("cart"), one("pole", open_ended=True)], []),
        ("x x", [one("x"), one("x", open_ended=True)], []),
        ('"cart pole"', [one("cart", "pole")], []),
        ('"cart pole', [one("cart", "pole", open_ended=True)], []),
        ('"cart" pole "lqr"', [one("cart"), one("pole"), one("lqr")], []),
        ("lorenz -chaos", [one("lorenz")], [one("chaos")]),
        ('-"state space" x', [one("x", open_ended=True)], [one("state", "space")]),
        ("-ocse:State", [], [one("ocse", "state")]),
        ("- --x", [], [one("x")]),
        ("a-b", [one("a", "b", open_ended=True)], []),
        ("ocse:State_Space", [one("ocse", "state", "space", open_ended=True)], []),
        ("a,b;c", [one("a"), one("b"), one("c", open_ended=True)], []),
        ("f(x)", [one("f"), one("x", open_ended=True)], []),
        ("carsten@posteo.de", [one("carsten", "posteo", "de", open_ended=True)], []),
        ("Straße ÉCOLE", [one("strasse"), one("ecole", open_ended=True)], []),
        ("NEAR(a) AND *", [one("near"), one("a"), one("and")], []),
        ('"" "', [], []),
    ],
)
def test_what_is_understood(text: str, wanted: list[Clause], excluded: list[Clause]) -> None:
    """Words, phrases, exclusions; the last word goes on unless it is in closed quotes."""
    query = parse_query(text)
    assert (tuple(wanted), tuple(excluded)) == (query.clauses, query.excluded)


def test_how_it_was_written() -> None:
    """A correction names the word as it was asked."""
    query = parse_query('LORNEZ "Sytem x"')
    assert ("LORNEZ", "Sytem") == (query.written("lornez"), query.written("sytem"))


def test_bounds() -> None:
    """Texts longer than a search box has use for are refused, and the message says the limit."""
    parse_query("x" * MAX_QUERY_CHARACTERS)
    with pytest.raises(InvalidArgumentError, match=str(MAX_QUERY_CHARACTERS)):
        parse_query("x" * (MAX_QUERY_CHARACTERS + 1))
    words = [f"w{number}" for number in range(MAX_QUERY_WORDS + 1)]
    parse_query(" ".join(words[:-1]))
    with pytest.raises(InvalidArgumentError, match="33 words"):
        parse_query(" ".join(words))


@given(st.text(max_size=40) | st.text(string.punctuation + string.whitespace + "aB1", max_size=40))
def test_every_text_means_something(text: str) -> None:
    """No text fails, every word is folded, and none is empty."""
    query = parse_query(text)
    for clause in (*query.clauses, *query.excluded):
        assert clause.words
        for word in clause.words:
            assert word
            assert parse_query(word).clauses == (one(word, open_ended=True),)
