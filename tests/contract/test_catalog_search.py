"""Searches give the same answers, in the same order, in memory, SQLite and PostgreSQL."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.catalog.domain.entities import EntityType
from tests.catalog_searches import KINDS, Library, item, library


@pytest.fixture(params=KINDS)
async def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Library]:
    """An empty store of each kind, with a search over it."""
    async with library(request.param, request, tmp_path) as found:
        yield found


async def test_the_most_telling_field_wins(shelf: Library) -> None:
    """A word counts most in the title, then tags, description, creator, notes, and the path."""
    await shelf.add(
        item("FFFFF", path="models/lorenz"),
        item("EEEEE", notes="after Lorenz"),
        item("DDDDD", creator="Edward Lorenz"),
        item("CCCCC", short_description="the Lorenz system"),
        item("BBBBB", tags=("lorenz",)),
        item("AAAAA", "Chua"),
        item("ZZZZZ", "Lorenz system"),
    )
    wanted = ["ZZZZZ", "BBBBB", "CCCCC", "DDDDD", "EEEEE", "FFFFF"]
    assert wanted == await shelf.keys("lorenz")
    fields = [(await shelf.answer("lorenz")).results[place].snippets[0].field for place in range(6)]
    assert ["title", "tags", "short_description", "creator", "notes", "path"] == fields


async def test_short_titles_and_more_matches_win(shelf: Library) -> None:
    """Of titles with a word the shorter one comes first, and what has it in more places."""
    long = "Observers and controllers of a plant near its equilibrium, with a pendulum"
    await shelf.add(
        item("AAAAA", long),
        item("BBBBB", "Pendulum"),
        item("CCCCC", "Pendulum", short_description="a pendulum", tags=("pendulum",)),
    )
    assert ["CCCCC", "BBBBB", "AAAAA"] == await shelf.keys("pendulum")


async def test_rare_words_count_more(shelf: Library) -> None:
    """Where entities have one word in the title and another elsewhere, the rarer one decides."""
    many = [item(f"M{number:04d}", "System") for number in range(30)]
    await shelf.add(
        *many,
        item("AAAAA", "System", notes="chaotic"),
        item("BBBBB", "Chaotic", notes="system"),
    )
    assert ["BBBBB", "AAAAA"] == await shelf.keys("system chaotic")


async def test_all_words_have_to_occur(shelf: Library) -> None:
    """Words may stand in different fields, but none may be missing."""
    await shelf.add(
        item("AAAAA", "Cart pole", tags=("lqr",)),
        item("BBBBB", "Cart", notes="without"),
        item("CCCCC", "LQR of a cart"),
    )
    assert {"AAAAA", "CCCCC"} == set(await shelf.keys("lqr cart"))
    assert ["AAAAA"] == await shelf.keys("pole LQR cart")
    assert [] == await shelf.keys("pole without")


async def test_the_last_word_may_be_a_beginning(shelf: Library) -> None:
    """`pend` finds a pendulum while one types; whole words come before longer ones."""
    await shelf.add(
        item("AAAAA", "Double pendulum"), item("BBBBB", "Pend"), item("CCCCC", "Independent")
    )
    assert ["BBBBB", "AAAAA"] == await shelf.keys("pend")
    assert ["AAAAA"] == await shelf.keys("double pend")
    assert [] == await shelf.keys("pend double")
    assert ["BBBBB"] == await shelf.keys('"pend"')


async def test_phrases(shelf: Library) -> None:
    """Quoted words stand together, in this order, in one field and one tag."""
    await shelf.add(
        item("AAAAA", "Linear state feedback"),
        item("BBBBB", "State of a linear plant", tags=("linear", "state")),
        item("CCCCC", "Linear", short_description="state"),
    )
    assert ["AAAAA"] == await shelf.keys('"linear state"')
    assert ["AAAAA"] == await shelf.keys('"linear STATE   feed')
    assert 3 == (await shelf.answer("linear state")).total


async def test_exclusion(shelf: Library) -> None:
    """`-word` and `-"two words"` must not occur; alone they are taken from everything."""
    await shelf.add(
        item("AAAAA", "Lorenz", tags=("chaos",)),
        item("BBBBB", "Lorenz attractor", notes="state space"),
        item("CCCCC", "Chua"),
    )
    assert ["BBBBB"] == await shelf.keys("lorenz -chaos")
    assert ["AAAAA"] == await shelf.keys('lorenz -"state space"')
    assert ["BBBBB", "CCCCC"] == await shelf.keys("-chaos")
    assert ["AAAAA"] == await shelf.keys("lorenz -attractor")
    assert 2 == (await shelf.answer("lorenz -attract")).total


@pytest.mark.parametrize("text", ["UXMFA", "uxmfa", "uxm", "UXMF", "xmf", "xmfa"])
async def test_keys_come_first(shelf: Library, text: str) -> None:
    """A key is found at once and first: whole or in part, in any case."""
    await shelf.add(
        item("AAAAA", "Neither uxm nor uxmf", tags=("uxmfa", "uxmf")),
        item("UXMFA", "Another one"),
    )
    assert "UXMFA" == (await shelf.keys(text))[0]


@pytest.mark.parametrize(
    "text",
    [
        "ocse:State_Space_System",
        "State_Space",
        "state-space",
        "ocse",
        "space",
        "ocse state system",
        "ocse:State_Sp",
        '"state space system"',
    ],
)
async def test_tags_by_whole_and_parts(shelf: Library, text: str) -> None:
    """Tags of the ontology and hyphenated words are found whole, and by their parts."""
    await shelf.add(
        item("AAAAA", tags=("ocse:State_Space_System",)),
        item("BBBBB", tags=("spate",), notes="system of state"),
    )
    assert ["AAAAA"] == await shelf.keys(text)


async def test_names_with_humps(shelf: Library) -> None:
    """`PyTrajectory` is found whole and by its part."""
    await shelf.add(item("AAAAA", "Swing up with PyTrajectory"), item("BBBBB", "Trace"))
    for text in ("pytrajectory", "trajectory", "PyTraj", "traject"):
        assert ["AAAAA"] == await shelf.keys(text)


@pytest.mark.parametrize(
    "text", ["Rössler", "rossler", "RÖSSLER", "ro\u0308ssler", "strasse", "Straße", "cafe"]
)
async def test_accents_and_case_do_not_matter(shelf: Library, text: str) -> None:
    """Umlauts and accents are found without them, and however they are encoded."""
    await shelf.add(item("AAAAA", "Rössler system, Straße, cafe\u0301"), item("BBBBB", "Lorenz"))
    assert ["AAAAA"] == await shelf.keys(text)


async def test_typing_errors(shelf: Library) -> None:
    """A word that occurs nowhere is taken for the nearest ones of titles, tags and creators."""
    await shelf.add(
        item("AAAAA", "Lorenz system", creator="Carsten Knoll", notes="onlyhere"),
        item("BBBBB", "Pendulum", tags=("ocse:Quadratic_Control",)),
        item("CCCCC", "Pendulums"),
    )
    for text, key, replacements in (
        ("lornez", "AAAAA", ("lorenz",)),  # exchanged
        ("lorrenz", "AAAAA", ("lorenz",)),  # too many
        ("lrenz system", "AAAAA", ("lorenz",)),  # too few
        ("Karsten", "AAAAA", ("carsten",)),  # wrong
        ("qwadratik", "BBBBB", ("quadratic",)),  # two slips in a long word
        ("ocse:Kuadratic", "BBBBB", ("quadratic",)),
        ("UXMFB AAAAB", "", ()),  # no key is near to the first
        ("AAAAB", "AAAAA", ("aaaaa",)),
        ("pndul", "BBBBB", ("pendulum", "pendulums")),  # on the way to the word
    ):
        answer = await shelf.answer(text)
        if replacements:
            assert [replacements] == [one.replacements for one in answer.corrections], text
            assert key == answer.results[0].placed.entity.key
    for text in ("lqqqnz", "lor", "xyz", "onlyherr", "lorenz nothing"):
        assert () == (await shelf.answer(text)).corrections
    answer = await shelf.answer("Lornez sytem")
    assert [("Lornez", ("lorenz",)), ("sytem", ("system",))] == [
        (one.word, one.replacements) for one in answer.corrections
    ]
    assert ["AAAAA"] == [result.placed.entity.key for result in answer.results]


async def test_frequent_words_are_likelier(shelf: Library) -> None:
    """Of equally near words the more frequent one comes first, and no more than three are tried."""
    await shelf.add(
        *(item(f"A{number:04d}", "bolt") for number in range(3)),
        *(item(f"B{number:04d}", "belt") for number in range(5)),
        *(item(f"C{number:04d}", "bilt", notes="x") for number in range(2)),
        item("DDDDD", "balt"),
    )
    (correction,) = (await shelf.answer("bxlt")).corrections
    assert ("belt", "bolt", "bilt") == correction.replacements


HOSTILE = (
    '"',
    '""',
    "'",
    "*",
    "NEAR(a b)",
    "lorenz*",
    "AND",
    "a AND OR NOT",
    "title:lorenz",
    "{title} : x",
    "^lorenz",
    "-",
    "--",
    '-"',
    "()",
    "\\",
    "%",
    "_",
    "' OR 1=1 --",
    "a\x00b",
    "\x00",
    "😀",
    "e\u0301\u0301\u0301",
    "\u202e",
    "&|!<->",
    "½ ㈱ ﬃ",
    "İ",
    "x" * 500,
    "\u0300" * 500,
)


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_texts_are_texts(shelf: Library, text: str) -> None:
    """No text to search for is an error, nor is any text in an entity."""
    await shelf.add(
        item("AAAAA", text.replace("\x00", " ") or "-", tags=(text.replace("\x00", " "), "")),
        item("BBBBB", "Lorenz"),
    )
    answer = await shelf.answer(text)
    assert answer.total <= 2


async def test_without_words(shelf: Library) -> None:
    """Without any word everything is listed in the order of keys."""
    await shelf.add(item("BBBBB"), item("AAAAA"), item("9AAAA"))
    for text in ("", "  ", '"', "😀", "***"):
        assert ["9AAAA", "AAAAA", "BBBBB"] == await shelf.keys(text)


async def test_an_empty_revision(shelf: Library) -> None:
    """A revision without entities has no matches, also after one that had some."""
    await shelf.add(item("AAAAA", "Lorenz"))
    assert ["AAAAA"] == await shelf.keys("lorenz")
    await shelf.add(number=2)
    for text in ("", "lorenz", "lornez", "aaaaa", "-lorenz", '"lorenz system"', "xmf"):
        answer = await shelf.answer(text, filter_="checkable = true", number=2)
        assert (0, ()) == (answer.total, answer.results)


async def test_filters(shelf: Library) -> None:
    """Conditions are those of lists."""
    await shelf.add(
        item("AAAAA", "x one", environment="e1", creator="Ada Müller", tags=("a", "b"), path="p/a"),
        item("BBBBB", "x two", environment="e2", creator="Bob", tags=("a",), path="p/b"),
        item("CCCCC", "x three", type=EntityType.COMMENT, creator="Ada", path="q/c"),
    )
    for filter_, wanted in (
        ("type = comment", ["CCCCC"]),
        ("type = comment AND type = notebook", []),
        ("tag = a", ["AAAAA", "BBBBB"]),
        ("tag = a AND tag = b", ["AAAAA"]),
        ("tag = nosuch", []),
        ("environment = environments/e2", ["BBBBB"]),
        ("checkable = false", ["CCCCC"]),
        ("checkable = true", ["AAAAA", "BBBBB"]),
        ("creator = ada", ["AAAAA", "CCCCC"]),
        ("creator = MÜLLER", ["AAAAA"]),
        ("path = p", ["AAAAA", "BBBBB"]),
        ("path = p/b", ["BBBBB"]),
        ("text = thr", ["CCCCC"]),
        ("tag = a AND text = two", ["BBBBB"]),
    ):
        assert wanted == sorted(await shelf.keys("x", filter_=filter_)), filter_
        assert wanted == await shelf.keys("", filter_=filter_), filter_


async def test_among_entities(shelf: Library) -> None:
    """A search is narrowed to keys that the caller knows; unknown ones do no harm."""
    await shelf.add(*(item(f"A{number:04d}", "x") for number in range(20)))
    answer = await shelf.answer("x", keys=["A0003", "A0001", "NOSUC", "bad", "ü"])
    assert ["A0001", "A0003"] == [result.placed.entity.key for result in answer.results]
    assert 2 == answer.total
    assert (("system_model", 2),) == answer.facets[0].values
    assert 0 == (await shelf.answer("x", keys=[])).total


async def test_facets(shelf: Library) -> None:
    """Counts go over all that match, most frequent first, whatever is on the page."""
    await shelf.add(
        item("AAAAA", "x", environment="e", creator="Ada", tags=("a", "b")),
        item("BBBBB", "x", environment="e", creator="Ada", tags=("b",)),
        item("CCCCC", "x", type=EntityType.COMMENT, creator="Bob"),
        item("DDDDD", "y", creator="Cyd", tags=("c",)),
    )
    answer = await shelf.answer("x", limit=1)
    assert {
        "type": (("system_model", 2), ("comment", 1)),
        "tag": (("b", 2), ("a", 1)),
        "creator": (("Ada", 2), ("Bob", 1)),
        "environment": (("e", 2),),
    } == {facet.field: facet.values for facet in answer.facets}
    assert ["type", "tag", "creator", "environment"] == [facet.field for facet in answer.facets]


async def test_facets_show_what_another_choice_would_give(shelf: Library) -> None:
    """A field with one value is counted without its own condition; tags add up, so with theirs."""
    await shelf.add(
        item("AAAAA", "x", tags=("a", "b"), creator="Ada"),
        item("BBBBB", "x", tags=("b",), creator="Bob"),
        item("CCCCC", "x", type=EntityType.COMMENT, tags=("b",), creator="Bob"),
    )
    answer = await shelf.answer("x", filter_="type = comment AND tag = b")
    counts = {facet.field: dict(facet.values) for facet in answer.facets}
    assert {"system_model": 2, "comment": 1} == counts["type"]
    assert {"Bob": 1} == counts["creator"]
    assert {"b": 1} == counts["tag"]
    answer = await shelf.answer("x", filter_="creator = bob")
    counts = {facet.field: dict(facet.values) for facet in answer.facets}
    assert {"Ada": 1, "Bob": 2} == counts["creator"]
    assert {"system_model": 1, "comment": 1} == counts["type"]


async def test_pages(shelf: Library) -> None:
    """Pages follow one another without gap or repetition; equal ones are in the order of keys."""
    await shelf.add(*(item(f"A{number:04d}", "x" + " y" * (number % 3)) for number in range(50)))
    whole = [one.placed.entity.key for one in (await shelf.answer("x", limit=50)).results]
    pages = [await shelf.answer("x", offset=offset, limit=7) for offset in range(0, 56, 7)]
    assert whole == [one.placed.entity.key for page in pages for one in page.results]
    assert 50 == len(set(whole))
    assert {50} == {page.total for page in pages}
    scores = [one.score for page in pages for one in page.results]
    assert sorted(scores, reverse=True) == scores


async def test_time_travel(shelf: Library) -> None:
    """Each revision is searched as it was, in whatever order they are asked."""
    first, second = item("AAAAA", "Lorenz"), item("BBBBB", "Chua", environment="old")
    await shelf.add(first, second)
    renamed = item("AAAAA", "Rössler")
    await shelf.add(renamed, replace(second, environment="new"), number=2)
    await shelf.add(renamed, item("CCCCC", "Lorenz again"), number=3)
    await shelf.add(first, second, number=4)
    for number in (2, 1, 3, 4, 1, 2):
        lorenz = {1: ["AAAAA"], 2: [], 3: ["CCCCC"], 4: ["AAAAA"]}[number]
        assert lorenz == await shelf.keys('"lorenz"', number=number), number
        chua = {1: ["BBBBB"], 2: ["BBBBB"], 3: [], 4: ["BBBBB"]}[number]
        assert chua == await shelf.keys("chua", number=number)
        old = await shelf.keys("", filter_="environment = old", number=number)
        assert (["BBBBB"] if number in (1, 4) else []) == old
    assert [] == [one.word for one in (await shelf.answer("lornez", number=2)).corrections]
    assert ["lornez"] == [one.word for one in (await shelf.answer("lornez", number=3)).corrections]


async def test_many_revisions(shelf: Library) -> None:
    """However often entities change, every revision finds its own."""
    for number in range(1, 31):
        await shelf.add(item("AAAAA", f"state s{number}"), item("BBBBB", "state"), number=number)
    for number in (30, 1, 15, 29):
        assert ["AAAAA"] == await shelf.keys(f'"s{number}"', number=number)
        assert {"AAAAA", "BBBBB"} == set(await shelf.keys("state", number=number))
        assert [] == await shelf.keys('"s31"', number=number)
