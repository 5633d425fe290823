"""What docker-py raises of an engine that is gone, silent or broken, in our words."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import docker
import pytest

from services.errors import UnavailableError
from services.runner.domain.engines import EngineAwayError
from services.runner.engine import containers as engines
from services.runner.engine.calls import call
from services.runner.engine.containers import Bounds, Engine
from services.runner.workplaces.containers import ContainerBackend
from tests import backends
from tests.runner_builders import definition


def _engine(socket: Path) -> Engine:
    client = docker.APIClient(base_url=f"unix://{socket}", version="1.41", timeout=60)
    return Engine(client, version="0", host="here", components={})


@contextlib.asynccontextmanager
async def _serving(folder: Path, answer: bytes | None) -> AsyncIterator[Engine]:
    """An engine that answers every request so and closes; None: it never answers."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await reader.read()  # until the other side gives up
        else:
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(serve, folder / "d.sock")
    engine = _engine(folder / "d.sock")
    try:
        yield engine
    finally:
        await engine.close()
        server.close()


async def test_an_engine_that_is_gone_is_away(tmp_path: Path) -> None:
    """There is no socket, or nobody listens on it any more."""
    engine = _engine(tmp_path / "d.sock")
    with pytest.raises(EngineAwayError, match="does not answer"):
        await engine.remove("x")
    assert not await engine.answers()
    async with _serving(tmp_path, b""):
        pass
    with pytest.raises(EngineAwayError):
        await engine.images.find("x")
    assert not await engine.answers()


async def test_an_engine_that_breaks_off_is_away(tmp_path: Path) -> None:
    """It was killed while it answered."""
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"
    for answer in (b"", begun):
        (tmp_path / "d.sock").unlink(missing_ok=True)
        async with _serving(tmp_path, answer) as engine:
            with pytest.raises(EngineAwayError):
                await engine.starved("x")


async def test_an_engine_that_hangs_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It accepts connections, as one that is stopped does, and no call waits for long."""
    monkeypatch.setattr(engines, "_PING_SECONDS", 0.1)
    monkeypatch.setattr(engines, "_PROMPT_SECONDS", 0.1)
    async with _serving(tmp_path, None) as engine, asyncio.timeout(10):
        assert not await engine.answers()
        with pytest.raises(EngineAwayError, match=r"within 0\.1 s"):
            await engine.bound("x", memory_bytes=1)
        with pytest.raises(EngineAwayError, match=r"within 0\.1 s"):
            await engine.starved("x")


async def test_a_refusal_is_an_answer(tmp_path: Path) -> None:
    """What the engine says it cannot do does not make it away."""
    refusal = b'{"message": "no such thing"}'
    head = b"HTTP/1.1 500 Error\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    async with _serving(tmp_path, head % len(refusal) + refusal) as engine:
        with pytest.raises(UnavailableError, match="no such thing") as caught:
            await engine.remove("x")
        assert not isinstance(caught.value, EngineAwayError)


async def test_calls_that_hang_keep_nobody_waiting() -> None:
    """However many threads an engine holds on to, the next call has one."""
    waiting = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang() -> None:
        asyncio.run_coroutine_threadsafe(waiting.wait(), loop).result()

    hanging = [asyncio.create_task(call(hang)) for _ in range(50)]
    assert 4 == await call(lambda: 2 + 2, seconds=10)
    waiting.set()
    await asyncio.gather(*hanging)


async def test_an_engine_that_is_there_answers() -> None:
    """The real one."""
    backend = backends.containers()
    try:
        assert await backend.answers()
    finally:
        await backend.close()


async def test_what_may_have_been_made_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that broke off may have made the container: it is removed once it is back."""
    engine = _engine(tmp_path / "d.sock")
    backend = ContainerBackend(
        engine, runner="r", incarnation="i", reason="a test",
        bounds=Bounds(memory_bytes=2**26, cpus=1, processes=64, shm_bytes=2**20),
    )  # fmt: skip
    with pytest.raises(EngineAwayError):
        await backend.open(definition(tmp_path), digest="sha256:1")
    removed: list[str] = []

    async def remove(name: str) -> None:
        removed.append(name)

    async def no_leftovers(**_: object) -> int:
        return 0

    monkeypatch.setattr(engine, "remove", remove)
    monkeypatch.setattr(engine, "remove_leftovers", no_leftovers)
    assert [1, 0] == [await backend.sweep(), await backend.sweep()]
    assert removed[0].startswith("demo_environment_run_")
    await backend.close()
