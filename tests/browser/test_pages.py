"""The pages in a real browser: with and without JavaScript, wide and narrow."""

import re

import pytest
from playwright.sync_api import Page, expect

from ackrep.scheduler.v1 import check_pb2
from tests.browser.conftest import Site

pytestmark = pytest.mark.browser


def finished_check(site: Site, key: str) -> str:
    """Path of the newest finished check of an entity."""
    stories = [s for s in site.services.scheduler.stories.values() if s.check.entity.endswith(key)]
    return f"/{stories[-1].check.name}"


def test_landing(page: Page) -> None:
    """The overview renders: title, verdicts, entities, and its own style sheet and fonts."""
    page.goto("/")

    expect(page).to_have_title(re.compile("demo_data"))
    expect(page.get_by_role("heading", level=1)).to_have_text("demo_data")
    expect(page.get_by_role("img", name="Verdicts of 8 checkable entities")).to_be_visible()
    expect(page.get_by_role("link", name="Lorenz system").first).to_be_visible()
    assert page.evaluate("document.fonts.check('16px Inter')")
    assert "rgb(246, 247, 249)" == page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_check_without_javascript(plain_page: Page) -> None:
    """The Check button works without JavaScript; the page reloads itself until the verdict."""
    plain_page.goto("/e/UXMFA")
    plain_page.get_by_role("button", name="Check").click()

    expect(plain_page).to_have_url(re.compile("/checks/[0-9a-f]+$"))
    expect(plain_page.get_by_text("success", exact=True)).to_be_visible(timeout=20_000)
    expect(plain_page.get_by_text("step 12, largest error")).to_be_visible()
    expect(plain_page.locator(".plots img").first).to_be_visible()
    assert 0 == plain_page.locator("meta[http-equiv=refresh]").count()


def test_live_check(page: Page, site: Site) -> None:
    """With JavaScript log and plot arrive while it runs, in order, once, and without a reload."""
    site.services.scheduler.lines = 30
    page.goto("/e/K9PND")
    page.get_by_role("button", name="Check").click()
    page.evaluate("window.same = true")

    expect(page.locator("#state")).to_have_text("running")
    expect(page.locator("#log")).to_contain_text("step    3,")
    expect(page.locator("#plots img").first).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    expect(page.locator("[data-verdict]")).to_have_text("success")
    expect(page.locator("#status")).to_have_text("success")
    steps = [int(found) for found in re.findall(r"step +(\d+),", page.inner_text("#log"))]
    assert list(range(1, 31)) == steps
    assert page.evaluate("window.same")
    assert page.evaluate("document.querySelector('.plots img').naturalWidth") > 0


def test_live_log_survives_a_lost_connection(page: Page, site: Site) -> None:
    """A stream that breaks is resumed where it broke: nothing is lost, nothing comes twice."""
    scheduler = site.services.scheduler
    scheduler.lines = 30
    page.goto("/e/K9PND")
    page.get_by_role("button", name="Check").click()
    expect(page.locator("#log")).to_contain_text("step    5,")

    scheduler.failure = RuntimeError("away for a moment")
    page.wait_for_timeout(300)  # not a wait for anything: the time during which it is away
    scheduler.failure = None

    expect(page.locator("[data-verdict]")).to_have_text("success", timeout=20_000)
    steps = [int(found) for found in re.findall(r"step +(\d+),", page.inner_text("#log"))]
    assert list(range(1, 31)) == steps
    tokens = [r.resume_token for r in scheduler.seen if hasattr(r, "resume_token")]
    assert any(tokens)


def test_cancel(page: Page, site: Site) -> None:
    """A running check can be stopped from its page."""
    site.services.scheduler.lines = 200
    page.goto("/e/K9PND")
    page.get_by_role("button", name="Check").click()
    expect(page.locator("#state")).to_have_text("running")
    page.get_by_role("button", name="Cancel").click()

    expect(page.locator("[data-verdict]")).to_have_text("cancelled")


def test_live_run(page: Page) -> None:
    """Check everything leads to a page that counts up to the end by itself."""
    page.goto("/")
    page.get_by_role("button", name="Check everything").click()

    expect(page).to_have_url(re.compile("/runs/"))
    expect(page.locator("tbody tr")).to_have_count(8)
    expect(page.locator("[data-verdict]")).to_have_text(re.compile("complete"), timeout=30_000)
    expect(page.locator("tbody .chip.success")).to_have_count(8)


def test_script_error(page: Page, site: Site) -> None:
    """A broken entity shows its traceback, its own frames marked."""
    page.goto(finished_check(site, "LRHZX"))

    expect(page.locator("[data-verdict]")).to_have_text("script error")
    expect(page.locator(".traceback .own").first).to_contain_text("system_models/roessler_broken")
    expect(page.locator(".traceback .other").first).to_contain_text("runpy.py")


PATHS = ["/", "/entities", "/entities?q=pendulum&tag=simulation", "/entities?q=zzz", "/e/UXMFA",
         "/e/D4MTR", "/e/E1EUL", "/e/ENVD1", "/e/UXMFA?revision=1a2b3c4d", "/checks",
         "/diagnostics", "/ontology", "/ontology/State_Space_System", "/search-sparql",
         "/search-sparql?query=SELECT%20subClassOf", "/search-sparql?query=oops", "/revisions",
         "/revisions/1a2b3c4d..current", "/e/UXMFA/files/simulation.py",
         "/e/UXMFA/files/data/orbit.png", "/queue", "/queue?ask=pause"]  # fmt: skip


def test_phone(phone: Page, site: Site) -> None:
    """On a phone no page scrolls sideways, and controls are large enough for a thumb."""
    paths = [*PATHS, "/e/NONE1", *(finished_check(site, key) for key in ("UXMFA", "LRHZX"))]
    for path in paths:
        phone.goto(path)
        assert 390 >= phone.evaluate("document.documentElement.scrollWidth"), path
        small = phone.evaluate(
            "[...document.querySelectorAll('main button, main select, main input, main textarea')]"
            ".filter(e => e.offsetHeight && e.offsetHeight < 36).length"
        )
        assert 0 == small, path


def test_dark(browser: object, page: Page) -> None:
    """Who prefers dark gets dark."""
    page.emulate_media(color_scheme="dark")
    page.goto("/")

    assert "rgb(15, 20, 27)" == page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_keyboard(page: Page) -> None:
    """The first tab stop skips to the content; focus is visible."""
    page.goto("/")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")

    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    assert "solid" == page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()


def test_every_control_has_a_name(page: Page, site: Site) -> None:
    """Buttons, links, fields and pictures are named for those who do not see them."""
    for path in [*PATHS, finished_check(site, "UXMFA")]:
        page.goto(path)
        nameless = page.evaluate(
            """[...document.querySelectorAll(
                'a, button, input:not([type=hidden]), select, textarea, img, svg[role], iframe'
            )].filter(e => !(e.textContent.trim() || e.getAttribute('aria-label') || e.alt
                || e.title || e.labels?.length || e.querySelector('img[alt]')
                || (e.tagName == 'IMG' && e.closest('a')?.textContent.trim()))
            ).map(e => e.outerHTML)"""
        )
        assert [] == nameless, path
        assert 1 == page.locator("h1").count(), path


def test_hostile_artefact_runs_nothing(page: Page, site: Site) -> None:
    """HTML and SVG that a check produced are shown, but never run, and are of no origin."""
    scheduler = site.services.scheduler
    evil = b"<h1>Result</h1><script>document.title = 'ran'; parent.ran = true</script>"
    vector = b'<svg xmlns="http://www.w3.org/2000/svg"><script>document.title="ran"</script></svg>'
    story = scheduler.add("N0TBK", check_pb2.VERDICT_SUCCESS)
    html = scheduler.store(evil, "notebooks/tour/tour.html", "text/html")
    svg = scheduler.store(vector, "notebooks/tour/plot.svg", "image/svg+xml")
    story.check.result.artefacts.extend([html, svg])
    blocked: list[str] = []
    window = page.context.new_page()
    window.on("console", lambda message: blocked.append(message.text))

    for address in (f"/{html.name}/tour.html", f"/{svg.name}/plot.svg"):
        window.goto(address)
        assert "ran" != window.title()
        assert "null" == window.evaluate("window.origin")
    window.goto(f"/{story.check.name}")
    frame = window.frame_locator("iframe.document")
    expect(frame.get_by_role("heading", name="Result")).to_be_visible()
    assert window.evaluate("window.ran === undefined")
    assert any("sandbox" in text for text in blocked)
