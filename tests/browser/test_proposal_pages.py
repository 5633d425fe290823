"""Merge requests in a real browser: proposed, read, checked and closed, also without JavaScript."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from ackrep.catalog.v1 import proposal_pb2
from tests.browser.conftest import Site, make_page
from tests.unit.gateway.hostile import VALUES, plain

pytestmark = pytest.mark.browser


def test_a_branch_is_proposed(plain_page: Page, site: Site) -> None:
    """By a plain form; where it is refused it comes back as it was filled in, and says why."""
    plain_page.goto("/merge-requests")
    expect(plain_page.get_by_role("link", name="A better model")).to_have_count(2)
    plain_page.get_by_text("Propose a branch").click()
    plain_page.get_by_label("Address of the fork").fill("ftp://<b>forge</b>/x")
    plain_page.get_by_label("Title").fill("Mine & yours")
    plain_page.get_by_role("button", name="Propose").click()
    expect(plain_page.get_by_role("alert")).to_contain_text("ftp://<b>forge</b>/x is no https")
    expect(plain_page.get_by_label("Title")).to_have_value("Mine & yours")

    plain_page.get_by_label("Address of the fork").fill("https://forge.example/me/data")
    plain_page.get_by_label("Branch").fill("mine")
    plain_page.get_by_role("button", name="Propose").click()
    expect(plain_page).to_have_url(re.compile("/mr/NEW01$"))
    expect(plain_page.get_by_role("heading", level=1)).to_have_text("Mine & yours")
    asked = site.services.proposals.seen[-1]
    assert isinstance(asked, proposal_pb2.CreateProposalRequest)
    assert ("https://forge.example/me/data", "mine") == (asked.proposal.url, asked.proposal.branch)


def test_what_it_changes(page: Page) -> None:
    """Fields and lines before and after, files that are no text, new diagnostics."""
    page.goto("/mr/MR001")
    expect(page.get_by_role("note").first).to_contain_text("conflicts with the main line")
    changes = page.get_by_role("region", name="Lorenz system")
    expect(changes.locator("table.diff ins")).to_have_text("new line")
    expect(changes.locator("table.diff del")).to_have_text("old line")
    expect(changes.locator("table.diff tr.same td").nth(1)).to_have_text("1")
    page.get_by_text("picture.png").click()
    expect(page.get_by_text("not shown as text")).to_be_visible()
    expect(page.get_by_text("it leads nowhere")).to_be_visible()
    link = changes.get_by_role("link", name="Lorenz system")
    expect(link).to_have_attribute("href", re.compile("^/e/UXMFA"))


def test_checked_and_closed(plain_page: Page, site: Site) -> None:
    """Plain buttons check what it affects at its own revision, read it again, and close it."""
    plain_page.goto("/mr/MR001")
    plain_page.get_by_role("button", name="Check what it affects").click()
    expect(plain_page).to_have_url(re.compile("/mr/MR001#checks$"))
    expect(plain_page.locator("#checks")).to_contain_text("finished")
    asked = [one for one in site.services.scheduler.seen if hasattr(one, "affected_since")][-1]
    proposal = site.services.proposals.proposals["proposals/MR001"]
    assert (proposal.revision, proposal.base_revision) == (asked.revision, asked.affected_since)
    plain_page.get_by_role("button", name="Refresh").click()
    assert "RefreshProposalRequest" == type(site.services.proposals.seen[-1]).__name__
    plain_page.get_by_role("button", name="Close").click()
    expect(plain_page.locator("main .chip").first).to_have_text("closed")
    expect(plain_page.get_by_role("button", name="Close")).to_have_count(0)


def test_on_a_phone(phone: Page) -> None:
    """Nothing is wider than the screen."""
    for path in ("/merge-requests", "/mr/MR001"):
        phone.goto(path)
        assert 0 == phone.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )


@pytest.mark.parametrize("value", VALUES)
def test_nothing_runs(browser: Browser, site: Site, value: str) -> None:
    """Whatever a stranger writes into a fork, a title or a diff is text."""
    site.services.proposals.furnish(plain(value))
    context, page = make_page(browser, site)
    offences: list[str] = []
    page.on("dialog", lambda dialog: offences.append(dialog.message))
    page.on(
        "request",
        lambda request: (
            offences.append(request.url)
            if not request.url.startswith((site.address, "data:"))
            else None
        ),
    )
    for path in ("/merge-requests", "/mr/MR001", "/mr/MR002"):
        answer = page.goto(path)
        assert answer is not None
        assert 200 == answer.status
        assert "ran" != page.title()
        assert [] == page.evaluate(
            """() => [...document.querySelectorAll('*')].flatMap(e => [...e.attributes])
                .filter(a => a.name.startsWith('on') || /^\\s*(javascript|data):/i.test(a.value))
                .map(a => a.name + '=' + a.value).filter(a => !/^(value|title|aria)/.test(a))"""
        ), path
    assert [] == offences
    context.close()
