"""Pages that look back, in a real browser: by keyboard, without JavaScript, and on a phone."""

import re

import pytest
from playwright.sync_api import Page, expect

from ackrep.scheduler.v1 import bisection_pb2
from tests.browser.conftest import Site
from tests.unit.gateway.fake_history import CAUSE, fingerprint
from tests.unit.gateway.fake_repository import V

pytestmark = pytest.mark.browser

_S, _E = V.VERDICT_SUCCESS, V.VERDICT_SCRIPT_ERROR


@pytest.fixture(autouse=True)
def runs(site: Site) -> list[str]:
    """Forty nights of one entity, of which the last three failed, and some of others."""
    made = site.services.history.record("UXMFA", [_S] * 37 + [_E] * 3)
    site.services.history.record("K9PND", [_S, V.VERDICT_INACCURATE])
    return [run.name for run in made]


def test_the_matrix_keeps_its_heads(page: Page) -> None:
    """However it is scrolled, keys and runs stay in sight, and the newest run is seen first."""
    page.goto("/entity-overview?runs=200")
    frame = page.locator(".matrix-frame")
    newest = page.locator(".moments th").last
    expect(newest).to_be_in_viewport()
    key = page.locator("tbody th").first
    before = key.bounding_box()
    frame.evaluate("frame => { frame.scrollLeft = -frame.scrollWidth; }")
    expect(page.locator(".moments th").nth(1)).to_be_in_viewport()
    assert before
    assert before == key.bounding_box()
    assert page.evaluate(
        "getComputedStyle(document.querySelector('.matrix thead')).position === 'sticky'"
    )


def test_cells_say_what_they_are(page: Page) -> None:
    """Each cell is a link that is named by its verdict, in a row that is named by its entity."""
    page.goto("/entity-overview")
    row = page.get_by_role("row", name=re.compile("UXMFA"))
    expect(row.get_by_role("link", name="success", exact=True).first).to_be_attached()
    row.get_by_role("link", name=f"script error: {CAUSE}").first.click()
    expect(page).to_have_url(re.compile("/checks/"))


def test_a_cause_is_highlighted_without_javascript(plain_page: Page) -> None:
    """Choosing it is a link; its cells stand out, and others fade."""
    plain_page.goto("/entity-overview")
    plain_page.locator(".pick").first.click()
    expect(plain_page).to_have_url(re.compile(f"group={fingerprint(CAUSE)}"))
    expect(plain_page.locator(".picked .hit")).to_have_count(3)
    expect(plain_page.locator(".pick[aria-current]")).to_have_count(1)
    plain_page.get_by_role("link", name="highlight none").click()
    expect(plain_page.locator(".hit")).to_have_count(0)


def test_filters_without_javascript(plain_page: Page) -> None:
    """The form is a plain one: what is asked for stands in the address."""
    plain_page.goto("/entity-overview")
    plain_page.get_by_label("Key or words").fill("pendulum")
    plain_page.get_by_label("only those that changed").check()
    plain_page.get_by_role("button", name="Show").click()
    expect(plain_page).to_have_url(re.compile("q=pendulum.*changed=1"))
    expect(plain_page.locator("tbody tr")).to_have_count(1)


def test_two_runs_are_chosen_and_compared(plain_page: Page, runs: list[str]) -> None:
    """Two ticks and a button; the earlier run comes first whichever was ticked first."""
    plain_page.goto("/runs")
    boxes = [
        plain_page.locator(f'input[value="{run.removeprefix("runs/")}"]')
        for run in (runs[-3], runs[-4])
    ]
    for box in boxes:
        box.check()
    plain_page.get_by_role("button", name="Compare the two chosen").click()
    expect(plain_page.get_by_role("heading", level=1)).to_have_text("1 changed verdict")
    expect(plain_page.get_by_role("heading", name="Newly broken 1")).to_be_visible()
    plain_page.get_by_role("link", name="Beside each other").click()
    expect(plain_page.locator("tbody tr td a")).to_have_count(2)


def test_a_run_leads_to_the_one_before(page: Page, runs: list[str]) -> None:
    """The comparison with the previous run is one click away."""
    page.goto(f"/{runs[-3]}")
    page.get_by_role("button", name="Compare").click()
    expect(page).to_have_url(re.compile(f"{runs[-4]}/compare/{runs[-3].removeprefix('runs/')}$"))


def test_numbers_over_time(page: Page) -> None:
    """Every mark leads to its check, and the same numbers stand in a table."""
    page.goto("/e/UXMFA/history")
    marks = page.locator(".plot-area").last.locator("a")
    count = marks.count()
    assert count > 40
    page.get_by_text("As a table").last.click()
    expect(page.locator(".chart").last.locator("tbody tr")).to_have_count(count)
    marks.last.click()
    expect(page).to_have_url(re.compile("/checks/"))


def test_a_bisection_goes_on_by_itself(page: Page, site: Site) -> None:
    """What is looked at next appears without a reload."""
    one = bisection_pb2.Bisection(
        name="bisections/9",
        entity="entities/UXMFA",
        state=bisection_pb2.Bisection.STATE_RUNNING,
        good=bisection_pb2.BisectionPoint(commit="a" * 40),
        bad=bisection_pb2.BisectionPoint(commit="d" * 40),
    )
    site.services.queue.bisections.append(one)
    page.goto("/bisections/9")
    expect(page.locator(".bisecting li")).to_have_count(2)
    point = bisection_pb2.BisectionPoint(commit="b" * 40, subject="a new solver")
    one.probes.add(point=point, verdict=V.VERDICT_SUCCESS)
    expect(page.locator(".bisecting li")).to_have_count(3)
    one.state, one.message = bisection_pb2.Bisection.STATE_FINISHED, "broken by commit dddddddddd"
    one.culprits.add(commit="d" * 40)
    expect(page.locator(".finding")).to_have_text("broken by commit dddddddddd")


def test_on_a_phone(phone: Page, runs: list[str]) -> None:
    """No page is wider than the phone: the matrix scrolls within itself."""
    first, second = (run.removeprefix("runs/") for run in runs[-4:-2])
    for path in (
        "/entity-overview?runs=200",
        "/runs",
        f"/{runs[-1]}",
        f"/runs/{first}/compare/{second}",
        "/failure-groups",
        f"/failure-groups/{fingerprint(CAUSE)}",
        "/e/UXMFA/history",
        "/bisections",
    ):
        phone.goto(path)
        assert 390 >= phone.evaluate("document.documentElement.scrollWidth"), path
    phone.goto("/entity-overview?runs=200")
    frame = phone.locator(".matrix-frame")
    assert frame.evaluate("frame => frame.scrollWidth > frame.clientWidth")
