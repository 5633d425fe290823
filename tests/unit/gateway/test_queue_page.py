"""The page of the queue, and what its forms do."""

from collections.abc import Callable
from html import unescape

import httpx
import pytest

from ackrep.scheduler.v1 import queue_pb2
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.fake_services import FakeServices
from tests.unit.gateway.page_texts import text_of


async def test_an_idle_queue(client: httpx.AsyncClient) -> None:
    """Where nothing waits the page says so, and there is nothing to replay or resume."""
    html = (await client.get("/queue")).text
    text = text_of(html)

    assert "Nothing waits, and nothing runs." in text
    assert "Nothing runs by itself." in text
    assert "Replay" not in text
    assert "Resume" not in text


async def test_what_is_shown(client: httpx.AsyncClient, services: FakeServices) -> None:
    """Lines, pauses, the order, dead letters, runners, schedules, and running bisections."""
    services.queue.furnish()
    text = text_of((await client.get("/queue")).text)

    for wanted in (
        "60 waiting, of at most 20000",
        "legacy_2021 paused 21 min ago",
        "its image is built anew",
        "Lorenz system",
        "and 55 more",
        "the runner was not heard of for 10 s",
        "3 attempts",
        "workshop-1 busy",
        "workshop-2 ready",
        "workshop-3 draining",
        "a new disk on Monday",
        "workshop-4 lost",
        "30 2 * * 1-5",
        "tag = chaos",
        "at most 20000 checks may wait",
        "3 states looked at, of 41 between 4be1c0de4b and 0badc0de0b",
    ):
        assert wanted in text, wanted
    assert 1 == text.count("looked at")  # of two bisections one runs


async def test_expected_time_is_shared(client: httpx.AsyncClient, services: FakeServices) -> None:
    """All that waits, over the slots of the runners that take checks: two of two slots."""
    services.queue.furnish()
    assert "10 min expected" in text_of((await client.get("/queue")).text)  # 2445 s over 4


async def test_pause_and_resume(client: httpx.AsyncClient, services: FakeServices) -> None:
    """The whole queue, with a reason; and on again."""
    answer = await client.post("/queue/pause", data={"reason": " moving house "})
    assert (303, "/queue") == (answer.status_code, answer.headers["location"])
    assert queue_pb2.PauseQueueRequest(reason="moving house") == services.queue.seen[-1]
    html = unescape((await client.get("/queue")).text)
    assert "The whole queue is paused" in text_of(html)
    assert 'name="pool" value="default"' in html
    assert 303 == (await client.post("/queue/resume", data={"pool": "default"})).status_code
    assert "is paused" not in text_of((await client.get("/queue")).text)


async def test_a_pause_that_is_gone(client: httpx.AsyncClient) -> None:
    """Somebody else was faster: the page says so."""
    answer = await client.post("/queue/resume", data={"pool": "default"})
    assert 404 == answer.status_code
    assert "default is not paused" in answer.text


async def test_replay(client: httpx.AsyncClient, services: FakeServices) -> None:
    """One dead letter, then all that are left."""
    services.queue.furnish()
    first, second = services.queue.dead
    await client.post("/queue/replay", data={"check": first.name})
    assert [second] == services.queue.dead
    await client.post("/queue/replay")
    assert [] == services.queue.dead


async def test_draining_a_runner(client: httpx.AsyncClient, services: FakeServices) -> None:
    """Its form asks why; resuming ends it."""
    services.queue.furnish()
    form = (await client.get("/queue?ask=drain&runner=runners/workshop-1")).text
    assert 'name="runner" value="runners/workshop-1"' in form
    assert "data-poll" not in form  # nothing takes a half-written reason away
    assert "http-equiv" not in form
    data = {"runner": "runners/workshop-1", "reason": "noise"}
    assert 303 == (await client.post("/queue/drain-runner", data=data)).status_code
    assert "workshop-1 draining" in text_of((await client.get("/queue")).text)
    assert 303 == (await client.post("/queue/resume-runner", data=data)).status_code
    assert "workshop-1 busy" in text_of((await client.get("/queue")).text)


async def test_reasons_of_failures_are_for_developers(
    make_gateway: Callable[..., Gateway], services: FakeServices
) -> None:
    """As everywhere, why the system failed is shown with `debug` only."""
    services.queue.furnish()
    text = text_of((await make_gateway(debug=False).client.get("/queue")).text)
    assert "Given up" in text
    assert "not heard of for 10 s" not in text


@pytest.mark.parametrize("path", ["pause", "resume", "replay", "drain-runner", "resume-runner"])
async def test_forms_are_guarded(
    client: httpx.AsyncClient,
    make_gateway: Callable[..., Gateway],
    services: FakeServices,
    path: str,
) -> None:
    """Another site's page changes nothing, and neither does anybody on a page for reading."""
    services.queue.furnish()
    before = len(services.queue.seen), len(services.scheduler.seen)
    foreign = {"origin": "https://elsewhere.example"}
    data = {"runner": "runners/workshop-1"}
    assert 403 == (await client.post(f"/queue/{path}", data=data, headers=foreign)).status_code
    public = make_gateway(address="0.0.0.0:8642", public_read=True).client
    assert 401 == (await public.post(f"/queue/{path}", data=data)).status_code
    assert before == (len(services.queue.seen), len(services.scheduler.seen))
    html = (await public.get("/queue?ask=pause")).text
    assert '<form method="post"' not in html
    assert "ask=drain" not in html
