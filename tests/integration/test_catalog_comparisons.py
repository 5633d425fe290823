"""Looking at the past and comparing with it, over real gRPC."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ackrep.catalog.v1 import catalog_pb2 as pb
from services import rpc
from services.errors import InvalidArgumentError, NotFoundError, SourceError
from tests.catalog_system import DATABASES, Stub, catalog, data_repository_at, get, sync
from tests.git_repositories import user_git, write
from tests.unit.catalog.repositories import entity_files

Change = pb.AffectedEntity.Change
MODIFIED, ADDED, REMOVED = (
    pb.AffectedEntity.CHANGE_MODIFIED,
    pb.AffectedEntity.CHANGE_ADDED,
    pb.AffectedEntity.CHANGE_REMOVED,
)


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


def commit(data: Path, message: str) -> str:
    user_git(data, "add", "--all")
    user_git(data, "commit", "-q", "-m", message)
    return user_git(data, "rev-parse", "HEAD")


async def index(stub: Stub, ref: str) -> pb.Revision:
    with rpc.remote_errors():
        return await stub.IndexRevision(pb.IndexRevisionRequest(ref=ref))


async def affected(
    stub: Stub, base: str, revision: str = ""
) -> list[tuple[str, "Change.ValueType", list[str]]]:
    """Key, change and keys of the causes of each affected entity, over pages of one."""
    found, token = [], ""
    while True:
        request = pb.ListAffectedEntitiesRequest(
            base_revision=base, revision=revision, page_size=1, page_token=token
        )
        with rpc.remote_errors():
            page = await stub.ListAffectedEntities(request)
        found += [
            (
                one.entity.removeprefix("entities/"),
                one.change,
                [cause.removeprefix("entities/") for cause in one.causes],
            )
            for one in page.entities
        ]
        token = page.next_page_token
        if not token:
            assert page.total_size == len(found)
            return found


async def test_the_past(stub: Stub, data: Path) -> None:
    """A branch, tag or commit is indexed beside the current revision, and can be asked for."""
    first = user_git(data, "rev-parse", "HEAD")
    user_git(data, "tag", "-a", "-m", "one", "v1")
    write(data, entity_files("MMMMM", "system_model", short_description="newer"))
    second = commit(data, "second")
    current = await sync(stub)
    assert second == current.commit
    old = await index(stub, "v1")
    assert (first, "v1") == (old.commit, old.ref)
    assert current == await stub.GetRevision(pb.GetRevisionRequest(name="revisions/current"))
    assert "newer" == (await get(stub, "MMMMM")).short_description
    for name in (old.name, f"revisions/{first}", f"revisions/{first[:7]}", old.name[:-33]):
        assert "" == (await get(stub, "MMMMM", revision=name)).short_description
    assert old == await index(stub, first[:10])
    for ref in ("nosuch", "0" * 40):
        with pytest.raises(NotFoundError, match=ref):
            await index(stub, ref)
    for ref in ("--upload-pack=x", "a..b", ""):
        with pytest.raises(InvalidArgumentError):
            await index(stub, ref)


async def test_a_plain_folder_has_no_past(tmp_path: Path) -> None:
    """What is no git repository has no branches; the error says so."""
    write(tmp_path / "plain", entity_files("AAAAA", "comment"))
    async with catalog(tmp_path / "plain", tmp_path / "state") as stub:
        await sync(stub)
        with pytest.raises(SourceError, match="no git repository"):
            await index(stub, "main")


async def test_names_of_revisions(stub: Stub) -> None:
    """What is no name, or one of nothing, is refused; the error says what to write."""
    await sync(stub)
    for name in ("main", "revisions/main", "revisions/abc", "revisions/", "entities/AAAAA"):
        with pytest.raises(InvalidArgumentError, match="7 digits"), rpc.remote_errors():
            await stub.GetRevision(pb.GetRevisionRequest(name=name))
    with pytest.raises(NotFoundError, match="abcdef0"):
        await get(stub, "MMMMM", revision="revisions/abcdef0")


async def test_what_a_change_affects(stub: Stub, data: Path) -> None:
    """Entities whose closure is another one, with what changed in it, and no others."""
    base = await sync(stub)
    write(data, entity_files("MMMMM", "system_model", short_description="newer"))
    write(data, {"README.md": "x"})
    second = await sync(stub)
    assert [("MMMMM", MODIFIED, ["MMMMM"]), ("SSSSS", MODIFIED, ["MMMMM"])] == await affected(
        stub, base.name
    )
    write(data, entity_files("NNNNN", "notebook"))
    write(data, {"method_packages/metho/src/x.py": "1"})
    await sync(stub)
    assert [("NNNNN", ADDED, ["ENVIR", "NNNNN"]), ("SSSSS", MODIFIED, ["METHO"])] == (
        await affected(stub, second.name)
    )
    assert [("NNNNN", REMOVED, ["ENVIR", "NNNNN"]), ("SSSSS", MODIFIED, ["METHO"])] == (
        await affected(stub, "revisions/current", second.name[:20])
    )
    write(data, {"environment_specifications/envir/more": "x"})
    third = await sync(stub)
    write(data, {"environment_specifications/envir/more": "y"})
    await sync(stub)
    everyone = [(key, MODIFIED, ["ENVIR"]) for key in ("MMMMM", "NNNNN", "SSSSS")]
    assert everyone == await affected(stub, third.name)
    assert [] == await affected(stub, third.name, third.name)
    with pytest.raises(InvalidArgumentError, match="base_revision"):
        await affected(stub, "")


async def test_a_reference_that_begins_to_lead_somewhere(stub: Stub, data: Path) -> None:
    """An entity is affected by the one that it lacked."""
    (data / "method_packages/metho/metadata.yml").unlink()
    base = await sync(stub)
    write(data, entity_files("METHO", "method_package"))
    await sync(stub)
    assert [("SSSSS", MODIFIED, ["METHO"])] == await affected(stub, base.name)


async def test_users_of_an_environment(stub: Stub) -> None:
    """An environment's entities refer to it, also where it is theirs by default."""
    environment = await get(stub, "ENVIR")
    assert [
        ("compatible_environment", "entities/MMMMM"),
        ("compatible_environment", "entities/SSSSS"),
    ] == [(relation.field, relation.entity) for relation in environment.referrers]
    assert 2 == environment.referrer_count
