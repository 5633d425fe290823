"""Reading git directories and URLs with real git, and what our own store keeps of them."""

from pathlib import Path

import pytest

from services.catalog.sources.git import Git
from services.catalog.sources.local import source_of
from services.catalog.sources.objects import GitObjects
from services.errors import NotFoundError, SourceError, UnavailableError
from tests.git_repositories import (
    files_of,
    git_daemon,
    repository_at,
    snapshot_of,
    store_at,
    user_git,
    write,
)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A committed repository with an ignored file that is tracked nevertheless."""
    return repository_at(tmp_path / "data")


@pytest.fixture
async def git(tmp_path: Path) -> Git:
    """Our own store, empty."""
    return await store_at(tmp_path / "state")


@pytest.mark.parametrize("ref", ["main", "refs/heads/main", "v1", "HEAD", "", "commit", "short"])
@pytest.mark.parametrize("packed", [False, True])
async def test_a_git_directory(
    git: Git, repository: Path, tmp_path: Path, ref: str, packed: bool
) -> None:
    """A bare repository is read at a branch, an annotated tag or a commit."""
    user_git(repository, "tag", "-a", "-m", "one", "v1")
    bare = tmp_path / "bare.git"
    user_git(tmp_path, "clone", "-q", "--bare", str(repository), str(bare))
    if packed:
        user_git(bare, "pack-refs", "--all")
    commit = user_git(repository, "rev-parse", "HEAD")
    ref = {"commit": commit, "short": commit[:10]}.get(ref, ref)
    revision = (await snapshot_of(git, bare, ref=ref)).revision
    assert (commit, False, "bare") == (revision.commit, revision.dirty, revision.title)
    assert "y = 1\n" == (await files_of(git, revision.tree))["packages/p/_build/p.py"]


async def test_a_git_directory_that_lacks_blobs(git: Git, repository: Path) -> None:
    """A blob that the source lacks is missing here too; the others are read."""
    blob = user_git(repository, "rev-parse", "HEAD:models/a/model.py")
    (repository / ".git/objects" / blob[:2] / blob[2:]).unlink()
    revision = (await snapshot_of(git, repository, ref="main")).revision
    objects = GitObjects(git)
    sizes = {entry.path: entry.size for entry in await objects.entries(revision.tree)}
    assert (-1, 5) == (sizes["models/a/model.py"], sizes["sub/folder/file.txt"])
    assert {} == await objects.blobs([blob], limit=10)
    with pytest.raises(NotFoundError, match=blob):
        _ = [part async for part in objects.stream([blob], chunk=10)]


async def test_content_stays_when_the_source_goes(
    git: Git, repository: Path, tmp_path: Path
) -> None:
    """Our store holds whole revisions by itself."""
    tree = (await snapshot_of(git, repository)).revision.tree
    other = (await snapshot_of(git, repository, ref="main")).revision.tree
    repository.rename(tmp_path / "gone")
    assert tree == other
    assert 5 == len(await files_of(git, tree))
    with pytest.raises(SourceError, match="no folder"):
        await snapshot_of(git, repository)


async def test_objects_in_chunks(git: Git, repository: Path) -> None:
    """Large files come in consecutive chunks, empty ones in one empty chunk."""
    write(repository, {"large": "x" * 25, "empty": ""})
    tree = (await snapshot_of(git, repository)).revision.tree
    objects = GitObjects(git)
    ids = {entry.path: entry.id for entry in await objects.entries(tree)}
    parts = [part async for part in objects.stream([ids["large"], ids["empty"]], chunk=10)]
    assert [
        (ids["large"], b"x" * 10, True),
        (ids["large"], b"x" * 10, True),
        (ids["large"], b"x" * 5, False),
        (ids["empty"], b"", False),
    ] == [(id_, chunk.data, chunk.more) for id_, chunk in parts]
    assert {ids["large"]: b"x" * 8} == await objects.blobs([ids["large"]], limit=7)


async def test_sha256_is_refused(git: Git, tmp_path: Path) -> None:
    """A repository whose objects are named by SHA-256 is refused with a reason."""
    folder = tmp_path / "sha256"
    folder.mkdir()
    user_git(folder, "init", "-q", "--object-format=sha256")
    with pytest.raises(SourceError, match="SHA-256"):
        await snapshot_of(git, folder)


async def test_an_unknown_ref(git: Git, repository: Path) -> None:
    """A ref that does not exist is a fault of the source, and is named."""
    with pytest.raises(SourceError, match="nothere"):
        await snapshot_of(git, repository, ref="nothere")
    with pytest.raises(SourceError, match="no git repository"):
        await snapshot_of(git, repository.parent, ref="main")


async def test_a_remote_that_does_not_answer(git: Git) -> None:
    """A URL where nothing listens is unavailable; the message shows no password."""
    with pytest.raises(UnavailableError) as caught:
        await snapshot_of(git, "https://me:secret@127.0.0.1:9/x.git", ref="main")
    assert "secret" not in caught.value.message


async def test_a_url(git: Git, repository: Path) -> None:
    """A URL is fetched at a branch or commit, again after a push, and without history."""
    user_git(repository, "commit", "-q", "--allow-empty", "-m", "second")
    with git_daemon(repository.parent) as port:
        source = source_of(f"git://127.0.0.1:{port}/data", ref="main", git=git, timeout=20.0)
        first = (await source.snapshot()).revision
        assert user_git(repository, "rev-parse", "HEAD") == first.commit
        assert ("data", False) == (first.title, first.dirty)
        assert "deep\n" == (await files_of(git, first.tree))["sub/folder/file.txt"]
        write(repository, {"pushed.txt": "p"})
        user_git(repository, "add", ".")
        user_git(repository, "commit", "-q", "-m", "third")
        second = (await source.snapshot()).revision
        assert "p" == (await files_of(git, second.tree))["pushed.txt"]
        assert "1" == (await git.run("rev-list", "--count", second.commit)).decode().strip()
        default = (await snapshot_of(git, f"git://127.0.0.1:{port}/data")).revision
        assert second.tree == default.tree
        with pytest.raises(SourceError, match="nothere"):
            await snapshot_of(git, f"git://127.0.0.1:{port}/data", ref="nothere")
