"""The cache of trees."""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from services.errors import NotFoundError, ResourceExhaustedError, UnavailableError
from services.runner.checks.trees import TreeCache, TreeWriter, keys_of
from services.runner.memory import MemoryRepository
from services.runner.ports import TreePart
from tests.runner_builders import MODEL, OTHER, folder_of_trees, git_tree, repository


def cache(folder: Path, catalog: MemoryRepository, *, disk_bytes: int = 10**6) -> TreeCache:
    return TreeCache(folder, repository=catalog, disk_bytes=disk_bytes)


async def test_missing_ones_come_in_one_request_and_once(tmp_path: Path) -> None:
    """All missing trees are fetched together, and never again: not after a restart either."""
    catalog = repository()
    ids = [git_tree(MODEL), git_tree(OTHER)]
    first = await cache(tmp_path, catalog).get(ids)
    second = await cache(tmp_path, catalog).get(ids)
    assert [ids] == catalog.fetched
    assert [tree.tar for tree in first] == [tree.tar for tree in second]
    assert frozenset(MODEL) == second[0].files
    with tarfile.open(fileobj=io.BytesIO(second[1].tar)) as archive:
        member = archive.extractfile("data.csv")
        assert member is not None
        assert b"1,2\n" == member.read()


async def test_wrong_content_is_refused(tmp_path: Path) -> None:
    """Content that is not the tree of that id is refused and not kept."""
    wrong = MemoryRepository({}, {git_tree(MODEL): OTHER})
    with pytest.raises(UnavailableError, match=git_tree(OTHER)):
        await cache(tmp_path, wrong).get([git_tree(MODEL)])
    assert [] == list(tmp_path.glob("*/*"))


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "a//b", "", ".git/config"])
def test_paths_that_lead_outside_are_refused(path: str) -> None:
    """A catalog that lies cannot make the runner write anywhere else."""
    with pytest.raises(UnavailableError):
        TreeWriter("0" * 40).add(TreePart(tree="0" * 40, path=path, data=b"x"))


async def test_unknown_and_too_large(tmp_path: Path) -> None:
    """A tree that the catalog lacks, and one larger than the bound, are errors of their kind."""
    with pytest.raises(NotFoundError):
        await cache(tmp_path, repository()).get(["f" * 40])
    with pytest.raises(ResourceExhaustedError):
        await cache(tmp_path, repository()).get([git_tree(MODEL)], at_most=3)


async def test_disk_is_bounded(tmp_path: Path) -> None:
    """Beyond its bound the folder loses what was not used for longest."""
    trees = [{"a": bytes(40_000), "b": b"%d" % number} for number in range(8)]
    catalog = MemoryRepository({}, {git_tree(tree): tree for tree in trees})
    kept = cache(tmp_path, catalog, disk_bytes=200_000)
    for tree in trees:
        await kept.get([git_tree(tree)])
    assert 200_000 >= sum(path.stat().st_size for path in tmp_path.glob("*/*.tar"))
    assert (tmp_path / git_tree(trees[-1])[:2] / f"{git_tree(trees[-1])}.tar").exists()


async def test_files_lead_to_entities(tmp_path: Path) -> None:
    """The key of the entity that a file belongs to is read from the metadata above it."""
    whole = folder_of_trees({"models": MODEL, "others": OTHER})
    (tree,) = await cache(tmp_path, repository()).get([whole])
    assert {"others/data.csv": "OTHER"} == keys_of(tree, ["others/data.csv"])


def test_ids_are_those_of_git(tmp_path: Path) -> None:
    """Nested folders, executables, links and odd names have the id that git gives them."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a-b").mkdir()
    (tmp_path / "a" / "b" / "ü.txt").write_text("x")
    (tmp_path / "a-b" / "run").write_text("#!/bin/sh\n")
    (tmp_path / "a-b" / "run").chmod(0o755)
    (tmp_path / "a.txt").write_text("")
    (tmp_path / "link").symlink_to("a/b")

    def git(*arguments: str) -> bytes:
        return subprocess.run(
            ["git", *arguments], cwd=tmp_path, check=True, capture_output=True
        ).stdout

    git("init", "-q")
    git("add", "-A")
    tree = git("write-tree").decode().strip()
    writer = TreeWriter(tree)
    for line in git("ls-tree", "-r", "-z", tree).split(b"\0"):
        if line:
            meta, path = line.split(b"\t")
            mode, _, blob = meta.split()
            data = git("cat-file", "blob", blob.decode())
            for part, more in ((data[:1], True), (data[1:], False)):
                writer.add(
                    TreePart(tree=tree, path=path.decode(), mode=int(mode, 8), data=part, more=more)
                )
    assert tree == writer.finish().id
