"""System models in formulas, as a real browser shows them."""

import os

import pytest
from playwright.sync_api import Page, expect

from ackrep.scheduler.v1 import check_pb2
from tests.browser.conftest import Site

pytestmark = pytest.mark.browser


def model_page(page: Page, site: Site, *, equation: str = "") -> None:
    """Opens the page of a check whose model has formulas."""
    story = site.services.scheduler.add("UXMFA", check_pb2.VERDICT_SUCCESS)
    if equation:
        story.check.result.description.equations.append(equation)
    page.goto(f"/{story.check.name}")


def test_formulas_are_set(page: Page, site: Site) -> None:
    """Equations, symbols and values are set; what is no formula is left as it is."""
    model_page(page, site)
    card = page.locator("#model-section")
    expect(card.locator(".katex-display")).to_have_count(3)
    expect(card.locator("tbody tr")).to_have_count(3)
    expect(card.locator("tbody .katex").first).to_be_visible()
    expect(card.get_by_role("cell", name="Prandtl number")).to_be_visible()
    if folder := os.environ.get("ACKREP_SCREENSHOTS"):
        card.screenshot(path=f"{folder}/model.png")


def test_long_formulas_scroll_in_their_card(phone: Page, site: Site) -> None:
    """However long an equation is, the page is not wider than the window."""
    model_page(phone, site, equation=" + ".join(f"x_{{{n}}}" for n in range(100)))
    expect(phone.locator("#model-section .katex-display")).to_have_count(4)
    wide = phone.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0
    if folder := os.environ.get("ACKREP_SCREENSHOTS"):
        phone.locator("#model-section").screenshot(path=f"{folder}/model_phone.png")
