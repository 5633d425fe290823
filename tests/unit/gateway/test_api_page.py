"""The reference of the API, without a script."""

import re
from html import unescape

import httpx
import pytest

from gateway.routes import RouteTable


async def test_it_shows_every_route(client: httpx.AsyncClient) -> None:
    """Every route is there, and every link within the page leads somewhere."""
    html = (await client.get("/api")).text
    anchors = set(re.findall(r'id="([^"]+)"', html))
    links = set(re.findall(r'href="#([^"]+)"', html))

    assert len(RouteTable().routes) == len(re.findall(r'<article class="card operation"', html))
    assert links <= anchors
    assert " style=" not in html


async def test_programs_get_the_document(client: httpx.AsyncClient) -> None:
    """Who asks for JSON gets OpenAPI at the same address."""
    answer = await client.get("/api", headers={"accept": "application/json"})

    assert "3.1.0" == answer.json()["openapi"]


@pytest.mark.parametrize(
    ("operation", "form", "expected"),
    [
        (
            "listEntities",
            {"pageSize": "2", "filter": "type = x&y"},
            "pageSize=2&filter=type+%3D+x%26y",
        ),
        ("getEntity", {"entity": "UXMFA", "revision": ""}, None),
        ("getEntity", {"entity": "../..//evil.example"}, None),
        ("getEntity", {"entity": "a\r\nset-cookie: b"}, None),
        ("downloadFile", {"entity": "UXMFA", "path": "a/../../x y"}, None),
    ],
)
async def test_forms_lead_to_the_api(
    client: httpx.AsyncClient, operation: str, form: dict[str, str], expected: str | None
) -> None:
    """A form without a script leads to the answer, and never anywhere else."""
    answer = await client.get(f"/api/try/{operation}", params=form)

    to = answer.headers["location"]
    assert 303 == answer.status_code
    assert to.startswith("/v1/entities")
    assert "/../" not in to
    assert "\n" not in to
    if expected:
        assert f"/v1/entities?{expected}" == to


@pytest.mark.parametrize("operation", ["nothing", "createCheck"])
async def test_only_what_reads(client: httpx.AsyncClient, operation: str) -> None:
    """What changes something cannot be reached by a link."""
    assert 404 == (await client.get(f"/api/try/{operation}")).status_code


async def test_texts_are_escaped(client: httpx.AsyncClient) -> None:
    """Comments of protos are text: angle brackets in them are no tags."""
    html = (await client.get("/api")).text

    assert "<script>" not in html
    assert "revisions/{id}" in unescape(html)
