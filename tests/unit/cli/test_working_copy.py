"""What a working copy holds, read without trusting the repository's configuration."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from cli.working_copy import Contents, WorkingCopy
from services.catalog.domain.content.manifests import ManifestFile, tree_objects
from services.errors import PreconditionError
from tests.git_repositories import user_git, write

FILES: Mapping[str, bytes] = {
    ".gitignore": b"*.log\n_build/\n",
    "models/a/metadata.yml": b"key: AAAAA\n",
    "models/a/model.py": b"x = 1\n",
    "models/a/_build/p.py": b"tracked though ignored\n",
    "two words ä.py": b"umlaut\n",
    'quo"te.py': b"quote\n",
    '"begins so.py': b"quote first\n",
    "new\nline.py": b"line\n",
    "back\\slash.py": b"slash\n",
    "-rf": b"option\n",
    ":(top)x": b"pathspec\n",
    "empty": b"",
    "run.sh": b"#!/bin/sh\n",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A committed repository with names of all kinds, links, and an ignored file that counts."""
    folder = tmp_path / "data"
    folder.mkdir()
    write(folder, FILES)
    write_bytes_name(folder, b"odd \xff.py")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("models/a")
    (folder / "away").symlink_to("/etc/passwd")
    user_git(folder, "init", "-q")
    user_git(folder, "add", "--all")
    user_git(folder, "add", "-f", "models/a/_build")
    user_git(folder, "commit", "-q", "-m", "first")
    return folder


def write_bytes_name(folder: Path, name: bytes) -> None:
    """Writes a file whose name is no UTF-8."""
    with open(os.path.join(os.fsencode(folder), name), "wb") as file:  # noqa: PTH118
        file.write(b"odd\n")


def contents(folder: Path) -> Contents:
    """What a folder holds."""
    with WorkingCopy(folder) as copy:
        return copy.contents()


def tree_of(found: Contents) -> str:
    """Git's id of the tree."""
    files = [ManifestFile(file.path, file.mode, file.blob) for file in found.files]
    return list(tree_objects(files))[-1].id


def git_tree(folder: Path) -> str:
    """The tree that git would commit."""
    user_git(folder, "add", "--all")
    return user_git(folder, "write-tree")


def test_clean(repository: Path) -> None:
    """A folder without changes is the tree of its commit."""
    found = contents(repository)

    assert user_git(repository, "rev-parse", "HEAD^{tree}") == tree_of(found)
    assert user_git(repository, "rev-parse", "HEAD") == found.base_commit
    assert found.clean


def test_changes(repository: Path) -> None:
    """New, changed, removed and replaced files are as git would commit them."""
    write(
        repository,
        {"models/b/new.py": b"new\n", "noise.log": b"ignored\n", "models/a/model.py": b"x = 2\n"},
    )
    (repository / "empty").unlink()
    (repository / "run.sh").chmod(0o644)
    (repository / "link").unlink()
    write(repository, {"link": b"a file now\n"})
    found = contents(repository)

    assert git_tree(repository) == tree_of(found)
    assert not found.clean
    assert b"noise.log" not in {file.path for file in found.files}


def test_folder_that_became_a_link(repository: Path, tmp_path: Path) -> None:
    """Nothing is read through a link that stands where a folder was."""
    outside = tmp_path / "outside"
    (repository / "models").rename(outside)
    (repository / "models").symlink_to(outside)
    found = contents(repository)

    assert git_tree(repository) == tree_of(found)
    assert not any(file.path.startswith(b"models/") for file in found.files)


@pytest.mark.parametrize("attributes", ["* text=auto\n", "*.py text eol=crlf\n", "*.py -text\n"])
def test_line_endings(tmp_path: Path, attributes: str) -> None:
    """Line endings are those that the repository's attributes ask for."""
    folder = tmp_path / "data"
    folder.mkdir()
    user_git(folder, "init", "-q")
    write(folder, {".gitattributes": attributes, "a.py": b"x\r\ny\r\n", "b.bin": b"\0\r\n"})
    found = contents(folder)

    assert git_tree(folder) == tree_of(found)
    with WorkingCopy(folder) as copy:
        files = copy.contents().files
        sizes = copy.freeze(files)
        sent = dict.fromkeys((file.blob for file in files), b"")
        for blob, data, _ in copy.pieces(files):
            sent[blob] += data
    for file in files:
        stored = user_git(folder, "cat-file", "-s", file.blob)
        assert str(len(sent[file.blob])) == stored == str(sizes[file.blob])


def test_below_a_repository(tmp_path: Path) -> None:
    """A data repository may be a folder of a repository, whose rules hold."""
    top = tmp_path / "top"
    write(
        top,
        {
            ".gitignore": b"*.log\n",
            ".gitattributes": b"*.py text\n",
            "other.py": b"",
            "data/a.py": b"x\r\n",
            "data/b.log": b"",
            "data/deep/c.py": b"",
        },
    )
    user_git(top, "init", "-q")
    user_git(top, "add", ".")
    user_git(top, "commit", "-q", "-m", "first")
    found = contents(top / "data")

    assert user_git(top, "rev-parse", "HEAD:data") == tree_of(found)
    assert [b"a.py", b"deep/c.py"] == [file.path for file in found.files]
    assert found.clean


@pytest.mark.parametrize("ignored", [True, False])
def test_plain_folder(tmp_path: Path, *, ignored: bool) -> None:
    """A folder outside of git, or that its repository ignores, stands for itself."""
    folder = tmp_path / "top/data"
    write(folder, {"a.py": b"", ".gitignore": b"*.log\n", "x.log": b"", "deep/b.py": b""})
    write(folder / "nested", {".git/HEAD": b"ref: refs/heads/main\n"})
    if ignored:
        user_git(tmp_path / "top", "init", "-q")
        write(tmp_path / "top", {".gitignore": b"data/\n"})
    found = contents(folder)

    assert [b".gitignore", b"a.py", b"deep/b.py"] == [file.path for file in found.files]
    assert ("", False) == (found.base_commit, found.clean)


def test_new_repository(tmp_path: Path) -> None:
    """A repository without a commit has files and no base."""
    write(tmp_path, {"a.py": b""})
    user_git(tmp_path, "init", "-q")
    found = contents(tmp_path)

    assert ([b"a.py"], "") == ([file.path for file in found.files], found.base_commit)


def test_nothing(tmp_path: Path) -> None:
    """An empty folder is the empty tree."""
    assert "4b825dc642cb6eb9a060e54bf8d69288fbee4904" == tree_of(contents(tmp_path))


def test_nothing_of_the_repository_runs(repository: Path, tmp_path: Path) -> None:
    """Monitors, hooks and filters that the repository names are not started."""
    trap = tmp_path / "trap"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {trap}\ncat\n")
    script.chmod(0o755)
    for name in ("post-index-change", "pre-commit", "post-checkout", "fsmonitor-watchman"):
        hook = repository / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(script.read_text())
        hook.chmod(0o755)
    for name in (
        "core.fsmonitor",
        "core.sshCommand",
        "core.pager",
        "pager.ls-files",
        "core.editor",
        "filter.x.clean",
        "filter.x.process",
        "diff.external",
    ):
        user_git(repository, "config", name, str(script))
    user_git(repository, "config", "filter.x.required", "true")
    user_git(repository, "config", "core.untrackedCache", "true")
    write(repository, {".gitattributes": b"*.py filter=x\n"})
    trap.unlink(missing_ok=True)
    found = contents(repository)

    assert not trap.exists()
    assert len(found.files) > len(FILES)
    # The trap is one: git itself steps into it, and fails.
    subprocess.run(["git", "status"], cwd=repository, check=False, capture_output=True)
    assert trap.exists()


def test_nothing_is_written(repository: Path) -> None:
    """The user's own git folder stays as it is, to the byte and the second."""

    def states() -> dict[str, tuple[int, int]]:
        return {
            str(path): (path.lstat().st_mtime_ns, path.lstat().st_size)
            for path in (repository / ".git").rglob("*")
        }

    write(repository, {"models/a/model.py": b"x = 2\n"})
    before = states()
    with WorkingCopy(repository) as copy:
        copy.freeze(copy.contents().files)

    assert before == states()


def test_variables_of_git(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables that would point git elsewhere have no part in it."""
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "objects"))

    assert contents(repository).clean


def test_change_while_it_is_read(repository: Path) -> None:
    """A file that changes between hashing and sending is an error that says so."""
    with WorkingCopy(repository) as copy:
        files = copy.contents().files
        write(repository, {"models/a/model.py": b"x = 3\n"})
        with pytest.raises(PreconditionError, match=r"model\.py changed"):
            copy.freeze(files)


def test_removed_while_it_is_read(repository: Path) -> None:
    """A file that goes between hashing and sending is an error that names it."""
    with WorkingCopy(repository) as copy:
        files = copy.contents().files
        (repository / "run.sh").unlink()
        with pytest.raises(PreconditionError, match=r"run\.sh"):
            copy.freeze(files)


def test_without_git(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without git is told what is lacking."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PreconditionError, match="no `git` on PATH"):
        contents(repository)


@pytest.mark.parametrize(
    ("file", "said"), [("config", "bad config"), ("HEAD", "not a git repository")]
)
def test_broken_repository(repository: Path, file: str, said: str) -> None:
    """A repository that git cannot read is an error with git's own words."""
    (repository / ".git" / file).write_text("[broken\n")
    with pytest.raises(PreconditionError, match=said):
        contents(repository)


def test_below_what_is_no_repository(tmp_path: Path) -> None:
    """A stray `.git` further up makes no repository."""
    write(tmp_path, {".git/x": b"", "data/a.py": b""})

    assert [b"a.py"] == [file.path for file in contents(tmp_path / "data").files]


def test_submodules(repository: Path, tmp_path: Path) -> None:
    """A submodule is left out, as the catalog has no content of it; the copy is not clean then."""
    other = tmp_path / "other"
    other.mkdir()
    user_git(other, "init", "-q")
    write(other, {"x": b""})
    user_git(other, "add", ".")
    user_git(other, "commit", "-q", "-m", "x")
    user_git(
        repository, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other), "sub"
    )
    user_git(repository, "commit", "-q", "-m", "submodule")
    found = contents(repository)

    assert not found.clean
    assert not any(file.path.startswith(b"sub") for file in found.files)
