"""Words of texts, where they stand, and that they are collected at once as one by one."""

import time

from hypothesis import given
from hypothesis import strategies as st

from services.catalog.domain.words import (
    FIELD_SHIFT,
    FIELDS,
    MAX_FIELD_CHARACTERS,
    MAX_WORD_CHARACTERS,
    POSITION_MASK,
    VERSION_SHIFT,
    places_in,
    words_of,
)
from services.catalog.occurrences import Occurrences

texts = st.text(max_size=30) | st.text("aA1 _-é\u0301ßİ\x01\x02\x1e½", max_size=20)
entities = st.tuples(
    *(st.lists(texts, max_size=3) if name == "tags" else st.tuples(texts) for name in FIELDS)
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


def test_places_tell_fields_and_neighbours() -> None:
    """Neighbours have consecutive places; texts and fields are apart."""
    found = list(places_in((("a b",), ("K",), ("x y", "z"), ("",), ("",), ("",), ("p/q",))))
    tags = FIELDS.index("tags") << FIELD_SHIFT
    assert [("a", 0), ("b", 1)] == found[:2]
    assert [("x", tags), ("y", tags + 1), ("z", tags + 3)] == found[3:6]


def test_long_texts_and_words_are_cut() -> None:
    """A field is searched up to its bound, so positions always fit; a long word by its start."""
    long = "x " * MAX_FIELD_CHARACTERS
    found = list(places_in(((long,), *[("",)] * 6)))
    assert MAX_FIELD_CHARACTERS // 2 == len(found)
    assert found[-1][1] < POSITION_MASK
    assert ["y" * MAX_WORD_CHARACTERS] == [word.forms[0] for word in words_of("y" * 1000)]


def test_no_text_takes_long() -> None:
    """Texts made to slow down an expression are read in no time."""
    for text in ("a\u0301" * 100_000, "\u0301" * 200_000, "a_" * 100_000, "aB" * 100_000):
        begin = time.perf_counter()
        list(words_of(text))
        assert time.perf_counter() - begin < 2


@given(st.lists(entities, min_size=1, max_size=5))
def test_at_once_and_one_by_one(found: list[tuple[tuple[str, ...], ...]]) -> None:
    """Collecting the words of many entities gives exactly what each of them has."""
    wanted: dict[str, list[int]] = {}
    for version, fields in enumerate(found, start=7):
        for word, place in places_in(fields):
            wanted.setdefault(word, []).append(version << VERSION_SHIFT | place)
    occurrences = Occurrences()
    occurrences.add(list(enumerate(found[:2], start=7)))
    occurrences.add(list(enumerate(found[2:], start=9)))
    collected = {
        word: [int.from_bytes(block[at : at + 8], "little") for at in range(0, len(block), 8)]
        for word, _, block, _ in occurrences.by_word()
    }
    assert {word: sorted(places) for word, places in wanted.items()} == collected
