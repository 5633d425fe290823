"""What strangers write runs nothing in a real browser."""

from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Browser, Dialog, Request

from tests.browser.conftest import Site, make_page
from tests.unit.gateway.hostile import VALUES
from tests.unit.gateway.test_hostile_pages import addresses_with, poison

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("value", VALUES)
def test_nothing_runs(browser: Browser, site: Site, value: str) -> None:
    """In every field and address: no script, no dialog, no foreign request, no way to run one."""
    check = poison(site.services, value)
    context, page = make_page(browser, site)
    offences: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        offences.append(dialog.message)
        dialog.dismiss()

    def note(request: Request) -> None:
        if not request.url.startswith((site.address, "data:")):
            offences.append(request.url)

    page.on("dialog", dismiss)
    page.on("request", note)
    page.on("popup", lambda popup: offences.append(f"popup {popup.url}"))
    for path in [
        "/", "/entities", "/e/UXMFA", f"/{check}", "/diagnostics", "/ontology", "/ontology/Leaf",
        "/revisions", "/revisions/1a2b3c4d..current", "/queue", *addresses_with(value),
    ]:  # fmt: skip
        page.goto(path)
        assert "ran" != page.title(), path
        assert urlsplit(page.url).netloc == urlsplit(site.address).netloc
        assert [] == page.evaluate(
            """() => [...document.querySelectorAll('[href], [src], [action], [data]')]
                .flatMap(e => ['href', 'src', 'action', 'data'].map(a => e.getAttribute(a) || ''))
                .filter(a => /^\\s*(javascript|data|vbscript):/i.test(a))"""
        ), path
        assert [] == page.evaluate(
            """() => [...document.querySelectorAll('*')].flatMap(e => [...e.attributes])
                .filter(a => a.name.startsWith('on')).map(a => a.name)"""
        ), path
    assert [] == offences
    context.close()


def test_hostile_search_while_typing(browser: Browser, site: Site) -> None:
    """What is taken over while somebody types runs nothing either."""
    poison(site.services, VALUES[1])
    context, page = make_page(browser, site)
    page.goto(f"/entities?q={quote('a')}")
    field = page.locator("#q")
    for value in VALUES[:4]:
        field.fill(value)
        page.wait_for_function(
            "text => new URL(location).searchParams.get('q') === text.trim()", arg=value
        )
        assert "ran" != page.title()
    context.close()
