"""Every page, as HTML for people and as JSON for programs, at one address."""

from collections.abc import Callable

import httpx
import pytest

from tests.unit.gateway import page_addresses
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.fake_services import FakeServices

JSON = {"accept": "application/json"}


def test_every_page_is_walked() -> None:
    """A route that answers GET is a page with an example, or is said to be none."""
    known = {*page_addresses.PAGES, *page_addresses.OTHERS}

    assert set() == set(page_addresses.routes()) - known, "add it to page_addresses.py"


@pytest.mark.parametrize("path", page_addresses.PAGES)
async def test_both_forms_of_every_page(
    client: httpx.AsyncClient, services: FakeServices, path: str
) -> None:
    """Browsers get a page, programs JSON; caches are told that the header decides."""
    await page_addresses.furnish(services)
    address = page_addresses.filled(page_addresses.PAGES[path], services)
    html = await client.get(address, headers={"accept": "text/html"})
    data = await client.get(address, headers=JSON)

    assert 200 == html.status_code == data.status_code, html.text[-600:]
    assert "text/html; charset=utf-8" == html.headers["content-type"]
    assert html.headers["vary"].startswith("Accept")
    assert data.headers["vary"].startswith("Accept")
    assert "application/json" == data.headers["content-type"]
    assert data.json()
    assert "no-store" == data.headers["cache-control"]


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("/e/NONE1", 404, "NOT_FOUND"),
        ("/nothing/here", 404, "NOT_FOUND"),
        ("/checks/none", 404, "NOT_FOUND"),
        ("/ontology/No_Such_Thing", 404, "NOT_FOUND"),
        ("/sync", 405, "UNIMPLEMENTED"),
        ("/e/UXMFA?revision=ffffffffffffffff", 404, "NOT_FOUND"),
    ],
)
async def test_errors_in_both_forms(
    client: httpx.AsyncClient, address: str, status: int, code: str
) -> None:
    """What goes wrong is a page for people, and AIP-193 for programs."""
    html = await client.get(address, headers={"accept": "text/html"})
    data = await client.get(address, headers=JSON)

    assert status == html.status_code == data.status_code
    assert html.headers["content-type"].startswith("text/html")
    assert (status, code) == (data.json()["error"]["code"], data.json()["error"]["status"])
    assert data.json()["error"]["message"]


@pytest.mark.parametrize("debug", [True, False])
async def test_json_hides_what_the_page_hides(
    make_gateway: Callable[..., Gateway], services: FakeServices, debug: bool
) -> None:
    """Without `debug`, the traceback of a script error is in neither form."""
    await page_addresses.furnish(services)
    failed = page_addresses.filled("/{failed}", services)
    client = make_gateway(debug=debug).client
    for address in (failed, "/checks", "/e/LRHZX", "/"):
        for accept in ("application/json", "text/html"):
            answer = await client.get(address, headers={"accept": accept})

            assert 200 == answer.status_code
            assert debug or "never closed" not in answer.text, (address, accept)
    data = (await client.get(failed, headers=JSON)).json()
    assert debug == ("traceback" in data["check"]["result"] and bool(data["log"]))


async def test_browsers_get_html(client: httpx.AsyncClient) -> None:
    """What browsers and curl send by themselves asks for the page."""
    chromium = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
    for accept in (chromium, "*/*", "text/html", "application/json;q=0.5, text/html"):
        answer = await client.get("/entities", headers={"accept": accept})

        assert answer.headers["content-type"].startswith("text/html"), accept
