"""Tokens, signing in and the audit log in a real browser, with scripts and without."""

import re
from typing import cast

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def a_token(page: Page, name: str, scope: str) -> str:
    """Makes a token on its page, and gives its secret."""
    page.goto("/tokens")
    page.get_by_label("Name").fill(name)
    page.get_by_label("May").select_option(scope)
    page.get_by_role("button", name="Make it").click()
    secret = page.locator(".secret").inner_text()
    assert re.fullmatch(r"ackrep_\w{49}", secret)
    return secret


def sign_in(page: Page, secret: str, *, following: str = "") -> None:
    """Shows a token at the door."""
    page.goto(f"/login?next={following}" if following else "/login")
    page.get_by_label("Token").fill(secret)
    page.locator("main").get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize("window", ["page", "plain_page"])
def test_from_a_token_to_signing_out(request: pytest.FixtureRequest, window: str) -> None:
    """A token is made and shown once; with it one signs in, starts a check, and signs out."""
    page = cast("Page", request.getfixturevalue(window))
    secret = a_token(page, "mira", "check")
    page.goto("/tokens")
    expect(page.locator(".secret")).to_have_count(0)
    sign_in(page, secret, following="/e/UXMFA")
    expect(page).to_have_url(re.compile("/e/UXMFA$"))
    expect(page.locator(".viewer")).to_contain_text("mira")
    page.locator("main form[action='/checks'] button").first.click()
    expect(page).to_have_url(re.compile("/checks/[0-9a-f]+$"))
    page.locator(".viewer summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/login$"))
    page.goto("/audit?principal=mira")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("POST /logout")
    expect(rows.nth(1)).to_contain_text("entities/UXMFA")
    expect(rows.nth(2)).to_contain_text("POST /login")


def test_scripts_cannot_read_the_session(page: Page) -> None:
    """The cookie is out of their reach."""
    sign_in(page, a_token(page, "mira", "read"))
    names = {cookie["name"]: cookie for cookie in page.context.cookies()}
    assert names["ackrep_session"]["httpOnly"]
    assert "Lax" == names["ackrep_session"]["sameSite"]
    assert "" == page.evaluate("document.cookie")


def test_less_than_everything(plain_page: Page) -> None:
    """Who may only look sees no button, and is told what a page takes."""
    sign_in(plain_page, a_token(plain_page, "guest", "read"))
    plain_page.goto("/e/UXMFA")
    expect(plain_page.locator("main form[action='/checks']")).to_have_count(0)
    plain_page.goto("/tokens")
    expect(plain_page.locator("main")).to_contain_text("this takes the scope admin")


def test_wrong_token(plain_page: Page) -> None:
    """What does not work is said beside the field, which does not repeat it."""
    sign_in(plain_page, "ackrep_nonsense")
    expect(plain_page.get_by_role("alert")).to_contain_text("does not work")
    expect(plain_page.get_by_label("Token")).to_have_value("")


def test_another_sites_form(page: Page) -> None:
    """A form of a page elsewhere takes no cookie along and changes nothing."""
    sign_in(page, a_token(page, "mira", "maintain"))
    address = page.url.split("/", 3)
    page.context.route(
        "http://elsewhere.example/",
        lambda route: route.fulfill(
            content_type="text/html",
            body=f"<form method=post action='{'/'.join(address[:3])}/queue/pause'><button>x</form>",
        ),
    )
    other = page.context.new_page()
    other.goto("http://elsewhere.example/")
    other.get_by_role("button").click()
    expect(other.locator("body")).to_contain_text("another site's page may not change anything")


@pytest.mark.parametrize("path", ["/login", "/tokens", "/audit"])
def test_on_a_phone(phone: Page, path: str) -> None:
    """Nothing is wider than the window."""
    a_token(phone, "a.rather.long.name-of_somebody@somewhere.example", "maintain")
    phone.goto(path)
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not phone.evaluate(wide)
