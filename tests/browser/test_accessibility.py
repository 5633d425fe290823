"""No page has a serious issue that axe-core finds: light and dark, on a desktop and a phone."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.browser.conftest import Site
from tests.browser.test_walk import PHONE, addresses, window

pytestmark = pytest.mark.browser

_GRAVE = {"serious", "critical"}
_OPTIONS = {"resultTypes": ["violations"]}


@pytest.mark.parametrize(("scheme", "size"), [("light", "desktop"), ("dark", "phone")])
def test_no_serious_issue(browser: Browser, site: Site, scheme: str, size: str) -> None:
    """Contrast, names, roles, order of headings, landmarks: whatever axe-core can decide.

    Colours do not depend on the width, nor names on the scheme, so two of the four will do.
    """
    axe, found = Axe(), []
    with window(browser, site, scheme=scheme, **(PHONE if size == "phone" else {})) as page:
        for address in addresses(site, page):
            page.goto(address)
            # What is folded away is looked at, too.
            page.evaluate("document.querySelectorAll('main details').forEach(e => e.open = true)")
            answer = axe.run(page, options=_OPTIONS).response
            found += [
                (address, one["id"], node["html"][:160], node["failureSummary"][:200])
                for one in answer["violations"]
                if one["impact"] in _GRAVE
                for node in one["nodes"][:3]
            ]
    assert [] == found
