"""What a catalog answers over real gRPC, with real git and a real database."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict

from ackrep.catalog.v1 import catalog_pb2 as pb
from services import rpc
from services.errors import (
    InvalidArgumentError,
    NotCheckableError,
    NotFoundError,
    PreconditionError,
)
from tests.catalog_system import DATABASES, Stub, catalog, data_repository_at, get, sync
from tests.git_repositories import user_git, write
from tests.unit.catalog.repositories import entity_files


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
