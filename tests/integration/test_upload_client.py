"""The client's side of an upload: lost connections, limits, and what people see."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rich.console import Console

from ackrep.catalog.v1 import catalog_pb2, content_pb2
from cli import source, upload
from cli.client import Client
from cli.screen import Screen
from cli.state import System
from services.errors import PreconditionError, ResourceExhaustedError
from tests.catalog_system import TOKEN, data_repository_at
from tests.git_repositories import user_git, write
from tests.integration.test_uploads import Far, far_catalog


@pytest.fixture
async def far(tmp_path: Path) -> AsyncIterator[Far]:
    """A catalog with small limits."""
    async with far_catalog(data_repository_at(tmp_path / "data"), tmp_path / "state") as far:
        yield far


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A working copy with a large file."""
    folder = data_repository_at(tmp_path / "copy")
    write(folder, {"system_models/mmmmm/large.bin": bytes(range(256)) * 20_000})
    return folder


@contextlib.asynccontextmanager
async def client_of(address: str) -> AsyncIterator[Client]:
    """A client of a catalog."""
    system = System(token=TOKEN, catalog=address, scheduler="")
    async with Client(system) as client:
        yield client


async def uploaded(folder: Path, address: str) -> catalog_pb2.Revision:
    """Uploads a folder."""
    async with client_of(address) as client:
        return await upload.uploaded(client, source.parse(str(folder)), screen=Screen())


class Proxy:
    """A way to the catalog that breaks down."""

    def __init__(self, address: str, *, breaks_after: int) -> None:
        self._target = address.rsplit(":", 1)
        self._left = breaks_after
        self.breakdowns = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Serves while the block runs; gives the address."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back_reader, back_writer = await asyncio.open_connection(*self._target)
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(
                self._pass(reader, back_writer, counts=True),
                self._pass(back_reader, writer, counts=False),
            )

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counts: bool
    ) -> None:
        while data := await reader.read(65536):
            if counts and self._left > 0:
                self._left -= len(data)
                if self._left <= 0:
                    self.breakdowns += 1
                    writer.close()
                    raise ConnectionResetError
            writer.write(data)
            await writer.drain()
        writer.close()


async def test_lost_connection(far: Far, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An upload goes on after the connection was lost, and sends only the rest."""
    proxy = Proxy(far.address, breaks_after=2_000_000)
    async with proxy.running() as address:
        revision = await uploaded(copy, address)

    user_git(copy, "add", ".")
    assert f"revisions/{user_git(copy, 'write-tree')}" == revision.name
    assert 1 == proxy.breakdowns
    assert "the connection was lost; going on" in capsys.readouterr().err


async def test_limits(far: Far, copy: Path) -> None:
    """What is too much for the catalog is told with the file and the limit."""
    write(copy, {"huge.bin": bytes(9 * 1024 * 1024)})
    with pytest.raises(ResourceExhaustedError, match=r"huge\.bin is larger than 8388608 bytes"):
        await uploaded(copy, far.address)
    (copy / "huge.bin").unlink()
    write(copy, {f"many/{number}": b"" for number in range(200)})
    with pytest.raises(ResourceExhaustedError, match=r"more than 100 files .* \.gitignore"):
        await uploaded(copy, far.address)


async def test_failure_while_sending(far: Far) -> None:
    """What goes wrong on this side while it sends is told as it is."""

    async def parts() -> AsyncIterator[content_pb2.UploadRevisionRequest]:
        yield content_pb2.UploadRevisionRequest(
            manifest=content_pb2.UploadRevisionRequest.Manifest()
        )
        raise PreconditionError("the disk is gone")

    async with client_of(far.address) as client:
        with pytest.raises(PreconditionError, match="the disk is gone"):
            await client.upload(parts())


async def test_left_out(
    far: Far, copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that cannot be read is left out, and named."""
    monkeypatch.setattr("os.access", lambda path, _: not bytes(path).endswith(b"large.bin"))
    revision = await uploaded(copy, far.address)

    assert user_git(copy, "rev-parse", "HEAD^{tree}") == revision.name.removeprefix("revisions/")
    said = capsys.readouterr().err
    assert "system_models/mmmmm/large.bin cannot be read, and is left out" in said


@pytest.fixture
def console() -> Console:
    """A terminal whose output is read."""
    return Console(file=io.StringIO(), force_terminal=True, width=80)


def test_progress(console: Console) -> None:
    """Progress shows a bar, bytes and files."""
    progress = upload._Progress(total=3 * 1024**2, files=7)
    progress.sent = 1024**2
    with console.capture() as drawn:
        console.print(progress)

    assert "1.0 MB of 3.0 MB" in drawn.get()
    assert "7 files" in drawn.get()
    assert "sent 7 of 9 files (3.0 MB)" == progress.summary(9)
    assert "nothing to send" in upload._Progress(total=0, files=0).summary(9)
