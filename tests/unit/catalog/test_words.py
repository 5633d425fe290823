"""Words of texts, folded, and what an index reads of a text."""

import time

from hypothesis import given
from hypothesis import strategies as st

from services.catalog.domain.search.words import (
    MAX_FIELD_CHARACTERS,
    MAX_WORD_CHARACTERS,
    name_parts,
    plain,
    words_of,
)


def test_words_have_their_place_in_the_text() -> None:
    """A word knows where it stands, in characters of the text as it is."""
    text = "Rössler's ro\u0308ssler_System 2"
    assert [
        ("rossler", "Rössler"),
        ("s", "s"),
        ("rossler", "ro\u0308ssler"),
        ("system", "System"),
        ("2", "2"),
    ] == [(word.forms[0], text[word.start : word.end]) for word in words_of(text)]


def test_names_have_parts() -> None:
    """`PyTrajectory` is known by its longer part, a word in capitals by itself alone."""
    assert [("pytrajectory", "trajectory"), ("lqr",), ("matlab", "mat", "lab"), ("x2",)] == [
        word.forms for word in words_of("PyTrajectory LQR MatLab X2")
    ]


def test_what_an_index_reads() -> None:
    """ASCII stays as it is, other texts become their words; parts of names are told apart."""
    assert "ocse:State_Space, twice" == plain("ocse:State_Space, twice")
    assert "rossler strasse 2" == plain("R\u00f6ssler, Stra\u00dfe_2")
    assert "trajectory" == name_parts("Swing up with PyTrajectory")
    assert "" == name_parts("State of the ART")


def test_long_texts_and_words_are_cut() -> None:
    """A field is searched up to its bound, a long word is known by its start."""
    assert MAX_FIELD_CHARACTERS == len(plain("x " * MAX_FIELD_CHARACTERS))
    assert ["y" * MAX_WORD_CHARACTERS] == [word.forms[0] for word in words_of("y" * 1000)]


def test_no_text_takes_long() -> None:
    """Texts made to slow down an expression are read in no time."""
    for text in ("a\u0301" * 100_000, "\u0301" * 200_000, "a_" * 100_000, "aB" * 100_000):
        begin = time.perf_counter()
        list(words_of(text))
        assert time.perf_counter() - begin < 2


@given(st.text(max_size=30) | st.text("aA1 _-\u00e9\u0301\u00df\u0130\u00bd", max_size=20))
def test_reading_twice_changes_nothing(text: str) -> None:
    """What an index reads has the same words as the text itself."""
    words = [word.forms[0] for word in words_of(text)]
    assert words == [word.forms[0] for word in words_of(plain(text))]
