"""What strangers write runs nothing when it comes live; and what would run is noticed."""

import httpx
import pytest
from playwright.sync_api import Browser, expect

from ackrep.scheduler.v1 import check_pb2
from tests.browser.conftest import Site
from tests.browser.watching import Watch
from tests.unit.gateway.hostile import CANARY, CORPUS, plain

pytestmark = pytest.mark.browser

_UNSAFE = (
    "<script>self.__xss=1</script>",
    "<body onload='alert(1)'>",
    f"<img src='https://{CANARY}/p.png'>",
    "<a href='java\tscript:1'>x</a>",
    "<svg><a xlink:href=javascript:1></a></svg>",
    "<iframe srcdoc='<script>self.__xss=1</script>'></iframe>",
    "<base href=/x>",
    "<script>throw new Error('x')</script>",
    "<script>document.title='ran'</script>",
)


@pytest.mark.parametrize("html", _UNSAFE)
def test_what_runs_is_noticed(browser: Browser, site: Site, html: str) -> None:
    """Each kind of page that should never be is told by the one who watches."""
    context = browser.new_context(base_url=site.address)
    watch = Watch(context, site.address)
    context.route(
        "**/unsafe",
        lambda route: route.fulfill(body=f"<!doctype html>{html}", content_type="text/html"),
    )
    watch.visit("/unsafe")
    context.close()
    assert watch.offences


def test_events(browser: Browser, site: Site) -> None:
    """Log lines, progress, phases and artefacts, one of each with every value."""
    scheduler = site.services.scheduler
    scheduler.lines = 5000
    context = browser.new_context(base_url=site.address)
    context.set_default_timeout(30_000)
    watch = Watch(context, site.address)
    answer = httpx.post(f"{site.address}/v1/checks", json={"entity": "entities/UXMFA"})
    name: str = answer.raise_for_status().json()["name"]
    watch.visit(f"/{name}", status=200)
    expect(watch.page.locator("#log")).to_contain_text("step    1,", timeout=30_000)
    events = scheduler.stories[name].events
    told = []
    for one in CORPUS:
        text = plain(one.text)
        plot = scheduler.store(b"<svg onload='self.__xss=1'/>", f"x/{text}", "image/svg+xml")
        stderr = check_pb2.LogChunk.Stream.STREAM_STDERR
        told += [
            check_pb2.CheckEvent(log=check_pb2.LogChunk(stream=stderr, text=f"{text}\n")),
            check_pb2.CheckEvent(progress=check_pb2.Progress(message=text)),
            check_pb2.CheckEvent(phase=check_pb2.Phase(name=text)),
            check_pb2.CheckEvent(artefact=plot),
        ]
    told.append(check_pb2.CheckEvent(log=check_pb2.LogChunk(text="all was told\n")))
    for number, event in enumerate(told, len(events) + 1):
        event.check, event.attempt, event.sequence = name, 1, number
        event.resume_token = f"1.{number}"
    events.extend(told)
    expect(watch.page.locator("#log")).to_contain_text("all was told", timeout=60_000)
    expect(watch.page.locator("#log")).to_contain_text(CORPUS[0].text)
    watch.look()
    scheduler.stories[name].check.cancel_requested = True
    expect(watch.page.locator("[data-verdict]")).to_contain_text("ancelled", timeout=60_000)
    watch.look()
    context.close()
    assert not watch.offences, "\n".join(watch.offences)
