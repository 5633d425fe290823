"""Commits between two: from real git repositories, or from what was indexed."""

from pathlib import Path

import grpc
import pytest

from ackrep.catalog.v1 import catalog_pb2 as pb
from services.catalog.sources.git import Git
from services.catalog.sources.local import source_of
from services.errors import InvalidArgumentError, NotFoundError, SourceError
from tests.catalog_system import catalog, data_repository_at, sync
from tests.git_repositories import git_daemon, repository_at, store_at, user_git, write


@pytest.fixture
async def git(tmp_path: Path) -> Git:
    """Our own store, empty."""
    return await store_at(tmp_path / "state")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Five commits; the third comes from a side branch of two, the fourth changes a package."""
    folder = repository_at(tmp_path / "data")
    _commit(folder, "second", {"models/a/model.py": "x = 2\n"})
    user_git(folder, "checkout", "-q", "-b", "side")
    _commit(folder, "aside", {"models/b/model.py": "x = 1\n"})
    user_git(folder, "checkout", "-q", "main")
    user_git(folder, "merge", "-q", "--no-ff", "-m", "merged", "side")
    _commit(folder, "package", {"packages/p/src/p.py": "y = 2\n"})
    _commit(folder, "last", {"models/a/model.py": "x = 3\n"})
    return folder


async def _subjects(git: Git, folder: Path | str, since: str, *paths: str) -> list[str]:
    source = source_of(str(folder), ref="", git=git, timeout=20.0)
    found = await source.commits(since=since, until="main", paths=paths, limit=100)
    assert found is not None
    return [commit.subject for commit in found]


@pytest.mark.parametrize("bare", [False, True])
async def test_commits_as_they_came_onto_the_branch(
    git: Git, repository: Path, tmp_path: Path, bare: bool
) -> None:
    """Oldest first, without the first one; a merged branch counts as its merge."""
    first = user_git(repository, "rev-list", "--max-parents=0", "HEAD")
    if bare:
        user_git(tmp_path, "clone", "-q", "--bare", str(repository), str(tmp_path / "bare.git"))
        repository = tmp_path / "bare.git"
    assert ["second", "merged", "package", "last"] == await _subjects(git, repository, first)
    assert ["second", "last"] == await _subjects(git, repository, first, "models/a")
    assert ["merged", "package"] == await _subjects(
        git, repository, first[:10], "models/b", "packages"
    )
    assert [] == await _subjects(git, repository, "main")


async def test_a_data_repository_in_a_folder_of_a_repository(git: Git, repository: Path) -> None:
    """Commits that change something elsewhere are not its own; paths are below the folder."""
    first = user_git(repository, "rev-list", "--max-parents=0", "HEAD")
    folder = repository / "packages"
    assert ["package"] == await _subjects(git, folder, first)
    assert ["package"] == await _subjects(git, folder, first, "p")
    assert [] == await _subjects(git, folder, first, "models")


async def test_what_has_no_history(git: Git, repository: Path, tmp_path: Path) -> None:
    """Unknown commits, hostile names, plain folders and shallow clones say what is wrong."""
    source = source_of(str(repository), ref="", git=git, timeout=20.0)
    for since, error in [
        ("nowhere", NotFoundError),
        ("0" * 40, NotFoundError),
        ("--all", InvalidArgumentError),
        ("a..b", InvalidArgumentError),
    ]:
        with pytest.raises(error):
            await source.commits(since=since, until="main", paths=(), limit=10)
    (tmp_path / "plain").mkdir()
    plain = source_of(str(tmp_path / "plain"), ref="", git=git, timeout=20.0)
    with pytest.raises(SourceError, match="no git repository"):
        await plain.commits(since="main", until="main", paths=(), limit=10)
    url = f"file://{repository}"
    user_git(tmp_path, "clone", "-q", "--depth=2", "--branch=main", url, str(tmp_path / "shallow"))
    shallow = source_of(str(tmp_path / "shallow"), ref="", git=git, timeout=20.0)
    old = user_git(tmp_path / "shallow", "rev-parse", "HEAD~1")
    user_git(tmp_path / "shallow", "checkout", "-q", "--orphan", "other")
    _commit(tmp_path / "shallow", "other", {"x": "1"})
    with pytest.raises((SourceError, NotFoundError)):
        await shallow.commits(since="other", until=old, paths=(), limit=10)


async def test_over_grpc(tmp_path: Path) -> None:
    """The current revision's commit ends the list; a dirty tree's is the one it is based on."""
    folder = data_repository_at(tmp_path / "data")
    first = user_git(folder, "rev-parse", "HEAD")
    _commit(folder, "changed", {"system_model/MMMMM/note.txt": "1\n"})
    write(folder, {"system_model/MMMMM/note.txt": "dirty\n"})
    async with catalog(folder, tmp_path / "state") as stub:
        await sync(stub)
        found = await stub.ListCommits(pb.ListCommitsRequest(since=first))
        assert ["changed"] == [commit.subject for commit in found.commits]
        assert "A" == found.commits[0].author
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ListCommits(pb.ListCommitsRequest())
        assert grpc.StatusCode.INVALID_ARGUMENT == caught.value.code()


async def test_a_url_has_the_history_that_was_indexed(tmp_path: Path) -> None:
    """Each push that was read is a commit of the list; one that was not is unknown."""
    folder = data_repository_at(tmp_path / "data")
    ids = [user_git(folder, "rev-parse", "HEAD")]
    with git_daemon(tmp_path) as port:
        url = f"git://127.0.0.1:{port}/data"
        async with catalog(url, tmp_path / "state") as stub:
            await sync(stub)
            for number in range(2):
                _commit(folder, f"push {number}", {"note.txt": f"{number}\n"})
                ids.append(user_git(folder, "rev-parse", "HEAD"))
                await sync(stub)
            found = await stub.ListCommits(pb.ListCommitsRequest(since=ids[0]))
            assert ids[1:] == [commit.id for commit in found.commits]
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.ListCommits(pb.ListCommitsRequest(since="0" * 40))
            assert grpc.StatusCode.NOT_FOUND == caught.value.code()


def _commit(folder: Path, message: str, files: dict[str, str]) -> None:
    write(folder, files)
    user_git(folder, "add", ".")
    user_git(folder, "commit", "-q", "-m", message)
