"""Manifests of far clients, and the trees that they make."""

import random
import subprocess
from pathlib import Path

import pytest

from services.catalog.domain.content.manifests import (
    ManifestFile,
    checked,
    object_id,
    tree_objects,
)
from services.errors import InvalidArgumentError
from tests.git_repositories import user_git

BLOB = object_id("blob", b"x")
FILE = 0o100644


def files(*paths: bytes) -> list[ManifestFile]:
    """Files with these paths."""
    return [ManifestFile(path, FILE, BLOB) for path in paths]


@pytest.mark.parametrize(
    "path",
    [
        b"a/b.py",
        b".gitignore",
        b".github/x",
        b".gitmodules",
        b"...",
        b"-rf",
        b"a b",
        b"\xff\xfe",
        b"new\nline",
        b"a:b",
        b"git",
        b"a\\b",
    ],
)
def test_right_paths(path: bytes) -> None:
    """What a git tree can hold may come."""
    checked(files(path))


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"/a",
        b"a/",
        b"a//b",
        b"./a",
        b"a/./b",
        b"../a",
        b"a/../b",
        b"..",
        b"a\0b",
        b".git",
        b".git/config",
        b"a/.git/hooks/x",
        b".GIT/config",
        b".git./config",
        b".git /config",
        b"git~1/config",
        b".git::$INDEX_ALLOCATION/config",
        b"a" * 5000,
        b"/".join([b"a"] * 300),
    ],
)
def test_wrong_paths(path: bytes) -> None:
    """What no git tree can hold, or what some system takes for git's own folder, may not."""
    with pytest.raises(InvalidArgumentError, match="the path "):
        checked(files(path))


@pytest.mark.parametrize(
    "paths",
    [(b"a", b"a"), (b"a", b"a/b"), (b"a/b/c/d", b"a/b"), (b"a/b", b"a-b", b"a")],
)
def test_paths_that_cannot_be_together(paths: tuple[bytes, ...]) -> None:
    """Nothing is named twice, and no file is a folder."""
    with pytest.raises(InvalidArgumentError):
        checked(files(*paths))


@pytest.mark.parametrize("mode", [0, 0o40000, 0o160000, 0o100664, 0o104755, 0o777])
def test_wrong_modes(mode: int) -> None:
    """Only files, programs and links may come."""
    with pytest.raises(InvalidArgumentError, match="has the mode"):
        checked([ManifestFile(b"a", mode, BLOB)])


@pytest.mark.parametrize("blob", ["", "abc", "A" * 40, "g" * 40, "0" * 41, "0" * 40 + "\n"])
def test_wrong_ids(blob: str) -> None:
    """Only git ids name content."""
    with pytest.raises(InvalidArgumentError, match="no git object id"):
        checked([ManifestFile(b"a", FILE, blob)])


def test_empty_tree() -> None:
    """No files are git's empty tree."""
    (tree,) = tree_objects([])

    assert "4b825dc642cb6eb9a060e54bf8d69288fbee4904" == tree.id


@pytest.mark.parametrize("seed", range(10))
def test_trees_are_those_of_git(tmp_path: Path, seed: int) -> None:
    """The trees of any files are those that git makes of them."""
    chance = random.Random(seed)  # noqa: S311  # no secret
    user_git(tmp_path, "init", "-q")
    wanted: dict[bytes, ManifestFile] = {}
    names = [b"a", b"a.b", b"a-b", b"a0", b"B", b"\xff", b"\xc3\xa4", b"z z", b"a\nb"]
    blob = user_git(tmp_path, "hash-object", "-w", "--stdin")
    for _ in range(60):
        path = b"/".join(chance.choices(names, k=chance.randint(1, 5)))
        taken = any(
            path.startswith(other + b"/") or other.startswith(path + b"/") for other in wanted
        )
        if not taken:
            mode = chance.choice([0o100644, 0o100755, 0o120000])
            wanted[path] = ManifestFile(path, mode, blob)
    chosen = list(wanted.values())
    chance.shuffle(chosen)
    checked(chosen)
    trees = list(tree_objects(chosen))

    lines = b"".join(b"%o %s 0\t%s\0" % (f.mode, f.blob.encode(), f.path) for f in chosen)
    subprocess.run(
        ["git", "update-index", "-z", "--index-info"], cwd=tmp_path, input=lines, check=True
    )
    assert user_git(tmp_path, "write-tree") == trees[-1].id
    for tree in trees:
        assert tree.id == object_id("tree", tree.content)
        assert "tree" == user_git(tmp_path, "cat-file", "-t", tree.id)
