"""JupyterLab in a real container, reached through the client's tunnels."""

import asyncio
import base64
import contextlib
import hashlib
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from ackrep.runner.v1 import workbench_pb2
from cli.client import Client
from cli.screen import Screen
from cli.state import System
from cli.workbench.changes import Changes
from cli.workbench.outgoing import Outgoing
from cli.workbench.session import Session, opened
from services.runner.engine.containers import Engine
from tests.git_repositories import write
from tests.workbench_sessions import TOKEN, sessions

pytestmark = pytest.mark.engine
LARGE = bytes(range(256)) * 80 * 1024  # 20 MiB
SECONDS = 60


@dataclass
class Jupyter:
    """A running JupyterLab as the user's browser sees it."""

    session: Session
    port: int
    token: str
    outgoing: Outgoing

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def browser(self) -> httpx.AsyncClient:
        """A client with the token."""
        headers = {"Authorization": f"token {self.token}"}
        return httpx.AsyncClient(base_url=self.address, headers=headers, timeout=SECONDS)

    async def execute(self, kernel: str, code: str) -> str:
        """What some code prints in a kernel, over its websocket."""
        url = f"ws://127.0.0.1:{self.port}/api/kernels/{kernel}/channels?token={self.token}"
        socket = await websocket_connect(url)
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": "",
                  "session": uuid.uuid4().hex, "date": "", "version": "5.3"}  # fmt: skip
        content = {"code": code, "silent": False, "store_history": False, "user_expressions": {},
                   "allow_stdin": False, "stop_on_error": True}  # fmt: skip
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content,
                   "channel": "shell", "buffers": []}  # fmt: skip
        await socket.write_message(json.dumps(message))
        said = ""
        while True:
            answer = await socket.read_message()
            assert answer is not None, "the kernel's connection ended"
            answer = json.loads(answer)
            if answer["parent_header"].get("msg_id") != header["msg_id"]:
                continue
            if answer["msg_type"] == "stream":
                said += answer["content"]["text"]
            if answer["msg_type"] == "error":
                said += "\n".join(answer["content"]["traceback"])
            if answer["msg_type"] == "status" and answer["content"]["execution_state"] == "idle":
                socket.close()
                return said


@pytest.fixture
async def jupyter(docker_engine: Engine, tmp_path: Path) -> AsyncIterator[Jupyter]:
    """JupyterLab on a small working copy with a large file."""
    copy = tmp_path / "copy"
    copy.mkdir()
    write(copy, {"large.bin": LARGE, "notes.txt": b"hello\n"})
    opening = workbench_pb2.OpenWorkbench(
        environment="demo_environment", program=workbench_pb2.OpenWorkbench.PROGRAM_JUPYTER
    )

    async def ignore(data: bytes) -> None:
        pass

    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(sessions(docker_engine))
        system = System(token=TOKEN, catalog="", runner=server.address)
        client = await stack.enter_async_context(Client(system))
        outgoing = stack.enter_context(Outgoing(copy))
        session, started = await stack.enter_async_context(
            opened(
                client,
                opening,
                outgoing,
                screen=Screen(),
                on_output=ignore,
                on_error_output=ignore,
            )
        )
        port = await stack.enter_async_context(session.tunnels.listening(0))
        assert "container+landlock+seccomp+uid" == started.confinement
        yield Jupyter(session, port, started.secret, outgoing)


async def test_a_notebook_runs(jupyter: Jupyter) -> None:
    """A kernel of the environment computes, over websockets, and what it writes comes back."""
    async with jupyter.browser() as browser:
        kernel = (
            (await browser.post("/api/kernels", json={"path": "notes.txt"}))
            .raise_for_status()
            .json()["id"]
        )
        code = (
            "import numpy, sys, ackrep_core; print(numpy.arange(4).sum(), sys.prefix)\n"
            "open('made.txt', 'w').write(open('notes.txt').read() * 2)"
        )
        async with asyncio.timeout(SECONDS):
            assert "6 /opt/venv\n" == await jupyter.execute(kernel, code)
            network = "import socket\ntry: socket.socket()\nexcept OSError: print('refused')"
            assert "refused\n" == await jupyter.execute(kernel, network)
    with Changes(jupyter.outgoing.sent) as changes:
        await jupyter.session.collect(changes)
        (change,) = changes.all
        assert ("made.txt", "new") == (change.path, change.kind)
        assert change.content is not None
        assert b"hello\nhello\n" == change.content.read_bytes()


async def test_nobody_gets_in_without_the_token(jupyter: Jupyter) -> None:
    """The version is open, files and kernels are not."""
    async with httpx.AsyncClient(base_url=jupyter.address, timeout=SECONDS) as stranger:
        assert 200 == (await stranger.get("/api")).status_code
        for path in ("/api/contents", "/api/kernels", "/files/notes.txt"):
            answer = await stranger.get(path)
            assert answer.status_code in {302, 403}, path
            assert "hello" not in answer.text
        assert 403 == (await stranger.get("/api/contents?token=wrong")).status_code
    async with jupyter.browser() as browser:
        names = {one["name"] for one in (await browser.get("/api/contents")).json()["content"]}
        assert {"large.bin", "notes.txt"} == names


async def test_pages_elsewhere_have_no_say(jupyter: Jupyter) -> None:
    """A foreign name that leads here, and a foreign page in the browser of who is logged in."""
    evil = "http://evil.example"
    async with jupyter.browser() as browser:
        answer = await browser.get("/api/contents", headers={"host": "evil.example"})
        assert 403 == answer.status_code
    async with httpx.AsyncClient(base_url=jupyter.address, timeout=SECONDS) as browser:
        assert 200 == (await browser.get(f"/lab?token={jupyter.token}")).status_code
        assert 200 == (await browser.get("/api/contents")).status_code  # by its cookie
        for headers in ({"origin": evil}, {"referer": f"{evil}/page"}):
            answer = await browser.post("/api/kernels", headers=headers)
            assert answer.status_code in {403, 404}
        assert [] == (await browser.get("/api/kernels")).json()
        framed = (await browser.get("/lab")).headers["content-security-policy"]
        assert "frame-ancestors 'self'" in framed
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        url = f"ws://127.0.0.1:{jupyter.port}/api/events/subscribe"
        request = HTTPRequest(url, headers={"cookie": cookies, "origin": evil})
        with pytest.raises(HTTPClientError, match="403"):
            await websocket_connect(request)


async def test_connections_do_not_wait_for_each_other(jupyter: Jupyter) -> None:
    """20 MiB come whole, twice at once, while a third connection reads nothing of what it asked."""
    reader, writer = await asyncio.open_connection("127.0.0.1", jupyter.port)
    request = f"GET /files/large.bin?token={jupyter.token} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    writer.write(request.encode())
    await writer.drain()
    assert b"HTTP/1.1 200 OK\r\n" == await reader.readline()  # and no more

    async def download() -> str:
        async with jupyter.browser() as browser:
            answer = (await browser.get("/files/large.bin")).raise_for_status()
            assert len(LARGE) == len(answer.content)
            return hashlib.sha256(answer.content).hexdigest()

    async with asyncio.timeout(SECONDS):
        digests = await asyncio.gather(download(), download())
        assert [hashlib.sha256(LARGE).hexdigest()] * 2 == list(digests)
        rest = await reader.readuntil(b"\r\n\r\n")
        assert b"20971520" in rest
        assert LARGE == await reader.readexactly(len(LARGE))
    writer.close()


async def test_an_upload_comes_whole(jupyter: Jupyter) -> None:
    """Megabytes the other way."""
    content = {"type": "file", "format": "base64", "content": base64.b64encode(LARGE).decode()}
    async with jupyter.browser() as browser:
        (await browser.put("/api/contents/copy.bin", json=content)).raise_for_status()
        assert LARGE == (await browser.get("/files/copy.bin")).content
