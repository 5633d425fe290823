"""Server-sent events: the format, resuming, and ending."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from ackrep.scheduler.v1 import check_pb2
from gateway import sse
from gateway.live import feed
from gateway.transcoding import Transcoder
from tests.unit.gateway.conftest import Gateway, eventually
from tests.unit.gateway.fake_services import FakeServices
from tests.unit.gateway.fake_stories import Story


class Connection:
    """One HTTP request to an ASGI application whose answer is read while it is made."""

    def __init__(self, app: Any, path: str, headers: dict[str, str] | None = None) -> None:
        raw, _, query = path.partition("?")
        self._scope = {
            "type": "http",
            "method": "GET",
            "path": raw,
            "raw_path": raw.encode(),
            "query_string": query.encode(),
            "headers": [
                (b"host", b"localhost"),
                *((key.encode(), value.encode()) for key, value in (headers or {}).items()),
            ],
        }
        self.status = 0
        self.chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self._gone = asyncio.Event()
        self._asked = False
        self.task = asyncio.ensure_future(app(self._scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message.get("body"):
            self.chunks.put_nowait(message["body"])

    async def next(self) -> str:
        """Returns the next thing that was sent."""
        async with asyncio.timeout(5):
            return (await self.chunks.get()).decode()

    async def leave(self) -> None:
        """Closes the connection as a browser does."""
        self._gone.set()
        async with asyncio.timeout(5):
            await self.task


def parse(text: str) -> list[dict[str, str]]:
    """Reads events as a browser does."""
    events = []
    for block in text.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":")
        )
        if "data" in fields:
            events.append(fields)
    return events


def long_story(services: FakeServices) -> Story:
    """Adds a finished check with several events."""
    return services.scheduler.add("UXMFA", check_pb2.VERDICT_SUCCESS)


async def test_whole_stream(client: httpx.AsyncClient, services: FakeServices) -> None:
    """Each message is one event with its resume token as id; the last event says the end."""
    story = long_story(services)
    answer = await client.get(f"/v1/{story.check.name}:watch")

    events = parse(answer.text)
    assert "text/event-stream; charset=utf-8" == answer.headers["content-type"]
    assert "no-store" == answer.headers["cache-control"]
    assert [event.resume_token for event in story.events] == [e["id"] for e in events[:-1]]
    assert "end" == events[-1]["event"]
    assert "simulating" in json.loads(events[0]["data"])["log"]["text"]


@pytest.mark.parametrize("how", ["header", "lastEventId", "resumeToken"])
async def test_resume(client: httpx.AsyncClient, services: FakeServices, how: str) -> None:
    """A client that says the last id it saw gets what came after it: no gap, no repetition."""
    story = long_story(services)
    seen = story.events[1].resume_token
    query = "" if how == "header" else f"?{how}={seen}"
    headers = {"last-event-id": seen} if how == "header" else {}
    answer = await client.get(f"/v1/{story.check.name}:watch{query}", headers=headers)

    expected = [event.resume_token for event in story.events[2:]]
    assert expected == [event["id"] for event in parse(answer.text)[:-1]]


async def test_header_wins(client: httpx.AsyncClient, services: FakeServices) -> None:
    """A browser that reconnects knows more than the address that it began with."""
    story = long_story(services)
    answer = await client.get(
        f"/v1/{story.check.name}:watch?lastEventId={story.events[0].resume_token}",
        headers={"last-event-id": story.events[2].resume_token},
    )

    expected = [event.resume_token for event in story.events[3:]]
    assert expected == [e["id"] for e in parse(answer.text)[:-1]]


@pytest.mark.parametrize(
    ("path", "status"), [("/v1/checks/none:watch", 404), ("{name}:watch?resumeToken=x", 400)]
)
async def test_early_failure(
    client: httpx.AsyncClient, services: FakeServices, path: str, status: int
) -> None:
    """A stream that fails before its first message has the status of its failure."""
    name = f"/v1/{long_story(services).check.name}"
    answer = await client.get(path.format(name=name))

    assert status == answer.status_code
    assert status == answer.json()["error"]["code"]


async def test_disconnect_cancels(
    make_gateway: Callable[..., Gateway], services: FakeServices
) -> None:
    """When a client leaves, the call behind it ends too."""
    story = long_story(services)
    story.check.state = check_pb2.Check.STATE_RUNNING
    connection = Connection(make_gateway().app, f"/v1/{story.check.name}:watch")
    await connection.next()
    await eventually(lambda: services.scheduler.watchers == 1)

    await connection.leave()

    await eventually(lambda: services.scheduler.watchers == 0)


async def test_keep_alive(make_gateway: Callable[..., Gateway], services: FakeServices) -> None:
    """A silent stream sends comments, so that nothing between takes it for dead."""
    story = long_story(services)
    story.events.clear()
    story.check.state = check_pb2.Check.STATE_RUNNING
    gateway = make_gateway()
    transcoder = Transcoder(
        gateway.context.upstream, closing=gateway.context.closing, keep_alive=0.05
    )
    connection = Connection(transcoder, f"/v1/{story.check.name}:watch")

    assert (await connection.next()).startswith("retry: ")
    assert ": keep-alive\n\n" == await connection.next()
    assert ": keep-alive\n\n" == await connection.next()
    assert 15.0 == feed.KEEP_ALIVE_SECONDS
    await connection.leave()


async def test_shutdown(make_gateway: Callable[..., Gateway], services: FakeServices) -> None:
    """A gateway that stops cuts its streams without saying that they ended."""
    story = long_story(services)
    story.check.state = check_pb2.Check.STATE_RUNNING
    gateway = make_gateway()
    connection = Connection(gateway.app, f"/v1/{story.check.name}:watch")
    sent = ""
    while sent.count("data: ") < len(story.events):
        sent += await connection.next()

    gateway.context.closing.set()
    async with asyncio.timeout(5):
        await connection.task

    while not connection.chunks.empty():
        sent += await connection.next()
    assert len(story.events) == len(parse(sent))
    assert "event: end" not in sent


async def test_late_failure(client: httpx.AsyncClient, services: FakeServices) -> None:
    """A stream that fails on its way says so in its last event, and tells nothing of its inside."""
    story = long_story(services)
    services.scheduler.failure = RuntimeError("the inside of the scheduler")
    answer = await client.get(f"/v1/{story.check.name}:watch")

    *messages, last = parse(answer.text)
    assert len(story.events) == len(messages)
    assert "error" == last["event"]
    assert "INTERNAL" == json.loads(last["data"])["error"]["status"]
    assert "inside" not in answer.text


def test_token_cannot_break_out() -> None:
    """A token with a line break adds nothing to the event."""
    event = check_pb2.CheckEvent(resume_token="1\nevent: end")

    assert sse.event(event).startswith(b"data: ")
