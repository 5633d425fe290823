"""Several streams on one connection: `/live`."""

import asyncio
import dataclasses
import json
import socket
from collections.abc import Callable

import httpx
import pytest
import uvicorn

from ackrep.scheduler.v1 import check_pb2
from gateway.app import build
from gateway.live.connections import Protocol
from gateway.live.entries import entry_of
from gateway.live.sources import Limits
from gateway.live.streams import Streams
from tests.unit.gateway.conftest import Gateway, eventually
from tests.unit.gateway.fake_services import FakeServices
from tests.unit.gateway.test_event_streams import Connection, long_story, parse

LINE = "x" * 1000 + "\n"


async def test_topics_share_a_connection(client: httpx.AsyncClient, services: FakeServices) -> None:
    """Each event says of which topic it is; each topic's end is told, and then the end of all."""
    stories = [long_story(services), long_story(services)]
    names = [story.check.name for story in stories]
    answer = await client.get(f"/live?watch={names[0]}&watch={names[1]}")

    events = parse(answer.text)
    assert "text/event-stream; charset=utf-8" == answer.headers["content-type"]
    assert {"event": "end", "data": "{}"} == events[-1]
    for story, name in zip(stories, names, strict=True):
        own = [data for e in events[:-1] if (data := json.loads(e["data"]))["topic"] == name]
        assert [one.resume_token for one in story.events] == [data["token"] for data in own[:-1]]
        assert {"topic": name} == own[-1]
        assert "simulating" in own[0]["event"]["log"]["text"]


async def test_one_id_resumes_all_topics(client: httpx.AsyncClient, services: FakeServices) -> None:
    """Wherever a connection breaks, its last id brings what is left of each topic."""
    stories = [long_story(services), long_story(services)]
    path = "/live?" + "&".join(f"watch={story.check.name}" for story in stories)
    whole = [e for e in parse((await client.get(path)).text) if "id" in e]
    for count in range(1, len(whole)):
        answer = await client.get(path, headers={"last-event-id": whole[count - 1]["id"]})
        rest = [e["data"] for e in parse(answer.text) if "id" in e]
        assert sorted(e["data"] for e in whole[count:]) == sorted(rest)


async def test_tokens_in_the_address(client: httpx.AsyncClient, services: FakeServices) -> None:
    """A page that has a part already asks for what comes after it."""
    story = long_story(services)
    seen = story.events[1].resume_token
    answer = await client.get(f"/live?watch={story.check.name}@{seen}")
    tokens = [json.loads(e["data"])["token"] for e in parse(answer.text) if "id" in e]
    assert [event.resume_token for event in story.events[2:]] == tokens


async def test_what_is_not_there(client: httpx.AsyncClient, services: FakeServices) -> None:
    """A topic that fails is told of; the others go on."""
    story = long_story(services)
    answer = await client.get(f"/live?watch=checks/none&watch={story.check.name}")
    events = parse(answer.text)
    [failed] = [json.loads(e["data"]) for e in events if e.get("event") == "failed"]
    assert "checks/none" == failed["topic"]
    assert 404 == failed["error"]["code"]
    assert len(story.events) == len([e for e in events if "id" in e])


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "topics are named"),
        ("watch=checks/1&watch=checks/1", "named twice"),
        ("watch=secrets/1", "nothing can be watched"),
        ("watch=checks/1/2", "nothing can be watched"),
        ("watch=../v1/entities", "nothing can be watched"),
        ("watch=revisions&lastEventId=1,2", "is of 2 topics"),
        (f"watch=revisions@{'1' * 201}", "last event id"),
        ("&".join(f"watch=checks/{n}" for n in range(33)), "between one and 32"),
    ],
)
async def test_bad_wishes(client: httpx.AsyncClient, query: str, says: str) -> None:
    """Topics are looked at before anything is sent."""
    answer = await client.get(f"/live?{query}", headers={"accept": "application/json"})
    assert 400 == answer.status_code
    assert says in answer.text


async def test_who_may_not_see_errors(
    make_gateway: Callable[..., Gateway], services: FakeServices
) -> None:
    """Of a check that runs they get no log: what comes of it is not known yet."""
    story = long_story(services)
    story.check.state = check_pb2.Check.STATE_RUNNING
    story.check.verdict = check_pb2.VERDICT_UNSPECIFIED
    connection = Connection(make_gateway(debug=False).app, f"/live?watch={story.check.name}")
    sent = ""
    while "phase" not in sent:
        sent += await connection.next()
    await connection.leave()
    assert "simulating" not in sent


def test_what_errors_say_is_withheld() -> None:
    """Logs go, tracebacks and messages of script errors too; what is right stays."""
    check = check_pb2.Check(verdict=check_pb2.VERDICT_SCRIPT_ERROR)
    check.result.traceback = "a secret"
    check.result.message = "a secret"
    entry = entry_of(check_pb2.CheckEvent(resume_token="1.2", check_changed=check))
    assert b"a secret" in (entry.seen(errors=True) or b"")
    withheld = entry.seen(errors=False)
    assert withheld is not None
    assert b"a secret" not in withheld
    assert b"VERDICT_SCRIPT_ERROR" in withheld
    log = check_pb2.CheckEvent(log=check_pb2.LogChunk(text="a secret"))
    assert entry_of(log).seen(errors=False) is None
    check.verdict = check_pb2.VERDICT_SUCCESS
    fine = entry_of(check_pb2.CheckEvent(check_changed=check))
    assert fine.seen(errors=True) == fine.seen(errors=False)


async def test_who_reads_nothing_is_cut_off(
    make_gateway: Callable[..., Gateway], services: FakeServices
) -> None:
    """At once and whole: neither the connection nor a call of it is left."""
    streams = Streams(Limits(stall_seconds=0.3, linger_seconds=0.1))
    app = build(dataclasses.replace(make_gateway().context, streams=streams))
    story = long_story(services)
    story.check.state = check_pb2.Check.STATE_RUNNING
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, http=Protocol, lifespan="off", log_config=None))
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    reader, writer = await asyncio.open_connection(*listener.getsockname(), limit=1)
    writer.write(f"GET /v1/{story.check.name}:watch HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    await eventually(lambda: services.scheduler.watchers == 1)
    transport = writer.transport
    transport.pause_reading()  # type: ignore[attr-defined]  # of sockets
    for _ in range(200):
        for _ in range(100):
            await story.tell(log=check_pb2.LogChunk(text=LINE))
        if services.scheduler.watchers == 0:
            break
        await asyncio.sleep(0.02)
    await eventually(lambda: services.scheduler.watchers == 0)
    assert "ackrep_gateway_stream_connections 0" in streams.metrics()
    transport.resume_reading()  # type: ignore[attr-defined]
    got = b""
    async with asyncio.timeout(10):
        while chunk := await reader.read(1 << 20):
            got += chunk
    assert got.count(b"data: ") < len(story.events)
    assert b"event: end" not in got
    server.should_exit = True
    await serving
