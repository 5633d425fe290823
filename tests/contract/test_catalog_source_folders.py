"""Reading folders and working trees with real git: what is committed, changed, ignored."""

import os
from pathlib import Path

import pytest

from services.catalog.sources.git import Git
from services.catalog.sources.local import source_of
from tests.git_repositories import files_of, repository_at, snapshot_of, store_at, user_git, write


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A committed repository with an ignored file that is tracked nevertheless."""
    return repository_at(tmp_path / "data")


@pytest.fixture
async def git(tmp_path: Path) -> Git:
    """Our own store, empty."""
    return await store_at(tmp_path / "state")


async def test_a_clean_working_tree_is_its_commit(git: Git, repository: Path) -> None:
    """A clean working tree has the tree, the commit and the files that HEAD has."""
    revision = (await snapshot_of(git, repository)).revision
    assert user_git(repository, "rev-parse", "HEAD^{tree}") == revision.tree
    assert user_git(repository, "rev-parse", "HEAD") == revision.commit == revision.base_commit
    assert not revision.dirty
    assert (str(repository), "data") == (revision.source, revision.title)
    assert "y = 1\n" == (await files_of(git, revision.tree))["packages/p/_build/p.py"]


async def test_a_dirty_working_tree_is_what_would_be_committed(git: Git, repository: Path) -> None:
    """Changed, new and deleted files count; ignored ones do not; tracked ignored ones do."""
    write(
        repository,
        {
            "models/a/model.py": "x = 2\n",
            "models/b/metadata.yml": "key: BBBBB\n",
            "noise.log": "ignored\n",
            "packages/p/_build/p.py": "y = 2\n",
            "packages/p/_build/other.py": "ignored, never added\n",
        },
    )
    (repository / "sub/folder/file.txt").unlink()
    revision = (await snapshot_of(git, repository)).revision
    assert revision.dirty
    assert "" == revision.commit
    assert user_git(repository, "rev-parse", "HEAD") == revision.base_commit
    assert {
        ".gitignore": "_build/\n*.log\n",
        "models/a/metadata.yml": "key: AAAAA\n",
        "models/a/model.py": "x = 2\n",
        "models/b/metadata.yml": "key: BBBBB\n",
        "packages/p/_build/p.py": "y = 2\n",
    } == await files_of(git, revision.tree)


async def test_again_and_again(git: Git, repository: Path) -> None:
    """One source sees each change, and the old tree again when the change is undone."""
    source = source_of(str(repository), ref="", git=git, timeout=20.0)
    first = (await source.snapshot()).revision
    write(repository, {"models/a/model.py": "x = 22\n", "packages/p/_build/p.py": "y = 22\n"})
    second = (await source.snapshot()).revision
    user_git(repository, "checkout", "-q", ".")
    third = (await source.snapshot()).revision
    assert first == third
    assert first.tree != second.tree
    user_git(repository, "rm", "-q", "--cached", "packages/p/_build/p.py")
    fourth = await files_of(git, (await source.snapshot()).revision.tree)
    assert "packages/p/_build/p.py" not in fourth


async def test_what_git_alone_would_not_notice(git: Git, repository: Path) -> None:
    """Rules that change outside the folder, and ignored tracked files that come back, count."""
    source = source_of(str(repository / "packages"), ref="", git=git, timeout=20.0)
    write(repository, {"packages/new.txt": "n"})

    async def names() -> set[str]:
        for _ in range(2):
            files = await files_of(git, (await source.snapshot()).revision.tree)
        return set(files)

    assert {"p/_build/p.py", "new.txt"} == await names()
    (repository / ".git/info/exclude").write_text("new.txt\n")
    assert {"p/_build/p.py"} == await names()
    (repository / ".git/info/exclude").write_text("")
    assert {"p/_build/p.py", "new.txt"} == await names()
    write(repository, {".gitignore": "_build/\n*.txt\n"})
    assert {"p/_build/p.py"} == await names()
    (repository / "packages/p/_build/p.py").unlink()
    assert set() == await names()
    write(repository, {"packages/p/_build/p.py": "y = 1\n"})
    assert {"p/_build/p.py"} == await names()
    user_git(repository, "rm", "-q", "--cached", "packages/p/_build/p.py")
    assert set() == await names()


async def test_rules_that_are_not_committed_count(git: Git, repository: Path) -> None:
    """`.git/info/exclude` is respected."""
    (repository / ".git/info/exclude").write_text("secret.txt\n")
    write(repository, {"secret.txt": "s", "open.txt": "o"})
    files = await files_of(git, (await snapshot_of(git, repository)).revision.tree)
    assert "secret.txt" not in files
    assert "o" == files["open.txt"]


async def test_a_nested_repository_without_commits_is_reported(git: Git, repository: Path) -> None:
    """What git cannot add is left out with a diagnostic; everything else is read."""
    (repository / "empty").mkdir()
    user_git(repository / "empty", "init", "-q")
    snapshot = await snapshot_of(git, repository)
    assert [("unreadable-file", "empty")] == [
        (diagnostic.code, diagnostic.path) for diagnostic in snapshot.diagnostics
    ]
    assert "models/a/model.py" in await files_of(git, snapshot.revision.tree)


async def test_a_linked_worktree(git: Git, repository: Path, tmp_path: Path) -> None:
    """A linked worktree, whose `.git` is a file, is read with its own HEAD and index."""
    linked = tmp_path / "linked"
    user_git(repository, "worktree", "add", "-q", "-b", "side", str(linked))
    write(linked, {"models/a/model.py": "side = 1\n"})
    user_git(linked, "commit", "-q", "-a", "-m", "on the side")
    write(linked, {"packages/p/_build/p.py": "y = 9\n"})
    revision = (await snapshot_of(git, linked)).revision
    assert user_git(linked, "rev-parse", "HEAD") == revision.base_commit
    assert revision.dirty
    files = await files_of(git, revision.tree)
    assert ("side = 1\n", "y = 9\n") == (
        files["models/a/model.py"],
        files["packages/p/_build/p.py"],
    )


async def test_a_folder_of_a_repository(git: Git, repository: Path) -> None:
    """A folder below a repository is a data repository of its own; the rules above it count."""
    write(repository, {"models/b.log": "ignored by the rule above", "other.txt": "outside"})
    source = source_of(str(repository / "models"), ref="", git=git, timeout=20.0)
    clean = (await source.snapshot()).revision
    assert user_git(repository, "rev-parse", "HEAD:models") == clean.tree
    assert user_git(repository, "rev-parse", "HEAD") == clean.commit
    assert {"a/metadata.yml", "a/model.py"} == set(await files_of(git, clean.tree))
    write(repository, {"models/a/model.py": "x = 5\n"})
    assert (await source.snapshot()).revision.dirty
    at_ref = (await snapshot_of(git, repository / "models", ref="main")).revision
    assert clean.tree == at_ref.tree


async def test_a_folder_that_its_repository_ignores(git: Git, repository: Path) -> None:
    """It stands for itself, as a plain folder."""
    write(repository, {"_build/data/x/metadata.yml": "key: XXXXX\n"})
    revision = (await snapshot_of(git, repository / "_build/data")).revision
    assert {"x/metadata.yml"} == set(await files_of(git, revision.tree))
    assert ("", True) == (revision.base_commit, revision.dirty)


async def test_a_plain_folder(git: Git, tmp_path: Path) -> None:
    """A folder outside git is read too; it has no commit."""
    folder = tmp_path / "plain [odd] name"
    write(folder, {".gitignore": "*.tmp\n", "a/metadata.yml": "key: AAAAA\n", "b.tmp": "b"})
    revision = (await snapshot_of(git, folder)).revision
    assert {".gitignore", "a/metadata.yml"} == set(await files_of(git, revision.tree))
    assert ("", "", True) == (revision.commit, revision.base_commit, revision.dirty)


async def test_an_empty_folder(git: Git, tmp_path: Path) -> None:
    """An empty folder is a revision without files, also after it held some."""
    folder = tmp_path / "empty"
    folder.mkdir()
    source = source_of(str(folder), ref="", git=git, timeout=20.0)
    empty = (await source.snapshot()).revision.tree
    write(folder, {"file": "f"})
    assert empty != (await source.snapshot()).revision.tree
    (folder / "file").unlink()
    assert empty == (await source.snapshot()).revision.tree
    assert {} == await files_of(git, empty)


async def test_before_the_first_commit(git: Git, tmp_path: Path) -> None:
    """A repository without commits is read, and is dirty."""
    folder = tmp_path / "young"
    folder.mkdir()
    user_git(folder, "init", "-q")
    write(folder, {"a.txt": "a"})
    revision = (await snapshot_of(git, folder)).revision
    assert {"a.txt": "a"} == await files_of(git, revision.tree)
    assert ("", True) == (revision.base_commit, revision.dirty)


async def test_names_with_odd_bytes(git: Git, tmp_path: Path) -> None:
    """Names that are no UTF-8, or hold line breaks, are read like others."""
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in (b"caf\xe9.txt", b"two\nlines", b'quote"tab\t', b":(top)x", b"*"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text("odd")
    tree = (await snapshot_of(git, folder)).revision.tree
    assert {"caf\udce9.txt", "two\nlines", 'quote"tab\t', ":(top)x", "*"} == set(
        await files_of(git, tree)
    )


async def test_links_are_not_followed(git: Git, tmp_path: Path) -> None:
    """Symbolic links are entries with their target as content, also those to folders."""
    folder = tmp_path / "links"
    folder.mkdir()
    (tmp_path / "outside").mkdir()
    write(tmp_path / "outside", {"secret": "s"})
    (folder / "out").symlink_to(tmp_path / "outside")
    (folder / "file").symlink_to("nowhere")
    files = await files_of(git, (await snapshot_of(git, folder)).revision.tree)
    assert {"out": str(tmp_path / "outside"), "file": "nowhere"} == files


async def test_a_shared_index(git: Git, repository: Path) -> None:
    """A split index is read too."""
    user_git(repository, "update-index", "--split-index")
    write(repository, {"packages/p/_build/p.py": "y = 7\n"})
    files = await files_of(git, (await snapshot_of(git, repository)).revision.tree)
    assert "y = 7\n" == files["packages/p/_build/p.py"]
