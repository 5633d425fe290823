"""Every page in a real browser: as a desktop and a phone show it, with scripts and without."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Site, make_page
from tests.unit.gateway import page_addresses

pytestmark = pytest.mark.browser

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
}
_DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
_FURTHER = ("/e/B2LQR", "/e/LRHZX", "/e/ENVD1", "/e/N0TBK", "/{failed}", "/e/NONE1",
            "/entities", "/entities?q=zzzz", "/e/UXMFA?revision=1a2b3c4d", "/nothing/here",
            "/search-sparql?query=oops", "/queue?ask=pause",
            "/environments/demo_environment?packages=nothing")  # fmt: skip
"""Addresses besides those of `page_addresses`: what is empty, past, broken or missing."""


_FAULTS = """() => {
    const found = [];
    const heads = [...document.querySelectorAll('main :is(h1, h2, h3, h4)')];
    if (document.querySelectorAll('h1').length !== 1) found.push('not one h1');
    if (!document.querySelector('main#content')?.innerText.trim()) found.push('no content');
    const {scrollWidth} = document.scrollingElement;
    if (scrollWidth > innerWidth) found.push(`${scrollWidth} px wide`);
    heads.map(e => +e.tagName[1]).forEach((level, index, all) => {
        if (index && level > all[index - 1] + 1) found.push(`skips to ${heads[index].outerHTML}`);
    });
    return found;
}"""


@contextmanager
def window(
    browser: Browser, site: Site, *, scheme: str = "light", scripts: bool = True, **options: Any
) -> Iterator[Page]:
    """Opens a browser window."""
    chosen = {**_DESKTOP, **options}
    context, page = make_page(
        browser, site, color_scheme=scheme, java_script_enabled=scripts, **chosen
    )
    # Many pages in a row, on a machine that may be busy with other tests.
    context.set_default_timeout(60_000)
    yield page
    context.close()


def addresses(site: Site, page: Page) -> list[str]:
    """Lists the addresses of all pages; the site gets a history and two runs first."""
    site.services.queue.furnish()
    site.services.notifications.furnish()
    for title in ("nightly", "after the change"):
        assert page.request.post("/runs", form={"title": title}).ok
    found = [*page_addresses.PAGES.values(), *_FURTHER]
    return [page_addresses.filled(one, site.services) for one in found]


@pytest.mark.parametrize("size", ["desktop", "phone"])
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_every_page(browser: Browser, site: Site, size: str, scripts: bool) -> None:
    """A page has one heading of the first level and its content, scrolls down only, and is quiet.

    Without scripts nothing is missing: the same headings are there.
    """
    complaints: list[str] = []
    options = PHONE if size == "phone" else {}
    with window(browser, site, scripts=scripts, **options) as page:
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        page.on(
            "console",
            lambda message: (
                complaints.append(f"{page.url}: {message.text}")
                if message.type == "error" and "404" not in message.text
                else None
            ),
        )
        for address in addresses(site, page):
            page.goto(address)
            # Playwright's own questions are asked where the page's scripts are off, too.
            complaints += [f"{address}: {one}" for one in page.evaluate(_FAULTS)]
    assert [] == complaints


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_every_place_is_reached(browser: Browser, site: Site, size: str) -> None:
    """The head leads to every place, without scripts; what is not in sight is in its menu."""
    options = PHONE if size == "phone" else {}
    with window(browser, site, scripts=False, **options) as page:
        page.goto("/entities")
        page.get_by_text("More", exact=True).click()
        menu = page.locator("nav[aria-label=Main]")
        links = [link for link in menu.get_by_role("link").all() if link.is_visible()]
        shown = [link.get_attribute("href") for link in links]
        assert len(shown) == len(set(shown))
        for address in shown:
            assert address
            answer = page.request.get(address)
            assert answer.ok, address
        menu.get_by_role("link", name="Diagnostics").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Diagnostics")


def test_keyboard_alone(browser: Browser, site: Site) -> None:
    """By keyboard: skip link, menu, a search, and the page of an entity; focus is always seen."""
    with window(browser, site) as page:
        page.goto("/")
        for _ in range(12):
            page.keyboard.press("Tab")
            outline = page.evaluate(
                "(e => [getComputedStyle(e).outlineStyle, e.outerHTML.slice(0, 90)])"
                "(document.activeElement)"
            )
            assert "none" != outline[0], outline[1]
        summary = page.locator("nav .more summary")
        summary.focus()
        page.keyboard.press("Enter")
        expect(page.locator("nav .more")).to_have_attribute("open", "")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('.more') !== null")
        page.locator(".top-search input").focus()
        page.keyboard.type("lorenz")
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{site.address}/entities?q=lorenz")
        page.locator("a.entity-name").first.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Lorenz system", level=1)).to_be_visible()
