"""The page of the queue in a real browser: live, by hand without JavaScript, and on a phone."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def busy(site: Site) -> None:
    """A busy hour."""
    site.services.queue.furnish()


def test_the_page_follows_the_queue(page: Page, site: Site) -> None:
    """What changes shows by itself, without a reload."""
    page.goto("/queue")
    page.evaluate("window.same = true")
    expect(page).to_have_title(re.compile("^60 waiting · Queue"))
    expect(page.locator("nav [aria-current]")).to_have_text("Queue and runners")

    site.services.queue.queue.waiting_count = 61
    site.services.queue.give_up("UXMFA", "the engine is gone")
    site.services.queue.runners[0].free_slots = 2
    expect(page.get_by_text("61", exact=True)).to_be_visible(timeout=15_000)  # it looks every 4 s
    expect(page.get_by_text("the engine is gone")).to_be_visible()
    expect(page.locator(".runner").first).to_contain_text("ready")
    assert page.evaluate("window.same")


def test_pause_and_resume(page: Page) -> None:
    """With a reason that nothing takes away while it is written; and on again with one click."""
    page.goto("/queue")
    page.get_by_role("link", name="Pause…").first.click()
    expect(page.get_by_label("Why")).to_be_focused()
    page.get_by_label("Why").fill("moving house")
    page.wait_for_timeout(2500)  # longer than the page takes to draw itself anew elsewhere
    expect(page.get_by_label("Why")).to_have_value("moving house")
    page.get_by_role("button", name="Pause").click()

    expect(page).to_have_url(re.compile("/queue$"))
    held = page.get_by_role("note")
    expect(held).to_contain_text("The whole queue is paused")
    expect(held).to_contain_text("moving house")
    held.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("note")).to_have_count(0)


def test_without_javascript(plain_page: Page) -> None:
    """Pause, resume, replay and drain are plain forms; the page reloads itself."""
    plain_page.goto("/queue")
    assert 1 == plain_page.locator("meta[http-equiv=refresh]").count()
    plain_page.locator("#pause-default-demo_environment").click()
    assert 0 == plain_page.locator("meta[http-equiv=refresh]").count()
    plain_page.get_by_label("Why").fill("a broken image")
    plain_page.get_by_role("button", name="Pause").click()
    row = plain_page.get_by_role("row", name=re.compile("demo_environment"))
    expect(row).to_contain_text("a broken image")
    row.get_by_role("button", name="Resume").click()
    expect(row).not_to_contain_text("a broken image")

    plain_page.get_by_role("button", name="Replay all").click()
    expect(plain_page.get_by_role("heading", name="Given up")).to_have_count(0)

    plain_page.locator("#drain-workshop-2").click()
    plain_page.get_by_role("button", name="Drain").click()
    runner = plain_page.locator(".runner", has_text="workshop-2")
    expect(runner).to_contain_text("draining")
    runner.get_by_role("button", name="Resume").click()
    expect(runner).to_contain_text("ready")


def test_on_a_phone(phone: Page) -> None:
    """Nothing scrolls sideways, the menu included, and a thumb hits what can be changed."""
    for path in ("/queue", "/queue?ask=drain&runner=runners/workshop-1"):
        phone.goto(path)
        assert 390 >= phone.evaluate("document.documentElement.scrollWidth"), path
        assert phone.evaluate(
            "(e => e.scrollWidth <= e.clientWidth)(document.querySelector('.top nav ul'))"
        )
        assert [] == phone.evaluate(
            "[...document.querySelectorAll('main .button, main input')]"
            ".filter(e => e.offsetHeight && e.offsetHeight < 36).map(e => e.outerHTML)"
        )
    phone.get_by_role("button", name="Drain").click()
    expect(phone.locator(".runner").first).to_contain_text("draining")
