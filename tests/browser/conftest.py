"""Chromium, and a gateway in a process of its own over made-up services."""

import asyncio
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from gateway.__main__ import serve
from gateway.settings import Settings
from tests.requirements import need
from tests.unit.gateway.fake_services import TOKEN, FakeServices, fake_services

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, once for each module.

    Not for the session: as long as it lives, Playwright keeps an event loop running in this thread,
    and the asynchronous tests of other modules could not have theirs.
    """
    need(CHROMIUM, what="Chromium (Debian: chromium)")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@dataclass
class Site:
    """A running gateway and what is behind it."""

    address: str
    services: FakeServices


class _Thread(threading.Thread):
    """Runs services and gateway in an event loop of their own: Playwright's holds the main one."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.started = threading.Event()
        self.site: Site | None = None
        self.failure: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._ending = asyncio.Event()

    def run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:  # noqa: BLE001  # told to the test that waits
            self.failure = error
        finally:
            self.started.set()
            self._loop.close()

    async def _serve(self) -> None:
        async with fake_services(pace=0.06) as services:
            services.scheduler.furnish()
            listening: asyncio.Future[int] = self._loop.create_future()
            settings = Settings(
                catalog=services.address,
                scheduler=services.address,
                token=TOKEN,
                address="127.0.0.1:0",
            )
            serving = asyncio.ensure_future(
                serve(settings, self._ending, listening=listening.set_result)
            )
            waiting: set[asyncio.Future[Any]] = {serving, listening}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            self.site = Site(f"http://127.0.0.1:{listening.result()}", services)
            self.started.set()
            await serving

    def stop(self) -> None:
        """Stops the gateway and waits for it."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ending.set)
        self.join(20)


@pytest.fixture
def site(browser: Browser) -> Iterator[Site]:
    """A gateway with a believable history; what tests start there runs for about a second."""
    thread = _Thread()
    thread.start()
    assert thread.started.wait(20)
    if thread.site is None:
        raise AssertionError("the gateway did not start") from thread.failure
    yield thread.site
    thread.stop()
    assert not thread.is_alive()


def make_page(browser: Browser, site: Site, **options: object) -> tuple[BrowserContext, Page]:
    """Opens a browser window on the site; `options` as Playwright's `new_context`."""
    context = browser.new_context(base_url=site.address, **options)  # type: ignore[arg-type]
    context.set_default_timeout(10_000)
    return context, context.new_page()


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    """A desktop window. Whatever a page complains of on its console fails the test."""
    context, page = make_page(browser, site, viewport={"width": 1280, "height": 900})
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type == "error" else None,
    )
    yield page
    context.close()
    assert [] == complaints


@pytest.fixture
def plain_page(browser: Browser, site: Site) -> Iterator[Page]:
    """A window without JavaScript."""
    context, page = make_page(browser, site, java_script_enabled=False)
    yield page
    context.close()


@pytest.fixture
def phone(browser: Browser, site: Site) -> Iterator[Page]:
    """A window as wide as a phone."""
    context, page = make_page(
        browser, site, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    yield page
    context.close()
