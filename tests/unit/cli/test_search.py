"""How results of searches are shown and written."""

import json

import pytest
from rich.console import Console, RenderableType

from ackrep.catalog.v1 import catalog_pb2, search_pb2
from cli import documents, tables
from cli.commands import search as command
from cli.main import run

RESULT = search_pb2.SearchResult(
    entity=catalog_pb2.Entity(
        name="entities/LRNZ4",
        key="LRNZ4",
        type=catalog_pb2.ENTITY_TYPE_SYSTEM_MODEL,
        title="Lorenz system",
        short_description="Three coupled equations",
    ),
    score=1.23456789,
    snippets=[
        search_pb2.Snippet(
            field="title",
            text="Lorenz system",
            matches=[search_pb2.Span(start=0, length=6)],
        ),
        search_pb2.Snippet(
            field="notes",
            text="…after 😀 Lorenz, \x1b[2Jand lorenz",
            matches=[search_pb2.Span(start=9, length=6), search_pb2.Span(start=25, length=6)],
        ),
        search_pb2.Snippet(field="path", text="lorenz"),
    ],
)


def drawn(renderable: RenderableType, *, colour: bool = False) -> str:
    """What a terminal of 90 columns shows."""
    console = Console(width=90, force_terminal=colour, color_system="standard" if colour else None)
    with console.capture() as shown:
        console.print(renderable)
    return shown.get()


def test_results_say_what_was_found_where() -> None:
    """Key, type and title, below it what else matched; nothing in it moves the cursor."""
    text = drawn(command.result_table([RESULT]))
    assert "LRNZ4  system model  Lorenz system" in text
    assert "notes: …after 😀 Lorenz, and lorenz" in text
    assert "\x1b" not in text
    assert "path" not in text  # the folder is named as the title is
    without = search_pb2.SearchResult(entity=RESULT.entity, snippets=RESULT.snippets[:1])
    assert "Three coupled equations" in drawn(command.result_table([without]))


def test_matches_stand_out() -> None:
    """The matched words are marked, counted in Unicode characters."""
    text = command.marked(RESULT.snippets[1], "")
    assert ["Lorenz", "lorenz"] == [text.plain[span.start : span.end] for span in text.spans]


def test_corrections_and_facets_are_sentences_and_lines() -> None:
    """What was searched instead is said; of many values the most frequent ones are shown."""
    correction = search_pb2.Correction(word="lornez", replacements=["lorenz", "lorens"])
    assert "nothing has 'lornez'; showing 'lorenz' or 'lorens'" == command.correction_line(
        correction
    )
    facets = [
        search_pb2.Facet(
            field="type", values=[search_pb2.FacetValue(value="system_model", count=7)]
        ),
        search_pb2.Facet(
            field="tag",
            values=[search_pb2.FacetValue(value=f"t{n}", count=9 - n) for n in range(9)],
        ),
        search_pb2.Facet(field="creator"),
    ]
    lines = drawn(tables.facts(command.facet_lines(facets))).splitlines()
    assert ["type  system model 7", "tag   t0 9  t1 8  t2 7  t3 6  t4 5  t5 4  …"] == [
        line.rstrip() for line in lines
    ]


def test_documents() -> None:
    """Programs get the entity with score and snippets, positions from 0 included."""
    document = json.loads(documents.line(documents.of_result(RESULT)))
    assert ("LRNZ4", "system_model", 1.234568) == (
        document["key"],
        document["type"],
        document["score"],
    )
    assert {
        "field": "title",
        "text": "Lorenz system",
        "matches": [{"start": 0, "length": 6}],
    } == document["snippets"][0]


def test_a_revision_is_a_tree_or_commit(capsys: pytest.CaptureFixture[str]) -> None:
    """What is no revision is refused before anything is started."""
    assert 64 == run(["search", "--revision", "HEAD", "x"])
    assert "40 digits" in capsys.readouterr().err
