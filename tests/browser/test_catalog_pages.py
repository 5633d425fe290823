"""Searching, entities, concepts and questions in a real browser, with and without JavaScript."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, make_page

pytestmark = pytest.mark.browser

SEARCH = "Words to find in titles, keys, tags, descriptions and notes"

_OWN = 1
"""The gateway's own stream, by which it knows how long answers hold."""


def test_search_without_javascript(plain_page: Page) -> None:
    """Search, facets, chips and corrections are forms and links."""
    plain_page.goto("/entities")
    plain_page.get_by_label(SEARCH).fill("pendulum")
    plain_page.get_by_role("button", name="Search").click()

    expect(plain_page.locator(".hits > li")).to_have_count(3)
    expect(plain_page.locator("mark").first).to_have_text("pendulum")
    plain_page.locator(".facets").get_by_role("link", name="System models").click()
    expect(plain_page).to_have_url(re.compile("q=pendulum.*type=system_model"))
    expect(plain_page.locator(".hits > li")).to_have_count(1)
    plain_page.get_by_role("link", name="Remove the filter type system model").click()
    expect(plain_page.locator(".hits > li")).to_have_count(3)
    plain_page.get_by_label(SEARCH).fill("lorens")
    plain_page.keyboard.press("Enter")
    expect(plain_page.get_by_text("Showing results for lorenz")).to_be_visible()


def test_instant_search(page: Page) -> None:
    """Results come while somebody types; focus and history stay, the address follows."""
    page.goto("/")
    page.goto("/entities")
    page.evaluate("window.same = true")
    field = page.get_by_label(SEARCH)
    field.press_sequentially("lorenz")

    expect(page.locator(".hits > li")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/entities\?q=lorenz$"))
    expect(page.locator("#status")).to_have_text("1 entity found")
    expect(page).to_have_title(re.compile("lorenz"))
    expect(field).to_be_focused()
    assert page.evaluate("window.same")
    field.fill("")
    expect(page.locator(".group-title")).to_have_count(9)
    page.go_back()
    expect(page).to_have_url(re.compile("/$"))


def test_instant_search_keeps_the_last_answer(page: Page, site: Site) -> None:
    """Of answers that overtake each other, the one for the last words stays."""
    site.services.search.pauses["pend"] = 0.5
    page.goto("/entities")
    field = page.get_by_label(SEARCH)
    with page.expect_request("**/entities?q=pend"):
        field.fill("pend")
    field.fill("motor")

    expect(page.locator("#found")).to_contain_text("DC motor")
    expect(page.locator("#found")).not_to_contain_text("pendulum with LQR")
    expect(page).to_have_url(re.compile("q=motor$"))


def test_verdict_facet(page: Page) -> None:
    """Verdicts narrow a search."""
    page.goto("/entities")
    page.locator(".facets").get_by_role("link", name="inaccurate").click()

    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody")).to_contain_text("Oscillator with explicit Euler")


def test_search_from_everywhere(page: Page, phone: Page) -> None:
    """The header of every page searches; on a phone it leads to the search."""
    page.goto("/checks")
    page.locator("header").get_by_role("searchbox").fill("motor")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/entities\?q=motor"))

    phone.goto("/checks")
    phone.locator("header").get_by_role("link", name="Search entities").click()
    expect(phone.get_by_label(SEARCH)).to_be_visible()


def test_formulas(page: Page) -> None:
    """Formulas are set with our own fonts and nothing inline; they are there for readers aloud."""
    page.goto("/e/UXMFA")

    expect(page.locator(".prose .katex").first).to_be_visible()
    expect(page.locator(".prose .katex-display")).to_have_count(1)
    expect(page.locator(".prose math").first).to_be_attached()
    assert page.evaluate("document.fonts.ready.then(() => document.fonts.check('16px KaTeX_Main'))")
    assert page.evaluate(
        "document.querySelector('.katex-display').getBoundingClientRect().height > 15"
    )
    page.goto("/ontology/State_Space_System")
    expect(page.locator("h1 + .prose .katex")).to_be_visible()


def test_formulas_without_javascript(plain_page: Page) -> None:
    """Without JavaScript the TeX text is readable."""
    plain_page.goto("/e/UXMFA")

    expect(plain_page.get_by_text(r"$$\dot x = \sigma (y - x)")).to_be_visible()


def test_no_formula_no_script(page: Page) -> None:
    """The script that sets formulas is loaded only where there are some."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/queue")
    expect(page.get_by_role("heading", level=1)).to_be_visible()

    assert not any("math" in url or "KaTeX" in url for url in asked)


def test_relations(page: Page) -> None:
    """The drawing is clicked through, by mouse and by keyboard."""
    page.goto("/e/B2LQR")
    drawing = page.get_by_role("group", name=re.compile("Relations of Balancing"))
    node = drawing.get_by_role("link", name="solves: Stabilise the upright pendulum")
    node.click()
    expect(page).to_have_url(re.compile("/e/P3SWG$"))
    node = page.get_by_role("link", name=re.compile("^about model: Cart with an inverted"))
    node.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/e/K9PND$"))


def test_relations_on_a_phone(phone: Page) -> None:
    """On a phone the drawing is a column of readable boxes."""
    phone.goto("/e/B2LQR")
    node = phone.get_by_role("link", name="solves: Stabilise the upright pendulum")

    expect(node).to_have_count(1)  # the wide drawing is not there
    box = node.bounding_box()
    assert box is not None
    assert box["width"] > 230
    assert box["height"] > 36
    node.tap()
    expect(phone).to_have_url(re.compile("/e/P3SWG$"))


def test_pictures_and_documents(page: Page) -> None:
    """Pictures of a text and of a file's page are shown; a PDF is offered."""
    page.goto("/e/UXMFA")
    picture = page.get_by_alt_text("The orbit")
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_js_property("complete", value=True)
    assert picture.evaluate("image => image.naturalWidth") > 0
    link = page.get_by_role("link", name="documentation.pdf").first
    assert (
        "application/pdf"
        == page.request.get(str(link.get_attribute("href"))).headers["content-type"]
    )
    page.goto("/e/UXMFA/files/data/orbit.png")
    assert page.get_by_alt_text("data/orbit.png").evaluate("image => image.naturalWidth") > 0


def test_time_travel(plain_page: Page) -> None:
    """A past revision says so on every page that its links lead to, and leads back."""
    plain_page.goto("/e/B2LQR?revision=1a2b3c4d")
    expect(plain_page.locator(".banner.past")).to_contain_text("As of revision 1a2b3c4d5e")
    expect(plain_page.get_by_role("button", name="Check")).to_have_count(0)
    plain_page.get_by_role("link", name="solves: Stabilise").first.click()
    expect(plain_page.locator(".banner.past")).to_be_visible()
    plain_page.get_by_role("link", name="See it now").click()
    expect(plain_page).to_have_url(re.compile("/e/P3SWG$"))
    expect(plain_page.locator(".banner.past")).to_have_count(0)


def test_ontology_tree(page: Page, plain_page: Page) -> None:
    """The tree opens and closes by itself, without JavaScript too; a search shows what is above."""
    plain_page.goto("/ontology")
    inner = plain_page.get_by_role("link", name="Linear State Space System", exact=True)
    expect(inner).to_be_hidden()
    below = re.compile("^What is below State Space System$")
    plain_page.locator("summary", has_text=below).press("Enter")
    expect(inner).to_be_visible()
    page.goto("/ontology")
    page.get_by_label(re.compile("names and explanations")).press_sequentially("autonomous")

    expect(page.locator(".concept-name.hit")).to_have_text(["Autonomous System"])
    expect(page.get_by_role("link", name="Nonlinear State Space System")).to_be_visible()
    expect(page.locator("#status")).to_have_text("1 concept found")
    page.get_by_role("link", name="Autonomous System").click()
    page.get_by_role("link", name=re.compile("With all below")).click()
    expect(page.get_by_label("Filters")).to_contain_text("Autonomous System")


def test_sparql(page: Page, plain_page: Page) -> None:
    """Examples fill in and run; the keyboard runs a query and is not caught in the editor."""
    plain_page.goto("/search-sparql")
    plain_page.get_by_role("link", name="All concepts, with what is above them").click()
    expect(plain_page.get_by_role("heading", name="11 rows")).to_be_visible()
    expect(plain_page.locator("tbody tr")).to_have_count(11)
    expect(plain_page.get_by_role("textbox", name="Query")).to_have_value(
        re.compile("rdfs:subClassOf")
    )

    page.goto("/search-sparql")
    editor = page.get_by_role("textbox", name="Query")
    editor.fill("ELECT ?x")
    editor.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("line 1, column 1")
    expect(page.get_by_role("textbox", name="Query")).to_have_value("ELECT ?x")
    page.get_by_role("textbox", name="Query").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Run")).to_be_focused()


def test_news(page: Page, site: Site) -> None:
    """A page that shows what is current offers to reload when the repository changes."""
    page.goto("/entities")
    expect(page.locator("#news")).to_be_hidden()
    wait_for_watchers(page, site, 1)
    site.services.catalog.change()

    expect(page.locator("#news")).to_be_visible()
    page.get_by_role("link", name="Reload").click()
    expect(page.locator("#news")).to_be_hidden()


def test_hidden_pages_hold_no_connection(page: Page, site: Site) -> None:
    """Browsers have six connections for a site: a page that nobody sees holds none."""
    page.goto("/entities")
    wait_for_watchers(page, site, 1)
    set_hidden(page, hidden=True)
    wait_for_watchers(page, site, 0)
    set_hidden(page, hidden=False)
    wait_for_watchers(page, site, 1)


def test_past_pages_watch_nothing(page: Page, site: Site) -> None:
    """What was does not change: such a page holds no connection."""
    page.goto("/e/UXMFA?revision=1a2b3c4d")

    expect(page.locator("body")).not_to_have_attribute("data-current-revision", re.compile("."))
    assert _OWN == site.services.catalog.watchers


def set_hidden(page: Page, *, hidden: bool) -> None:
    """Makes the page believe that nobody sees it; a browser without windows has no other way."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
            document.dispatchEvent(new Event('visibilitychange'));
        }""",
        hidden,
    )


def wait_for_watchers(page: Page, site: Site, count: int) -> None:
    """Waits until so many streams of the current revision are open for pages."""
    for _ in range(200):
        if site.services.catalog.watchers == count + _OWN:
            return
        page.wait_for_timeout(25)  # what is waited for has no event here
    assert count + _OWN == site.services.catalog.watchers


def test_dark_and_light_have_contrast(browser: object, site: Site) -> None:
    """Marks, chips and drawings can be read in both colour schemes (4.5 to 1)."""
    for scheme in ("light", "dark"):
        context, page = make_page(browser, site, color_scheme=scheme)  # type: ignore[arg-type]
        for path in ("/entities?q=pendulum", "/ontology", "/e/B2LQR?revision=1a2b3c4d"):
            page.goto(path)
            assert [] == page.evaluate(CONTRAST), (scheme, path)
        context.close()


CONTRAST = """() => {
    const parse = (text) => {
        const canvas = document.createElement('canvas').getContext('2d');
        canvas.fillStyle = text;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
        .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = parse(getComputedStyle(at).backgroundColor);
            if (colour[3] > 200) return colour;
        }
        return [255, 255, 255, 255];
    };
    const poor = [];
    const kinds = 'main a, main span, main p, main code, main mark, .banner span';
    for (const element of document.querySelectorAll(kinds)) {
        const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
        if (!own || !element.offsetHeight) continue;
        const a = light(parse(getComputedStyle(element).color)), b = light(behind(element));
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) poor.push([element.className, element.textContent, ratio.toFixed(2)]);
    }
    return poor;
}"""
