"""What `/entities` says: search, filters, facets, pages; and the overview of many."""

import re

import httpx
import pytest

from ackrep.catalog.v1 import catalog_pb2, search_pb2
from gateway.pages.search import marked
from tests.unit.gateway.fake_services import FakeServices
from tests.unit.gateway.page_texts import links, text_of, titles


async def test_entities_by_type(client: httpx.AsyncClient) -> None:
    """Where nothing is searched, a small repository is shown by type, with all facets."""
    html = (await client.get("/entities")).text

    assert 15 == len(titles(html))
    assert "System models" in text_of(html)
    assert ["/entities?type=notebook"] == links(html, "Notebooks")
    assert ["/entities?tag=pendulum"] == links(html, "pendulum2")
    assert ["/entities?tag=ocse%3AAutonomous_System"] == links(html, "Autonomous System")


async def test_search(client: httpx.AsyncClient) -> None:
    """A search ranks, and marks what it found, in the title as in other fields."""
    html = (await client.get("/entities?q=pendulum")).text

    assert "Balancing the pendulum with LQR" == titles(html)[0]
    assert "Balancing the <mark>pendulum</mark> with LQR" in html
    assert re.search("tags</span> ocse:State_Feedback <mark>pendulum</mark>", html)
    assert "3 entities match" in text_of(html)


async def test_correction(client: httpx.AsyncClient) -> None:
    """A misspelt word is corrected, and the page says so."""
    html = (await client.get("/entities?q=lorens")).text

    assert "No entity has lorens . Showing results for lorenz ." in text_of(html)
    assert ["Lorenz system"] == titles(html)


async def test_nothing_found(client: httpx.AsyncClient) -> None:
    """Where nothing is found, the page offers ways out."""
    html = (await client.get("/entities?q=qqqqqq&type=notebook")).text

    assert "No entity matches" in html
    assert ["/entities?q=qqqqqq"] == links(html, "remove the filters")


async def test_filters_by_the_catalog(client: httpx.AsyncClient, services: FakeServices) -> None:
    """Type, tags, creator and environment become one filter; each has a chip without it."""
    address = (
        "/entities?q=a&type=system_model&tag=simulation&tag=chaos&environment=demo_environment"
    )
    html = (await client.get(address)).text

    assert (
        'type = "system_model" AND tag = "simulation" AND tag = "chaos"'
        ' AND environment = "demo_environment"' == services.search.seen[0].filter
    )
    assert links(html, "tag chaos") == [
        "/entities?q=a&type=system_model&tag=simulation&environment=demo_environment"
    ]
    assert ["Lorenz system", "Rössler system (broken)"] == sorted(titles(html))
    assert '<input type="hidden" name="tag" value="chaos">' in html


async def test_a_value_stays_one_condition(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    """A value cannot smuggle a second condition into the filter; words are never a filter."""
    await client.get("/entities", params={"tag": 'x" AND type = "notebook', "q": "a AND type = b"})
    asked = services.search.seen[0]

    assert r'tag = "x\" AND type = \"notebook"' == asked.filter
    assert "a AND type = b" == asked.query


async def test_verdicts(client: httpx.AsyncClient, services: FakeServices) -> None:
    """Verdicts are a facet with counts; choosing one asks the catalog for these entities only."""
    services.scheduler.furnish()
    html = (await client.get("/entities")).text
    assert ["/entities?verdict=success"] == links(html, "success3")
    assert ["/entities?verdict=unchecked"] == links(html, "not checked yet2")

    html = (await client.get("/entities?verdict=inaccurate")).text
    assert ["Oscillator with explicit Euler"] == titles(html)
    html = (await client.get("/entities?verdict=unchecked&type=notebook")).text
    assert ["A tour of loop shaping"] == titles(html)


async def test_no_entity_with_a_verdict(client: httpx.AsyncClient) -> None:
    """A verdict that no entity has finds nothing; an empty list of names would mean all."""
    html = (await client.get("/entities?verdict=timed-out")).text

    assert [] == titles(html)


async def test_pages_of_results(client: httpx.AsyncClient, services: FakeServices) -> None:
    """Many entities come in pages, and a page never costs more for being one of many."""
    model = services.catalog.entities["UXMFA"]
    for number in range(1000):
        copy = catalog_pb2.Entity()
        copy.CopyFrom(model)
        copy.key, copy.title = f"X{number:04}", f"Copy {number}"
        copy.name = f"entities/{copy.key}"
        services.catalog.entities[copy.key] = copy
    first = (await client.get("/entities")).text
    asked = len(services.search.seen)

    assert 30 == len(titles(first))
    assert "1 015 entities" in text_of(first)
    address = links(first, "More")[0]
    second = (await client.get(address)).text
    assert 30 == len(titles(second))
    assert set() == set(titles(first)) & set(titles(second))
    assert ["/entities"] == links(second, "First page")
    assert "Type" in text_of(second)
    assert 6 >= asked
    assert all(request.page_size <= 200 for request in services.search.seen)
    assert not any(hasattr(request, "filter") for request in services.catalog.seen)


async def test_large_landing(client: httpx.AsyncClient, services: FakeServices) -> None:
    """The overview of a large repository counts by type and verdict, and lists none of them all."""
    services.scheduler.furnish()
    model = services.catalog.entities["UXMFA"]
    for number in range(1000):
        copy = catalog_pb2.Entity()
        copy.CopyFrom(model)
        copy.key = f"X{number:04}"
        copy.name = f"entities/{copy.key}"
        services.catalog.entities[copy.key] = copy
    text = text_of((await client.get("/")).text)

    assert "3 of 1008" in text
    assert "1002 not checked yet" in text
    assert "1 004 entities" in text
    assert "Needs attention" in text
    assert "Oscillator with explicit Euler" in text


async def test_search_leads_to_entities(client: httpx.AsyncClient) -> None:
    """`/search` is an address of the search too."""
    answer = await client.get("/search?q=lorenz&type=notebook")

    assert "/entities?q=lorenz&type=notebook" == answer.headers["location"]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(0, 1)], "<mark>&lt;</mark>b&amp;"),
        ([(2, 9)], "&lt;b<mark>&amp;</mark>"),
        ([(0, 2), (1, 2)], "<mark>&lt;b</mark><mark>&amp;</mark>"),
        ([(-5, 2), (7, 3), (1, 0), (2, -4)], "&lt;b&amp;"),
        ([(1, 1), (0, 1)], "<mark>&lt;</mark><mark>b</mark>&amp;"),
    ],
)
def test_marks(spans: list[tuple[int, int]], expected: str) -> None:
    """Marks are of characters before escaping; whatever the spans say, no text is lost."""
    messages = [search_pb2.Span(start=start, length=length) for start, length in spans]

    assert expected == marked("<b&", messages)
