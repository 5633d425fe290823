"""Files of entities from git to HTTP: the real catalog behind the real gateway."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from ackrep.catalog.v1 import content_pb2, content_pb2_grpc
from gateway.__main__ import serve
from gateway.settings import Settings as GatewaySettings
from services import rpc
from services.catalog.__main__ import running
from services.catalog.settings import Settings
from services.errors import Error, NotFoundError, PreconditionError
from services.media import OCTETS, PDF_POLICY, POLICY, TEXT
from tests.catalog_system import TOKEN, data_repository_at
from tests.git_repositories import user_git, write

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
LARGE = bytes(range(256)) * 12_000
FILE_BYTES = 4 * 1024 * 1024
MODEL = "system_models/mmmmm"
NAMES = (
    "two words.py",
    "größe.py",
    "100%.py",
    "50%25.py",
    "a%2Fb.py",
    "a:b.py",
    "a#b?c&d=e.py",
    "new\nline.py",
    'quo"te;filename=x.exe.py',
    "back\\slash.py",
    "deep/er/file.py",
    "-rf.py",
    "..py",
    "日本.py",
    "a+b.py",
)
TYPES = {
    "page.html": (b"<script>alert(1)</script>", TEXT, "inline"),
    "drawing.svg": (b"<svg onload='alert(1)'/>", TEXT, "inline"),
    "data.xml": (b"<?xml version='1.0'?><x/>", TEXT, "inline"),
    "script.js": (b"alert(1)", TEXT, "inline"),
    "plot.png": (PNG, "image/png", "inline"),
    "page.png": (b"<script>alert(1)</script>", TEXT, "inline"),
    "latin.py": ("# Gr\xf6\xdfe".encode("latin-1"), "text/plain", "inline"),
    "text.pdf": (b"%PDF-1.4 ...", "application/pdf", "inline"),
    "empty.txt": (b"", TEXT, "inline"),
    "program": (b"\x7fELF\x00\x00", OCTETS, "attachment"),
    "archive.zip": (b"PK\x03\x04\x00\x00", OCTETS, "attachment"),
    "large.bin": (LARGE, OCTETS, "attachment"),
}


@dataclass(frozen=True)
class Site:
    """A gateway over a catalog."""

    repository: Path
    client: httpx.AsyncClient
    content: content_pb2_grpc.ContentServiceStub


@contextlib.asynccontextmanager
async def site_over(repository: Path, state: Path) -> AsyncIterator[Site]:
    """Serves a data repository over HTTP."""
    settings = Settings(
        token=TOKEN,
        source=str(repository),
        state=state,
        address="127.0.0.1:0",
        file_bytes=FILE_BYTES,
    )
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    async with running(settings) as catalog, rpc.dial(f"127.0.0.1:{catalog}", token=TOKEN) as dial:
        gateway = asyncio.ensure_future(
            serve(
                GatewaySettings(
                    token=TOKEN,
                    catalog=f"127.0.0.1:{catalog}",
                    scheduler="127.0.0.1:1",
                    address="127.0.0.1:0",
                ),
                stop,
                listening=port.set_result,
            )
        )
        base = f"http://127.0.0.1:{await port}"
        async with httpx.AsyncClient(base_url=base, timeout=30) as client:
            yield Site(repository, client, content_pb2_grpc.ContentServiceStub(dial))
        stop.set()
        await gateway


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A committed data repository whose model has files of all kinds."""
    repository = data_repository_at(tmp_path / "data")
    write(repository, {f"{MODEL}/{name}": f"# {name!r}\n" for name in NAMES})
    write(repository, {f"{MODEL}/{name}": data for name, (data, _, _) in TYPES.items()})
    write(repository, {f"{MODEL}/huge.bin": bytes(FILE_BYTES + 1)})
    (repository / MODEL / "link.py").symlink_to("/etc/passwd")
    user_git(repository, "add", ".")
    user_git(repository, "commit", "-q", "-m", "files")
    async with site_over(repository, tmp_path / "state") as site:
        yield site


async def test_names(site: Site) -> None:
    """A file of any name is found under its percent-encoded path, and keeps its name."""
    for name in NAMES:
        answer = await site.client.get(f"/v1/entities/MMMMM/files/{quote(name)}")

        assert 200 == answer.status_code, name
        assert f"# {name!r}\n" == answer.text
        assert TEXT == answer.headers["content-type"]
        kept = quote(name.rpartition("/")[2], safe="")
        assert answer.headers["content-disposition"].endswith(f"; filename*=UTF-8''{kept}")


async def test_colons_need_no_encoding(site: Site) -> None:
    """A colon in a path may stand as it is, as most clients leave it."""
    answer = await site.client.get("/v1/entities/MMMMM/files/a:b.py")

    assert "# 'a:b.py'\n" == answer.text


async def test_types(site: Site) -> None:
    """Text is text whatever it holds; images are what they say; all else is to be kept."""
    for name, (data, kind, how) in TYPES.items():
        answer = await site.client.get(f"/v1/entities/MMMMM/files/{name}")

        assert data == answer.content, name
        assert kind == answer.headers["content-type"], name
        assert answer.headers["content-disposition"].startswith(f"{how};"), name
        assert str(len(data)) == answer.headers["content-length"]
        assert "nosniff" == answer.headers["x-content-type-options"]
        policy = PDF_POLICY if kind == "application/pdf" else POLICY
        assert policy == answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../pppppp/problem.py",
        "%2e%2e/%2e%2e/README.md",
        "/etc/passwd",
        "%2Fetc%2Fpasswd",
        "deep//er/file.py",
        "deep/./er/file.py",
        "deep/er",
        "deep/er/file.py/",
        "..%5c..%5cx",
        "%00",
        "metadata.yml%00.png",
        ".git/config",
    ],
)
async def test_paths_lead_nowhere_else(site: Site, path: str) -> None:
    """A path names a file of the entity or nothing; the host's files play no part."""
    port = site.client.base_url.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    # Written by hand: clients tidy such paths before they send them.
    writer.write(
        f"GET /v1/entities/MMMMM/files/{path} HTTP/1.1\r\nHost: localhost\r\n"
        "Connection: close\r\n\r\n".encode()
    )
    answer = (await reader.read()).decode()
    writer.close()

    assert answer.startswith("HTTP/1.1 40")
    assert any(status in answer for status in ('"NOT_FOUND"', '"INVALID_ARGUMENT"'))


async def test_links_are_not_followed(site: Site) -> None:
    """A symbolic link is the text that it holds."""
    answer = await site.client.get("/v1/entities/MMMMM/files/link.py")

    assert "/etc/passwd" == answer.text


async def test_unchanged(site: Site) -> None:
    """Who has the file already is told so, without the file; HEAD tells about it."""
    address = "/v1/entities/MMMMM/files/large.bin"
    first = await site.client.get(address)
    etag = first.headers["etag"]
    again = await site.client.get(address, headers={"if-none-match": f'"x", W/{etag}'})
    head = await site.client.head(address)
    changed = await site.client.get(address, headers={"if-none-match": '"x"'})

    assert "no-cache" == first.headers["cache-control"]
    assert (304, b"", etag) == (again.status_code, again.content, again.headers["etag"])
    assert (200, b"", str(len(LARGE)), etag) == (
        head.status_code,
        head.content,
        head.headers["content-length"],
        head.headers["etag"],
    )
    assert LARGE == changed.content


async def test_revisions(site: Site) -> None:
    """A file is that of the revision asked for, which may be kept for ever."""
    then = (await site.client.get("/v1/revisions/current")).json()["name"]
    write(site.repository, {f"{MODEL}/two words.py": "changed\n"})
    assert 200 == (await site.client.post("/v1/revisions:sync")).status_code
    address = "/v1/entities/MMMMM/files/two%20words.py"
    now = await site.client.get(address)
    before = await site.client.get(address, params={"revision": then})

    assert "changed\n" == now.text
    assert "# 'two words.py'\n" == before.text
    assert "immutable" in before.headers["cache-control"]


@pytest.mark.parametrize(
    ("entity", "path", "revision", "error"),
    [
        ("entities/MMMMM", "missing.py", "", NotFoundError),
        ("entities/XXXXX", "metadata.yml", "", NotFoundError),
        ("entities/MMMMM", "metadata.yml", "revisions/" + "0" * 40, NotFoundError),
        ("entities/MMMMM", "huge.bin", "", PreconditionError),
    ],
)
async def test_failures(
    site: Site, entity: str, path: str, revision: str, error: type[Error]
) -> None:
    """What cannot be handed out has a status, and no first byte."""
    request = content_pb2.DownloadFileRequest(entity=entity, path=path, revision=revision)
    with pytest.raises(error), rpc.remote_errors():
        await site.content.DownloadFile(request).read()
    answer = await site.client.get(f"/v1/{entity}/files/{path}", params={"revision": revision})
    assert error.code == answer.json()["error"]["status"]
