"""Following the current revision over real gRPC and HTTP."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from ackrep.catalog.v1 import catalog_pb2 as pb
from gateway import __main__ as gateway_process
from gateway.settings import Settings as GatewaySettings
from services import rpc
from services.catalog.__main__ import running
from services.catalog.settings import Settings
from services.errors import SourceError
from tests.catalog_system import TOKEN, Stub, catalog, data_repository_at, sync
from tests.git_repositories import user_git, write

WATCH = pb.WatchCurrentRevisionRequest()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A committed data repository."""
    return data_repository_at(tmp_path / "my_data")


@pytest.fixture
async def stub(data: Path, tmp_path: Path) -> AsyncIterator[Stub]:
    """A catalog that reads `data` when it is asked to."""
    async with catalog(data, tmp_path / "state") as found:
        yield found


async def next_of(stream: Any) -> pb.Revision:
    """The next revision of a stream, soon."""
    async with asyncio.timeout(10):
        found = await stream.read()
    assert isinstance(found, pb.Revision)
    return found


async def test_the_present_revision_comes_first_and_then_each_change(
    stub: Stub, data: Path
) -> None:
    """A reader that comes before the first index gets it when it is ready, then the next ones."""
    stream = stub.WatchCurrentRevision(WATCH)
    first = await next_of(stream)
    assert await sync(stub) == first
    write(data, {"new": "1"})
    second = await sync(stub)
    assert second == await next_of(stream)
    assert second == await next_of(stub.WatchCurrentRevision(WATCH))
    user_git(data, "add", ".")
    user_git(data, "commit", "-q", "-m", "second")
    committed = await sync(stub)
    assert (second.name, True, False) == (committed.name, second.dirty, committed.dirty)
    assert committed == await next_of(stream)


async def test_many_readers_are_told_at_once(stub: Stub, data: Path) -> None:
    """Two hundred readers get each change; one that reads nothing delays none."""
    idle = stub.WatchCurrentRevision(WATCH)
    streams = [stub.WatchCurrentRevision(WATCH) for _ in range(200)]
    first = await asyncio.gather(*map(next_of, streams))
    for number in range(5):
        write(data, {"new": str(number)})
        changed = await sync(stub)
        assert [changed] * 200 == await asyncio.gather(*map(next_of, streams))
    assert 1 == len({revision.name for revision in first})
    idle.cancel()


async def test_a_stop_waits_for_no_reader(data: Path, tmp_path: Path) -> None:
    """Streams end without an error when the service stops, and do not delay it."""
    settings = Settings(token=TOKEN, source=str(data), state=tmp_path / "s", address="127.0.0.1:0")
    async with contextlib.AsyncExitStack() as service:
        port = await service.enter_async_context(running(settings))
        channel = rpc.dial(f"127.0.0.1:{port}", token=TOKEN)
        stream = Stub(channel).WatchCurrentRevision(WATCH)
        await next_of(stream)
        ended = asyncio.create_task(stream.read())
        begin = time.monotonic()
    assert 3.0 > time.monotonic() - begin
    assert grpc.aio.EOF == await ended
    await channel.close()


async def test_what_was_current_stays_so_without_the_source(data: Path, tmp_path: Path) -> None:
    """A catalog that starts while its source is away tells what was indexed last."""
    async with catalog(data, tmp_path / "state") as stub:
        before = await sync(stub)
    data.rename(tmp_path / "away")
    async with catalog(data, tmp_path / "state") as stub:
        assert before == await next_of(stub.WatchCurrentRevision(WATCH))
        with pytest.raises(SourceError), rpc.remote_errors():
            await sync(stub)


async def test_readers_over_http_get_events(data: Path, tmp_path: Path) -> None:
    """The gateway hands the stream on as server-sent events, and stops without waiting for it."""
    settings = Settings(token=TOKEN, source=str(data), state=tmp_path / "s", address="127.0.0.1:0")
    async with running(settings) as port:
        stop = asyncio.Event()
        listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        served = asyncio.create_task(
            gateway_process.serve(
                GatewaySettings(
                    catalog=f"127.0.0.1:{port}",
                    scheduler="127.0.0.1:1",
                    token=TOKEN,
                    address="127.0.0.1:0",
                ),
                stop,
                listening=listening.set_result,
            )
        )
        address = f"http://127.0.0.1:{await listening}"
        async with (
            asyncio.timeout(20),
            httpx.AsyncClient(base_url=address) as client,
            client.stream("GET", "/v1/revisions:watch") as answer,
        ):
            assert "text/event-stream; charset=utf-8" == answer.headers["content-type"]
            events = (
                json.loads(line.removeprefix("data: "))
                async for line in answer.aiter_lines()
                if line.startswith("data: ")
            )
            first = await anext(events)
            assert user_git(data, "rev-parse", "HEAD") == first["commit"]
            write(data, {"new": "1"})
            synced = await client.post("/v1/revisions:sync")
            assert synced.json() == await anext(events)
            stop.set()
            assert [] == [event async for event in events]
        async with asyncio.timeout(10):
            await served
