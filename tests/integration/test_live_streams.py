"""Many readers over the whole system: real broker, catalog, scheduler, runner and gateways."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.engine import write_bare_environment
from tests.integration.test_gateway import BARE, SIMULATION, Gateway, running_gateway
from tests.whole_systems import System, running_system

READERS = 20
LINES = 3_000
SECONDS = 3.0
_PAUSE = SECONDS / LINES
_CHATTER = (
    "[(print(n, 'x' * 60, flush=True), "
    f"time.sleep(max(0, begin + n * {_PAUSE} - time.perf_counter()))) "
    f"for begin in [time.perf_counter()] for n in range({LINES})]"
)
EXPECTED = "".join(f"{n} {'x' * 60}\n" for n in range(LINES))


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    """The whole system over a repository with one model that writes 1,000 lines a second."""
    write_bare_environment(tmp_path / "environments")
    data = tmp_path / "data"
    environment = data / "environment_specifications" / "bare"
    environment.mkdir(parents=True)
    (environment / "metadata.yml").write_text(BARE)
    model = data / "system_models" / "chats"
    model.mkdir(parents=True)
    (model / "metadata.yml").write_text(
        "name: model\nkey: CHATS\ntype: system_model\ncreator: nobody\n"
        "compatible_environment: BARE1\n"
    )
    (model / "system_model.py").write_text("")
    (model / "simulation.py").write_text(SIMULATION.format(body=_CHATTER, success=True))
    async with running_system(
        tmp_path,
        source=data,
        backend="process",
        environments=tmp_path / "environments",
        more={"ACKREP_RUNNER_SLOTS": "1", "ACKREP_RUNNER_DRAIN_SECONDS": "1"},
    ) as running:
        yield running


@dataclass
class Seen:
    """What a reader got."""

    last: str = ""
    tokens: list[str] = field(default_factory=list)
    text: str = ""
    end: str = ""
    verdict: str = ""
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, line: str) -> None:
        """Takes a line of a stream, of one topic or of several."""
        if line.startswith("id: "):
            self.last = line[4:]
        elif line.startswith("event: "):
            self.end = line[7:]
        elif line.startswith("data: ") and not self.end:
            message = json.loads(line[6:])
            event = message.get("event", message)
            if message.get("topic", "checks/").startswith("checks/"):
                self.tokens.append(event["resumeToken"])
                self.text += event.get("log", {}).get("text", "")
                self.verdict = event.get("checkChanged", {}).get("verdict") or self.verdict
        self.grown.set()

    async def until(self, length: int) -> None:
        """Waits until it has so much of the log."""
        async with asyncio.timeout(60):
            while len(self.text) < length:
                self.grown.clear()
                await self.grown.wait()

    def is_whole(self) -> bool:
        """Whether it has all of a check of one attempt, in order, and each message once."""
        assert "VERDICT_SUCCESS" == self.verdict
        assert EXPECTED == self.text
        return len(set(self.tokens)) == len(self.tokens)


async def create(gateway: Gateway) -> str:
    """Starts the check; its name."""
    answer = await gateway.client.post(
        "/v1/checks", json={"entity": "entities/CHATS", "force": True}
    )
    name: str = answer.raise_for_status().json()["name"]
    return name


async def read(
    gateway: Gateway, path: str, seen: Seen, *, headers: dict[str, str] | None = None
) -> Seen:
    """Reads a stream until it ends or breaks."""
    with contextlib.suppress(httpx.RemoteProtocolError, httpx.ReadError):
        async with gateway.client.stream("GET", path, headers=headers, timeout=60) as answer:
            assert 200 == answer.status_code
            async for line in answer.aiter_lines():
                seen.take(line)
    return seen


async def gauges(gateway: Gateway) -> Sequence[int]:
    """How many connections, readers and sources there are at a gateway."""
    text = (await gateway.client.get("/metrics")).text
    names = ("connections", "readers", "sources")
    lines = dict(line.split(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return [int(lines[f"ackrep_gateway_stream_{name}"]) for name in names]


async def until(gateway: Gateway, wanted: Sequence[int]) -> None:
    """Waits until there are so many."""
    async with asyncio.timeout(20):
        while list(wanted) != await gauges(gateway):  # noqa: ASYNC110  # of another process
            await asyncio.sleep(0.05)


def stalled(gateway: Gateway, path: str) -> socket.socket:
    """A reader that asks and then reads nothing."""
    url = httpx.URL(str(gateway.client.base_url))
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((url.host, url.port))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {url.host}\r\n\r\n".encode())
    return connection


async def own_seconds(gateway: Gateway, name: str) -> float:
    """Wall time of the check's own code."""
    check: dict[str, Any] = (await gateway.client.get(f"/v1/{name}")).json()
    return float(check["result"]["usage"]["wallSeconds"])


async def test_many_readers_and_some_that_stall(system: System) -> None:
    """Each gets every line once over one call; who stalls delays neither them nor the check."""
    async with running_gateway(system) as gateway:
        first = await create(gateway)
        await read(gateway, f"/v1/{first}:watch", Seen())
        alone = await own_seconds(gateway, first)
        await until(gateway, [0, 0, 0])

        name = await create(gateway)
        path = f"/v1/{name}:watch"
        sleepers = [stalled(gateway, path) for _ in range(3)]
        seen = [Seen() for _ in range(READERS)]
        reading = [asyncio.ensure_future(read(gateway, path, one)) for one in seen]
        await until(gateway, [READERS + 3, READERS + 3, 1])
        await seen[0].until(len(EXPECTED) // 2)
        late = Seen()
        reading.append(asyncio.ensure_future(read(gateway, path, late)))
        async with asyncio.timeout(60):
            await asyncio.gather(*reading)
        for sleeper in sleepers:
            sleeper.close()

        assert all(one.is_whole() for one in (*seen, late)), system.logs
        assert {"end"} == {one.end for one in (*seen, late)}
        assert 1.5 * alone > await own_seconds(gateway, name)
        await until(gateway, [0, 0, 0])


async def test_a_killed_gateway(system: System) -> None:
    """Readers of several topics go on at another gateway where they were with each of them."""
    async with running_gateway(system) as first:
        name = await create(first)
        path = f"/live?watch=revisions&watch={name}&watch=activity"
        seen = Seen()
        reading = asyncio.ensure_future(read(first, path, seen))
        await seen.until(len(EXPECTED) // 4)
        first.process.kill()
        await reading
    assert seen.verdict in {"", "VERDICT_UNSPECIFIED"}
    async with running_gateway(system) as second:
        going_on = asyncio.ensure_future(
            read(second, path, seen, headers={"last-event-id": seen.last})
        )
        async with asyncio.timeout(60):
            while seen.end != "complete":
                seen.grown.clear()
                await seen.grown.wait()
        going_on.cancel()
        await asyncio.gather(going_on, return_exceptions=True)
        assert seen.is_whole(), system.logs


async def test_a_killed_scheduler(system: System) -> None:
    """Readers stay connected: the gateway goes on where it was, when the scheduler is back."""
    async with running_gateway(system) as gateway:
        name = await create(gateway)
        seen = [Seen() for _ in range(3)]
        reading = [asyncio.ensure_future(read(gateway, f"/v1/{name}:watch", one)) for one in seen]
        await seen[0].until(len(EXPECTED) // 4)
        system.services["scheduler"].kill()
        system.services["scheduler"].start()
        async with asyncio.timeout(90):
            await asyncio.gather(*reading)
        assert all(one.is_whole() for one in seen), system.logs
        assert {"end"} == {one.end for one in seen}
