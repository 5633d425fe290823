"""How a catalog follows its source, over real gRPC: early, changed, restarted, without it."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from ackrep.catalog.v1 import catalog_pb2 as pb
from services import rpc
from services.errors import SourceError
from tests.catalog_system import DATABASES, TOKEN, Stub, catalog, data_repository_at, get, sync
from tests.git_repositories import user_git, write


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A committed data repository with a solution, its problem, a model, and a package."""
    return data_repository_at(tmp_path / "my_data")


@pytest.fixture(params=DATABASES)
async def stub(request: pytest.FixtureRequest, data: Path, tmp_path: Path) -> AsyncIterator[Stub]:
    """A catalog of `data` with each database."""
    database = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    async with catalog(data, tmp_path / "state", database=database) as found:
        yield found


async def test_a_client_that_comes_early_waits(stub: Stub, data: Path) -> None:
    """The first answer is the right one, however early it was asked for."""
    found = await stub.GetRevision(pb.GetRevisionRequest(name="revisions/current"))
    assert f"revisions/{user_git(data, 'rev-parse', 'HEAD^{tree}')}" == found.name
    assert user_git(data, "rev-parse", "HEAD") == found.commit
    assert (5, 0, 0, "my_data", False) == (
        found.entity_count,
        found.error_count,
        found.warning_count,
        found.title,
        found.dirty,
    )
    assert time.time() - 60 < found.create_time.seconds < time.time() + 60


async def test_a_saved_file_is_a_new_revision(stub: Stub, data: Path) -> None:
    """A change is seen by the next sync; the revision before stays as it was; a commit names it."""
    before = await sync(stub)
    metadata = "system_models/mmmmm/metadata.yml"
    text = (data / metadata).read_text()
    write(data, {metadata: text.replace("Name of", "New name of"), "system_models/mmmmm/more": "x"})
    after = await sync(stub)
    assert after.dirty
    assert ("", before.commit) == (after.commit, after.base_commit)
    assert "New name of MMMMM" == (await get(stub, "MMMMM")).title
    assert 4 == len((await get(stub, "MMMMM")).files)
    assert "Name of MMMMM" == (await get(stub, "MMMMM", revision=before.name)).title
    user_git(data, "add", ".")
    user_git(data, "commit", "-q", "-m", "second")
    committed = await sync(stub)
    assert (after.name, False) == (committed.name, committed.dirty)
    assert user_git(data, "rev-parse", "HEAD") == committed.commit
    listed = await stub.ListRevisions(pb.ListRevisionsRequest())
    assert [committed.name, before.name] == [revision.name for revision in listed.revisions]
    first = await stub.ListRevisions(pb.ListRevisionsRequest(page_size=1))
    second = await stub.ListRevisions(
        pb.ListRevisionsRequest(page_size=1, page_token=first.next_page_token)
    )
    assert ([before.name], "") == (
        [revision.name for revision in second.revisions],
        second.next_page_token,
    )


async def test_syncs_at_once(stub: Stub, data: Path) -> None:
    """Calls that overlap agree, and index once."""
    await sync(stub)
    write(data, {"comments/c/metadata.yml": "key: CCCCC\ntype: comment\nname: x\n"})
    found = await asyncio.gather(*(sync(stub) for _ in range(8)))
    assert 1 == len({revision.name for revision in found})
    assert 2 == len((await stub.ListRevisions(pb.ListRevisionsRequest())).revisions)


async def test_after_a_restart(data: Path, tmp_path: Path) -> None:
    """Revisions and content survive; what changed meanwhile is seen at once."""
    async with catalog(data, tmp_path / "state") as stub:
        before = await sync(stub)
    write(data, {"comments/c/metadata.yml": "key: CCCCC\ntype: comment\nname: x\n"})
    async with catalog(data, tmp_path / "state") as stub:
        assert "x" == (await get(stub, "CCCCC")).title
        old = await get(stub, "MMMMM", revision=before.name)
        parts = [part async for part in stub.FetchTrees(pb.FetchTreesRequest(trees=[old.tree]))]
        assert 4 == len(parts)


async def test_a_source_that_is_not_there_yet(data: Path, tmp_path: Path) -> None:
    """Callers are told why; a sync after the repair makes everything right."""
    hidden = data.rename(tmp_path / "hidden")
    async with catalog(data, tmp_path / "state") as stub:
        with pytest.raises(SourceError, match="my_data"):
            await get(stub, "MMMMM")
        with pytest.raises(SourceError), rpc.remote_errors():
            await sync(stub)
        hidden.rename(data)
        await sync(stub)
        assert "MMMMM" == (await get(stub, "MMMMM")).key


async def test_the_process(data: Path, tmp_path: Path) -> None:
    """The service runs with settings from the environment and stops with its parent."""
    environ = {
        **os.environ,
        "ACKREP_TOKEN": TOKEN,
        "ACKREP_CATALOG_SOURCE": str(data),
        "ACKREP_CATALOG_STATE": str(tmp_path / "state"),
        "ACKREP_CATALOG_ADDRESS": "127.0.0.1:0",
        "ACKREP_PARENT_PIPE": "1",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.catalog",
        env=environ,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(30):
            while b"5 entities" not in (line := await process.stderr.readline()):
                assert line, "the service ended early"
            process.stdin.close()
            assert 0 == await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ACKREP_CATALOG_SOURCE": "ext::sh -c true"}, "remote helpers are refused"),
        ({"ACKREP_CATALOG_REF": "--upload-pack=x"}, "no name of a branch"),
        ({"ACKREP_CATALOG_FETCH_TIMEOUT": "long"}, "ACKREP_CATALOG_FETCH_TIMEOUT"),
        ({"ACKREP_CATALOG_DATABASE": "postgresql+asyncpg://x:pw@127.0.0.1:9/x"}, "not answer"),
    ],
)
async def test_wrong_settings(
    data: Path, tmp_path: Path, change: Mapping[str, str], words: str
) -> None:
    """A service that cannot start says why in one line, and exits with 3."""
    environ = {
        **os.environ,
        "ACKREP_TOKEN": TOKEN,
        "ACKREP_CATALOG_SOURCE": str(data),
        "ACKREP_CATALOG_STATE": str(tmp_path / "state"),
        "ACKREP_CATALOG_ADDRESS": "127.0.0.1:0",
        **change,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.catalog", env=environ, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(30):
        _, said = await process.communicate()
    assert 3 == process.returncode
    assert words in said.decode()
    assert "Traceback" not in said.decode()
    assert ":pw@" not in said.decode()
