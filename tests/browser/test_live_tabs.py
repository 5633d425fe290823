"""Many tabs in a real browser: all live, over one connection, and none where nobody looks."""

import re
import time
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import Site, make_page

pytestmark = pytest.mark.browser

TABS = 8
"""More than the six connections that a browser makes to one host."""
_HIDE = """hidden => {
  Object.defineProperty(document, "hidden", {configurable: true, get: () => hidden});
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture
def window(browser: Browser, site: Site) -> Iterator[BrowserContext]:
    """A browser window with room for tabs; what they complain of fails the test."""
    context, first = make_page(browser, site)
    first.close()
    complaints: list[str] = []
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    yield context
    context.close()
    assert [] == complaints


def slow_check(site: Site, *, lines: int) -> str:
    """Starts a check that writes for a while; its name."""
    site.services.scheduler.lines = lines
    answer = httpx.post(f"{site.address}/v1/checks", json={"entity": "entities/UXMFA"})
    name: str = answer.raise_for_status().json()["name"]
    return name


def streams(site: Site) -> int:
    """How many live connections the gateway has."""
    text = httpx.get(f"{site.address}/metrics").text
    return int(re.findall(r"(?m)^ackrep_gateway_stream_connections (\d+)$", text)[0])


def until(site: Site, count: int, *, page: Page) -> None:
    """Waits until the gateway has that many live connections."""
    deadline = time.monotonic() + 10
    while streams(site) != count:
        assert time.monotonic() < deadline, f"{streams(site)} live connections, not {count}"
        page.wait_for_timeout(50)


def test_eight_tabs_over_one_connection(window: BrowserContext, site: Site) -> None:
    """All of them move, one connection is open, pages still load, and all get each line once."""
    name = slow_check(site, lines=5000)  # more than the test takes
    tabs = [window.new_page() for _ in range(TABS)]
    for number, tab in enumerate(tabs):
        tab.goto(f"/{name}" if number < TABS - 2 else ("/checks", "/")[number - TABS + 2])
    until(site, 1, page=tabs[0])
    for tab in tabs[: TABS - 2]:
        expect(tab.locator("#log")).to_contain_text("step   90,", timeout=30_000)
    assert 1 == streams(site)

    other = slow_check(site, lines=3)
    entity = site.services.scheduler.stories[other].check.entity
    expect(tabs[-2].locator(f'a[href="/{other}"]').first).to_be_visible()
    last = window.new_page()
    last.goto(f"/e/{entity.rpartition('/')[2]}")
    until(site, 1, page=last)

    site.services.scheduler.stories[name].check.cancel_requested = True
    for tab in tabs[: TABS - 2]:
        expect(tab.locator("[data-verdict]")).to_contain_text(
            re.compile("cancelled", re.IGNORECASE)
        )
        steps = re.findall(r"step +(\d+)", tab.locator("#log").inner_text())
        assert [str(number) for number in range(1, len(steps) + 1)] == steps


def test_nobody_looks(window: BrowserContext, site: Site) -> None:
    """Hidden tabs close the connection; one that is looked at again goes on where it was."""
    name = slow_check(site, lines=5000)
    tabs = [window.new_page() for _ in range(2)]
    for tab in tabs:
        tab.goto(f"/{name}")
        expect(tab.locator("#log")).to_contain_text("step    2,")
    until(site, 1, page=tabs[0])

    for tab in tabs:
        tab.evaluate(_HIDE, True)
    until(site, 0, page=tabs[0])
    before = len(re.findall("step", tabs[0].locator("#log").inner_text()))
    story = site.services.scheduler.stories[name]
    deadline = time.monotonic() + 10
    while sum(event.HasField("log") for event in story.events) < before + 20:
        assert time.monotonic() < deadline
        tabs[0].wait_for_timeout(50)
    assert before == len(re.findall("step", tabs[0].locator("#log").inner_text()))

    tabs[0].evaluate(_HIDE, False)
    expect(tabs[0].locator("#log")).to_contain_text(f"step {before + 20:4d},")
    until(site, 1, page=tabs[0])
    steps = re.findall(r"step +(\d+)", tabs[0].locator("#log").inner_text())
    assert [str(number) for number in range(1, len(steps) + 1)] == steps
    story.check.cancel_requested = True


def test_without_shared_workers(browser: Browser, site: Site) -> None:
    """A browser that has none is live too, tab by tab, as far as they are seen."""
    context, page = make_page(browser, site)
    context.add_init_script("delete window.SharedWorker")
    name = slow_check(site, lines=30)
    page.goto(f"/{name}")
    expect(page.locator("#log")).to_contain_text("step    3,")
    until(site, 1, page=page)
    expect(page.locator("[data-verdict]")).to_contain_text(re.compile("success", re.IGNORECASE))
    page.evaluate(_HIDE, True)
    until(site, 0, page=page)
    context.close()


def test_lists_move(window: BrowserContext, site: Site) -> None:
    """The overview and an entity show a verdict when it is there, without a reload."""
    overview, entity = window.new_page(), window.new_page()
    overview.goto("/")
    entity.goto("/e/UXMFA")
    for tab in (overview, entity):
        tab.evaluate("window.same = true")
    until(site, 1, page=entity)

    story = site.services.scheduler.stories[slow_check(site, lines=2)]
    for tab in (overview, entity):
        expect(tab.locator(f'a[href="/{story.check.name}"]').first).to_be_visible()
        assert tab.evaluate("window.same")
