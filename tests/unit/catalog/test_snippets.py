"""Snippets: what was found, where, cut around the first match."""

from hypothesis import given
from hypothesis import strategies as st

from services.catalog.domain.entities import Entity, EntityType
from services.catalog.domain.search.snippets import SNIPPET_CHARACTERS, Slot, Snippet, snippets_of
from services.catalog.domain.search.words import folded, words_of


def entity(**values: object) -> Entity:
    base = {"key": "AAAAA", "type": EntityType.COMMENT, "title": "t", "path": "p", "tree": "0"}
    return Entity(**(base | values))  # type: ignore[arg-type]  # names of fields


def word(text: str, *, prefix: str = "") -> list[Slot]:
    return [Slot(frozenset({text}), prefix=prefix)]


def found(snippet: Snippet) -> list[str]:
    return [snippet.text[start : start + length] for start, length in snippet.matches]


def test_most_telling_fields_first() -> None:
    """At most three snippets, of the fields that tell most."""
    one = entity(
        title="A Lorenz system",
        tags=("x", "ocse:Lorenz"),
        short_description="lorenz",
        notes="lorenz",
        path="lorenz",
    )
    snippets = snippets_of(one, [word("lorenz")])
    assert ["title", "tags", "short_description"] == [snippet.field for snippet in snippets]
    assert "x, ocse:Lorenz" == snippets[1].text
    assert [["Lorenz"], ["Lorenz"], ["lorenz"]] == [found(snippet) for snippet in snippets]


def test_matches_are_counted_in_characters() -> None:
    """Spans count Unicode characters, also beyond the first plane and with accents apart."""
    (snippet,) = snippets_of(entity(title="😀😀 ro\u0308ssler ẞ x"), [word("rossler"), word("ss")])
    assert ["ro\u0308ssler", "ẞ"] == found(snippet)
    assert (3, 8) == snippet.matches[0]


def test_prefixes_and_phrases() -> None:
    """Longer words are marked whole; words of a phrase only where they stand together."""
    one = entity(title="pendulum state, state space")
    (snippet,) = snippets_of(one, [word("pen", prefix="pen"), [*word("state"), *word("space")]])
    assert ["pendulum", "state", "space"] == found(snippet)
    assert (16, 5) == snippet.matches[1]


def test_long_texts_are_cut_around_the_first_match() -> None:
    """A long text is cut at words, with an ellipsis where something is left out."""
    text = "before " * 50 + "needle " + "after " * 50
    (snippet,) = snippets_of(entity(notes=text), [word("needle")])
    assert ["needle"] == found(snippet)
    assert snippet.text.startswith("…before ")
    assert snippet.text.endswith("after…")
    assert len(snippet.text) <= SNIPPET_CHARACTERS + 2
    (snippet,) = snippets_of(entity(notes="needle " + "x " * 200), [word("needle")])
    assert snippet.text.startswith("needle x")
    (snippet,) = snippets_of(entity(notes="x " * 200 + "needle"), [word("needle")])
    assert snippet.text.endswith("x needle")


def test_line_breaks_are_spaces() -> None:
    """A snippet is one line."""
    (snippet,) = snippets_of(entity(notes="one\n\n  two\tneedle"), [word("needle")])
    assert "one two needle" == snippet.text


@given(
    st.lists(
        st.sampled_from(["needle", "Needle", "x" * 200, "y", "é", "😀", "a-b", "\n", "\u0301"]),
        max_size=60,
    ).map(" ".join)
)
def test_spans_always_hold_what_was_found(text: str) -> None:
    """Whatever the text, every span lies within the snippet and is a word that was meant."""
    for snippet in snippets_of(entity(notes=text), [word("needle"), word("x" * 64)]):
        assert snippet.matches
        assert len(snippet.text) <= SNIPPET_CHARACTERS + 2
        for start, length in snippet.matches:
            assert 0 <= start < start + length <= len(snippet.text)
            (first, *_) = words_of(snippet.text[start : start + length])
            assert folded("needle") == first.forms[0] or set(first.forms[0]) == {"x"}
