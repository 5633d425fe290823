"""Forks behind https, as proposals fetch them: just there, and nowhere else."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from services.catalog.proposals.addresses import Addresses
from services.catalog.proposals.lineage import Bounds, GitLineage
from services.catalog.sources.git import Git
from services.catalog.sources.local import source_of
from services.errors import InvalidArgumentError, SourceError
from tests.catalog_proposals import commit, fork_of
from tests.catalog_system import data_repository_at
from tests.forges import LenientGit, forge
from tests.git_repositories import store_at, user_git

NAME = "forge.example"


@pytest.fixture
async def git(tmp_path: Path) -> Git:
    """A store of forks, empty."""
    made = LenientGit(tmp_path / "state" / "proposals")
    await made.open()
    return made


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data repository with a fork of it below a folder that is served."""
    (tmp_path / "served").mkdir()
    data = data_repository_at(tmp_path / "data")
    commit(fork_of(data, tmp_path / "served" / "fork"), {"new": "1"})
    return data


async def lineage_of(
    git: Git, data: Path, *, found: str = "127.0.0.1", hosts: Sequence[str] = (NAME,)
) -> GitLineage:
    """Reads forks in a world in which every host is at one address."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return [found]

    target = await store_at(git.directory.parent.parent / "catalog")
    return GitLineage(
        git,
        target=target,
        source=source_of(str(data), ref="", git=target, timeout=20.0),
        addresses=Addresses(local=False, hosts=hosts, resolver=resolve),
        bounds=Bounds(seconds=20.0, size=10_000_000, files=1000),
    )


async def test_git_asks_no_names(git: Git, data: Path, tmp_path: Path) -> None:
    """Git goes to the address that was judged: the name itself leads nowhere on this machine."""
    lineage = await lineage_of(git, data)
    with forge(tmp_path, root=tmp_path / "served", public=True) as (port, seen):
        await lineage.fetch("AAAAA", url=f"https://{NAME}:{port}/fork", branch="better")
    assert seen.seen
    fetched = await git.run("rev-parse", "refs/ackrep/proposals/AAAAA")
    head = user_git(tmp_path / "served" / "fork", "rev-parse", "better")
    assert head == fetched.decode().strip()


async def test_nothing_private_is_asked(git: Git, data: Path, tmp_path: Path) -> None:
    """A host that nobody named and that is on this machine gets no request at all."""
    lineage = await lineage_of(git, data, hosts=())
    with (
        forge(tmp_path, root=tmp_path / "served", public=True) as (port, seen),
        pytest.raises(InvalidArgumentError, match="not public"),
    ):
        await lineage.fetch("AAAAA", url=f"https://{NAME}:{port}/fork", branch="better")
    assert [] == seen.seen


@pytest.mark.parametrize("target", ["https://127.0.0.1:{port}/fork", "file:///etc", "ext::sh -c x"])
async def test_redirections_are_not_followed(
    git: Git, data: Path, tmp_path: Path, target: str
) -> None:
    """Not even to a host that would be allowed."""
    lineage = await lineage_of(git, data)
    with (
        forge(tmp_path, root=tmp_path / "served", public=True) as (elsewhere, missed),
        forge(tmp_path, root=tmp_path, redirect=target.format(port=elsewhere)) as (port, _),
        pytest.raises(SourceError, match="redirections are not followed"),
    ):
        await lineage.fetch("AAAAA", url=f"https://{NAME}:{port}/fork", branch="better")
    assert [] == missed.seen


async def test_no_password_is_asked_for(git: Git, data: Path, tmp_path: Path) -> None:
    """A private fork is refused at once; nobody is asked for a password."""
    lineage = await lineage_of(git, data)
    with (
        forge(tmp_path, root=tmp_path / "served") as (port, _),
        pytest.raises(SourceError, match="could not read Username"),
    ):
        await lineage.fetch("AAAAA", url=f"https://{NAME}:{port}/fork", branch="better")
