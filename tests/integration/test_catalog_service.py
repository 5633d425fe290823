"""The catalog over real gRPC, with real git and a real database."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict

from ackrep.catalog.v1 import catalog_pb2 as pb
from ackrep.catalog.v1 import catalog_pb2_grpc as stubs
from services import rpc
from services.catalog.__main__ import running
from services.catalog.settings import Settings
from services.errors import (
    InvalidArgumentError,
    NotCheckableError,
    NotFoundError,
    PreconditionError,
    SourceError,
)
from tests.git_repositories import user_git
from tests.unit.catalog.repositories import entity_files, environment

TOKEN = "t0ken"

Stub = stubs.CatalogServiceStub


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A committed data repository with a solution, its problem, a model, and a package."""
    folder = tmp_path / "my_data"
    folder.mkdir()
    write(
        folder,
        environment()
        | entity_files("MMMMM", "system_model", tag_list="[chaos, 'ocse:X']", creator="A. Author")
        | entity_files("PPPPP", "problem_specification", related_system_models_list="[MMMMM]")
        | entity_files(
            "SSSSS",
            "problem_solution",
            solved_problem_list="[PPPPP]",
            method_package_list="[METHO]",
        )
        | entity_files("METHO", "method_package"),
    )
    user_git(folder, "init", "-q", "-b", "main")
    user_git(folder, "add", ".")
    user_git(folder, "commit", "-q", "-m", "first")
    return folder


@asynccontextmanager
async def catalog(source: Path, state: Path, *, database: str = "") -> AsyncIterator[Stub]:
    """A running catalog and a stub for it."""
    settings = Settings(
        token=TOKEN, source=str(source), state=state, address="127.0.0.1:0", database=database
    )
    async with (
        running(settings) as port,
        rpc.dial(f"127.0.0.1:{port}", token=TOKEN) as channel,
    ):
        yield stubs.CatalogServiceStub(channel)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def stub(request: pytest.FixtureRequest, data: Path, tmp_path: Path) -> AsyncIterator[Stub]:
    """A catalog of `data` with each database."""
    database = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    async with catalog(data, tmp_path / "state", database=database) as found:
        yield found


async def sync(stub: Stub) -> pb.Revision:
    return await stub.SyncRevision(pb.SyncRevisionRequest())


async def get(stub: Stub, key: str, *, revision: str = "") -> pb.Entity:
    with rpc.remote_errors():
        return await stub.GetEntity(pb.GetEntityRequest(name=f"entities/{key}", revision=revision))


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


async def test_an_entity(stub: Stub) -> None:
    """An entity has its metadata, files, references and referrers."""
    model = await get(stub, "MMMMM")
    assert ("entities/MMMMM", "MMMMM", pb.ENTITY_TYPE_SYSTEM_MODEL, "Name of MMMMM") == (
        model.name,
        model.key,
        model.type,
        model.title,
    )
    assert ["chaos", "ocse:X"] == list(model.tags) == MessageToDict(model.metadata)["tag_list"]
    assert model.checkable
    assert "environments/default_environment" == model.environment
    assert ["metadata.yml", "simulation.py", "system_model.py"] == [
        file.path for file in model.files
    ]
    assert model.files[0].size > 0
    assert [("related_system_models_list", "entities/PPPPP", "Name of PPPPP")] == [
        (relation.field, relation.entity, relation.title) for relation in model.referrers
    ]
    solution = await get(stub, "SSSSS")
    assert [
        ("solved_problem_list", "entities/PPPPP", pb.ENTITY_TYPE_PROBLEM_SPECIFICATION),
        ("method_package_list", "entities/METHO", pb.ENTITY_TYPE_METHOD_PACKAGE),
    ] == [(relation.field, relation.entity, relation.type) for relation in solution.references]


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


async def test_lists(stub: Stub, data: Path) -> None:
    """Lists are ordered, filtered, counted, and stay with their revision from page to page."""
    request = pb.ListEntitiesRequest(page_size=2)
    keys = []
    while True:
        page = await stub.ListEntities(request)
        assert 5 == page.total_size
        assert len(page.entities) <= 2
        keys += [entity.key for entity in page.entities]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
        write(data, {f"comments/{len(keys)}/metadata.yml": "key: ZZZZZ\ntype: comment\nname: x\n"})
        await sync(stub)
    assert ["ENVIR", "METHO", "MMMMM", "PPPPP", "SSSSS"] == keys
    page = await stub.ListEntities(
        pb.ListEntitiesRequest(filter="checkable = true AND creator = author")
    )
    assert (["MMMMM"], 1) == ([entity.key for entity in page.entities], page.total_size)
    assert not page.entities[0].files
    assert "environments/default_environment" == page.entities[0].environment


@pytest.mark.parametrize(
    "request_",
    [
        pb.ListEntitiesRequest(page_size=-1),
        pb.ListEntitiesRequest(page_token="nonsense"),
        pb.ListEntitiesRequest(page_token="eyJraW5kIjoib3RoZXIifQ=="),
        pb.ListEntitiesRequest(filter="size = 1"),
        pb.ListEntitiesRequest(revision="revisions/xyz"),
        pb.ListEntitiesRequest(revision="0" * 40),
        pb.GetEntityRequest(name=""),
        pb.GetEntityRequest(name="MMMMM"),
        pb.GetEntityRequest(name="entities/a/b"),
        pb.GetClosureRequest(entity="checks/1"),
        pb.GetRevisionRequest(name=""),
        pb.ListDiagnosticsRequest(entity="x"),
        pb.FetchTreesRequest(),
        pb.FetchTreesRequest(trees=["--help"]),
        pb.FetchTreesRequest(trees=["HEAD"]),
        pb.FetchTreesRequest(trees=["0" * 40] * 1001),
    ],
)
async def test_wrong_requests(data: Path, tmp_path: Path, request_: object) -> None:
    """A request that is wrong in itself is INVALID_ARGUMENT, whatever is indexed."""
    async with catalog(data, tmp_path / "state") as stub:
        with pytest.raises(InvalidArgumentError), rpc.remote_errors():
            await ask(stub, request_)


async def ask(stub: Stub, request: object) -> None:
    """Calls the rpc that takes such a request."""
    match request:
        case pb.ListEntitiesRequest():
            await stub.ListEntities(request)
        case pb.GetEntityRequest():
            await stub.GetEntity(request)
        case pb.GetClosureRequest():
            await stub.GetClosure(request)
        case pb.GetRevisionRequest():
            await stub.GetRevision(request)
        case pb.ListDiagnosticsRequest():
            await stub.ListDiagnostics(request)
        case pb.FetchTreesRequest():
            _ = [part async for part in stub.FetchTrees(request)]
        case _:
            raise TypeError(request)


async def test_what_is_not_there(stub: Stub) -> None:
    """Unknown keys, revisions and trees are NOT_FOUND; similar keys are named."""
    with pytest.raises(NotFoundError, match="did you mean MMMMM") as caught:
        await get(stub, "MMMMN")
    assert {"key": "MMMMN", "similar": "MMMMM"} == caught.value.facts
    with pytest.raises(NotFoundError):
        await get(stub, "not-a-key")
    with pytest.raises(NotFoundError):
        await get(stub, "MMMMM", revision=f"revisions/{'0' * 40}")
    with pytest.raises(NotFoundError), rpc.remote_errors():
        _ = [part async for part in stub.FetchTrees(pb.FetchTreesRequest(trees=["0" * 40]))]


async def test_closures(stub: Stub, data: Path) -> None:
    """The closure's digest follows its content alone; a dangling reference has none."""

    async def closure(key: str) -> pb.Closure:
        with rpc.remote_errors():
            return await stub.GetClosure(pb.GetClosureRequest(entity=f"entities/{key}"))

    first = await closure("SSSSS")
    assert ["SSSSS", "PPPPP", "METHO", "MMMMM", "ENVIR"] == [
        folder.entity.removeprefix("entities/") for folder in first.folders
    ]
    assert "environments/default_environment" == first.environment
    assert user_git(data, "rev-parse", "HEAD") == first.commit
    assert ["PPPPP"] == MessageToDict(first.folders[0].metadata)["solved_problem_list"]
    write(data, {"README.md": "no part of any closure"})
    await sync(stub)
    second = await closure("SSSSS")
    assert first.digest == second.digest
    assert first.revision != second.revision
    write(data, {"method_packages/metho/src/m.py": "x = 1"})
    await sync(stub)
    assert first.digest != (await closure("SSSSS")).digest
    write(data, entity_files("PPPPP", "problem_specification", related_system_models_list="[NO]"))
    assert 1 == (await sync(stub)).error_count
    with pytest.raises(NotCheckableError, match="related_system_models_list of PPPPP") as caught:
        await closure("SSSSS")
    assert isinstance(caught.value, PreconditionError)
    assert "NO" == caught.value.facts["reference"]


async def test_diagnostics(stub: Stub, data: Path) -> None:
    """What is wrong is listed by file and line, and goes away when it is repaired."""
    write(
        data,
        {
            "comments/a/metadata.yml": "key: [\n",
            "comments/b/metadata.yml": "key: BBBBB\ntype: comment\nname: ''\ntag_list: x\n",
        },
    )
    revision = await sync(stub)
    assert (2, 1, 6) == (revision.error_count, revision.warning_count, revision.entity_count)
    page = await stub.ListDiagnostics(pb.ListDiagnosticsRequest(page_size=2))
    rest = await stub.ListDiagnostics(
        pb.ListDiagnosticsRequest(page_size=2, page_token=page.next_page_token)
    )
    found = [*page.diagnostics, *rest.diagnostics]
    assert (3, 3, "") == (page.total_size, rest.total_size, rest.next_page_token)
    assert [
        ("yaml-syntax", "comments/a/metadata.yml", 2, ""),
        ("missing-name", "comments/b/metadata.yml", 3, "entities/BBBBB"),
        ("wrong-field-type", "comments/b/metadata.yml", 4, "entities/BBBBB"),
    ] == [(one.code, one.path, one.line, one.entity) for one in found]
    assert pb.Diagnostic.SEVERITY_ERROR == found[0].severity
    own = await stub.ListDiagnostics(pb.ListDiagnosticsRequest(entity="entities/BBBBB"))
    assert 2 == own.total_size
    (data / "comments/a/metadata.yml").unlink()
    (data / "comments/b/metadata.yml").unlink()
    await sync(stub)
    assert 0 == (await stub.ListDiagnostics(pb.ListDiagnosticsRequest())).total_size


async def test_trees(stub: Stub, data: Path) -> None:
    """Trees arrive byte for byte, large files in parts, with modes and links, each with its end."""
    large = os.urandom(2 * 1024 * 1024 + 17)
    folder = data / "system_models/mmmmm"
    write(folder, {"large.bin": large, "deep/er/empty": b"", "run.sh": b"#!/bin/sh\n"})
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("run.sh")
    (Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9"))).write_text("odd")
    await sync(stub)
    wanted = [(await get(stub, key)).tree for key in ("MMMMM", "METHO")]
    content: dict[tuple[str, str], bytes] = {}
    modes: dict[str, int] = {}
    ended = []
    sizes = []
    async for part in stub.FetchTrees(pb.FetchTreesRequest(trees=wanted)):
        if part.tree_end:
            ended.append(part.tree)
            continue
        place = (part.tree, part.path)
        content[place] = content.get(place, b"") + part.data
        modes[part.path] = part.mode
        sizes.append((part.path, len(part.data), part.more))
    assert wanted == ended
    assert large == content[wanted[0], "large.bin"]
    assert b"" == content[wanted[0], "deep/er/empty"]
    assert b"run.sh" == content[wanted[0], "link"]
    assert (0o100755, 0o120000, 0o100644) == (modes["run.sh"], modes["link"], modes["large.bin"])
    assert not any("caf" in path for _, path in content)
    assert [True, True, False] == [more for path, _, more in sizes if path == "large.bin"]
    assert max(size for _, size, _ in sizes) <= 1024 * 1024
    assert (data / "method_packages/metho/metadata.yml").read_bytes() == content[
        wanted[1], "metadata.yml"
    ]


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
