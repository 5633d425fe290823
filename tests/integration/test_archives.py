"""Archives of entities: whole, the same each time, and harmless."""

import contextlib
import gzip
import io
import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ackrep.catalog.v1 import content_pb2
from services import rpc
from services.errors import InvalidArgumentError, NotCheckableError, NotFoundError
from tests.catalog_system import data_repository_at
from tests.git_repositories import user_git, write
from tests.integration.test_downloads import Site, site_over
from tests.unit.catalog.repositories import entity_files

LARGE = bytes(range(256)) * 10_000
FOLDERS = (
    "problem_solutions/sssss",
    "problem_specifications/ppppp",
    "system_models/mmmmm",
    "method_packages/metho",
    "environment_specifications/envir",
)
FORMATS = {"FORMAT_ZIP": "zip", "FORMAT_TAR_GZ": "tar.gz"}


def repository_at(folder: Path) -> Path:
    """A solution with its closure, files of all kinds, and a model that is none of it."""
    repository = data_repository_at(folder)
    write(
        repository,
        entity_files("OTHER", "system_model")
        | entity_files("WRONG", "problem_solution", solved_problem_list="[GONE1]")
        | {
            "problem_solutions/sssss/data.bin": LARGE,
            "problem_solutions/sssss/copy of data.bin": LARGE,
            "problem_solutions/sssss/grö:ße.py": "x = 1\n",
            "problem_solutions/sssss/run.sh": "#!/bin/sh\n",
            "problem_solutions/sssss/empty.py": "",
        },
    )
    (repository / "problem_solutions/sssss/run.sh").chmod(0o755)
    (repository / "problem_solutions/sssss/model").symlink_to("../../system_models/mmmmm")
    (repository / "problem_solutions/sssss/passwords").symlink_to("/etc/passwd")
    (repository / "problem_solutions/sssss/outside").symlink_to("../../../..")
    user_git(repository, "add", ".")
    user_git(repository, "commit", "-q", "-m", "files")
    return repository


@contextlib.asynccontextmanager
async def site_at(folder: Path) -> AsyncIterator[Site]:
    """A site of its own."""
    folder.mkdir(exist_ok=True)
    async with site_over(repository_at(folder / "data"), folder / "state") as site:
        yield site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A catalog and a gateway over the repository."""
    async with site_at(tmp_path) as site:
        yield site


async def archive_of(site: Site, format_: str, **query: str) -> httpx.Response:
    """The archive of the solution."""
    answer = await site.client.get(
        "/v1/entities/SSSSS:archive", params={"format": format_, **query}
    )
    assert 200 == answer.status_code, answer.text
    return answer


def extracted(data: bytes, format_: str, into: Path) -> Path:
    """Extracts an archive as its users would."""
    into.mkdir()
    file = into.parent / f"{into.name}.{format_}"
    file.write_bytes(data)
    unpack = {
        "zip": [sys.executable, "-m", "zipfile", "-e", str(file), str(into)],
        "tar.gz": ["tar", "-xzf", str(file), "-C", str(into)],
    }
    subprocess.run(unpack[format_], check=True)
    return into / "SSSSS"


@pytest.mark.parametrize("format_", FORMATS)
async def test_content(site: Site, tmp_path: Path, format_: str) -> None:
    """An archive holds the folders of the closure as they are in the repository, and no others."""
    answer = await archive_of(site, format_)
    top = extracted(answer.content, FORMATS[format_], tmp_path / "out")

    folders = {path.parent.relative_to(top).as_posix() for path in top.rglob("metadata.yml")}
    assert set(FOLDERS) <= folders
    assert not any("other" in folder for folder in folders)
    assert LARGE == (top / FOLDERS[0] / "data.bin").read_bytes()
    assert LARGE == (top / FOLDERS[0] / "copy of data.bin").read_bytes()
    assert "" == (top / FOLDERS[0] / "empty.py").read_text()
    assert "x = 1\n" == (top / FOLDERS[0] / "grö%3Aße.py").read_text()
    tree = (await site.client.get("/v1/revisions/current")).json()["name"].rpartition("/")[2]
    name = f"SSSSS-{tree[:10]}.{FORMATS[format_]}"
    assert (
        f"attachment; filename=\"{name}\"; filename*=UTF-8''{name}"
        == (answer.headers["content-disposition"])
    )


async def test_manifest(site: Site, tmp_path: Path) -> None:
    """The manifest says which state this is, and what differs from the repository."""
    answer = await archive_of(site, "FORMAT_ZIP")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        manifest = json.loads(archive.read("SSSSS/MANIFEST.json"))

    revision = (await site.client.get("/v1/revisions/current")).json()
    closure = (await site.client.get("/v1/entities/SSSSS/closure")).json()
    assert revision["name"] == manifest["revision"]
    assert user_git(site.repository, "rev-parse", "HEAD") == manifest["commit"]
    assert closure["digest"] == manifest["digest"]
    assert {folder["path"]: folder["tree"] for folder in closure["folders"]} == {
        folder["path"]: folder["tree"] for folder in manifest["folders"]
    }
    assert {f"{FOLDERS[0]}/grö:ße.py": f"{FOLDERS[0]}/grö%3Aße.py"} == manifest["renamed"]
    assert {f"{FOLDERS[0]}/passwords", f"{FOLDERS[0]}/outside"} == set(manifest["left_out"])


def members(data: bytes, format_: str) -> dict[str, tuple[int, Any, str]]:
    """Mode, time and target of a link, by name."""
    if format_ == "FORMAT_ZIP":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {
                info.filename: (
                    info.external_attr >> 16,
                    info.date_time,
                    archive.read(info).decode() if info.external_attr >> 28 == 0o12 else "",
                )
                for info in archive.infolist()
            }
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
        return {
            info.name: (
                info.mode | (0o120000 if info.issym() else 0o100000),
                info.mtime,
                info.linkname,
            )
            for info in tar.getmembers()
        }


@pytest.mark.parametrize("format_", FORMATS)
async def test_members(site: Site, format_: str) -> None:
    """Modes are those of git, times are fixed, links stay inside."""
    found = members((await archive_of(site, format_)).content, format_)

    assert 0o100755 == found[f"SSSSS/{FOLDERS[0]}/run.sh"][0]
    assert 0o100644 == found[f"SSSSS/{FOLDERS[0]}/data.bin"][0]
    assert (0o120777, "../../system_models/mmmmm") == found[f"SSSSS/{FOLDERS[0]}/model"][::2]
    assert 1 == len({time for _, time, _ in found.values()})
    assert 1 == sum(bool(target) for _, _, target in found.values())
    assert all(name.startswith("SSSSS/") for name in found)


@pytest.mark.parametrize("format_", FORMATS)
async def test_same_bytes(site: Site, tmp_path: Path, format_: str) -> None:
    """Two catalogs give the same bytes and tag for the same revision; another one differs."""
    first = await archive_of(site, format_)
    async with site_at(tmp_path / "again") as other:
        # Commits differ by their time.
        (tmp_path / "again/data/.git/HEAD").write_text(
            user_git(site.repository, "rev-parse", "HEAD") + "\n"
        )
        user_git(other.repository, "fetch", "-q", str(site.repository), "main")
        assert 200 == (await other.client.post("/v1/revisions:sync")).status_code
        second = await archive_of(other, format_)
        known = {"if-none-match": first.headers["etag"]}
        unchanged = await other.client.get(
            f"/v1/entities/SSSSS:archive?format={format_}", headers=known
        )

        assert first.content == second.content
        assert (304, b"") == (unchanged.status_code, unchanged.content)

        write(other.repository, {f"{FOLDERS[0]}/empty.py": "changed"})
        assert 200 == (await other.client.post("/v1/revisions:sync")).status_code
        third = await archive_of(other, format_)
        assert first.headers["etag"] != third.headers["etag"]


async def test_revisions(site: Site) -> None:
    """An archive of an earlier revision holds what was there then."""
    then = (await site.client.get("/v1/revisions/current")).json()["name"]
    write(site.repository, {f"{FOLDERS[0]}/empty.py": "changed\n"})
    assert 200 == (await site.client.post("/v1/revisions:sync")).status_code
    before = await archive_of(site, "FORMAT_TAR_GZ", revision=then)
    now = await archive_of(site, "FORMAT_TAR_GZ")

    assert b"changed" not in gzip.decompress(before.content)
    assert b"changed" in gzip.decompress(now.content)


@pytest.mark.parametrize(
    ("entity", "error"),
    [
        ("entities/XXXXX", NotFoundError),
        ("entities/WRONG", NotCheckableError),
        ("nothing", InvalidArgumentError),
    ],
)
async def test_failures(site: Site, entity: str, error: type[Exception]) -> None:
    """Where there is no closure there is no archive, and no first byte of one."""
    with pytest.raises(error), rpc.remote_errors():
        await site.content.DownloadArchive(content_pb2.DownloadArchiveRequest(entity=entity)).read()


async def test_large_content_streams(site: Site) -> None:
    """An archive arrives in pieces, none of them large."""
    sizes = [
        len(part.data)
        async for part in site.content.DownloadArchive(
            content_pb2.DownloadArchiveRequest(entity="entities/SSSSS")
        )
    ]

    assert max(sizes) < 2 * 1024 * 1024
