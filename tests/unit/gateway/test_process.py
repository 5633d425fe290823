"""The gateway as a process of its own."""

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import httpx
import pytest

from ackrep.scheduler.v1 import check_pb2
from tests.unit.gateway.fake_services import TOKEN, FakeServices

Process = asyncio.subprocess.Process


@pytest.fixture
async def start(
    services: FakeServices,
) -> AsyncIterator[Callable[..., Coroutine[Any, Any, Process]]]:
    """Starts gateways with environment variables; stops them at the end."""
    started: list[Process] = []

    async def run(**environ: str) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway",
            env={
                **os.environ,
                "ACKREP_GATEWAY_ADDRESS": "127.0.0.1:0",
                "ACKREP_GATEWAY_CATALOG": services.address,
                "ACKREP_GATEWAY_SCHEDULER": services.address,
                "ACKREP_TOKEN": TOKEN,
                **environ,
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            stdin=asyncio.subprocess.PIPE,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def address_of(process: Process) -> str:
    """Waits until a gateway says where it listens."""
    assert process.stderr
    async with asyncio.timeout(20):
        while line := (await process.stderr.readline()).decode():
            if found := re.search(r"http://\S+", line):
                return found.group().rstrip("/")
    raise AssertionError("the gateway ended")


async def test_first_page(start: Callable[..., Coroutine[Any, Any, Process]]) -> None:
    """A gateway shows its first page soon after it was started, and prints nothing but logs."""
    begin = time.monotonic()
    process = await start()
    address = await address_of(process)
    async with httpx.AsyncClient() as client:
        answer = await client.get(address)

    assert 200 == answer.status_code
    assert "Lorenz system" in answer.text
    assert time.monotonic() - begin < 10  # about one second; the bound only catches hangs
    process.send_signal(signal.SIGTERM)
    output, _ = await asyncio.wait_for(process.communicate(), 10)
    assert b"" == output


async def test_stop_with_open_stream(
    start: Callable[..., Coroutine[Any, Any, Process]], services: FakeServices
) -> None:
    """A stream that is being watched does not keep a gateway from stopping."""
    story = services.scheduler.add("UXMFA", check_pb2.VERDICT_SUCCESS)
    story.check.state = check_pb2.Check.STATE_RUNNING
    process = await start()
    address = await address_of(process)
    async with (
        httpx.AsyncClient(timeout=10) as client,
        client.stream("GET", f"{address}/v1/{story.check.name}:watch") as answer,
    ):
        chunks = answer.aiter_text()
        assert await anext(chunks)
        process.send_signal(signal.SIGTERM)
        rest = "".join([chunk async for chunk in chunks])

    assert "event: end" not in rest
    assert 0 == await asyncio.wait_for(process.wait(), 10)


async def test_lost_parent(start: Callable[..., Coroutine[Any, Any, Process]]) -> None:
    """In embedded mode a gateway stops when its parent is gone."""
    process = await start(ACKREP_PARENT_PIPE="1")
    await address_of(process)
    assert process.stdin
    process.stdin.close()

    assert 0 == await asyncio.wait_for(process.wait(), 10)


async def test_refuses_to_open_up(start: Callable[..., Coroutine[Any, Any, Process]]) -> None:
    """An address beyond loopback ends the process with a sentence that says what to set."""
    process = await start(ACKREP_GATEWAY_ADDRESS="0.0.0.0:0")
    _, errors = await asyncio.wait_for(process.communicate(), 20)

    assert 3 == process.returncode
    assert b"ACKREP_GATEWAY_PUBLIC_READ=1" in errors
    assert b"Traceback" not in errors


async def test_address_in_use(start: Callable[..., Coroutine[Any, Any, Process]]) -> None:
    """An address that is taken ends the process with one line."""
    first = await start()
    port = (await address_of(first)).rpartition(":")[2]
    process = await start(ACKREP_GATEWAY_ADDRESS=f"127.0.0.1:{port}")
    _, errors = await asyncio.wait_for(process.communicate(), 20)

    assert 3 == process.returncode
    assert b"cannot listen on 127.0.0.1" in errors
