"""Reading sources with real git: folders, working trees, git directories, and hostile ones."""

import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.catalog.domain.entities import SUBMODULE_MODE
from services.catalog.git import Git, GitObjects
from services.catalog.ports import Snapshot
from services.catalog.sources import source_of, without_credentials
from services.errors import InvalidArgumentError, NotFoundError, SourceError, UnavailableError

ENVIRON = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


def user_git(folder: Path, *arguments: str) -> str:
    """Git as the user of a repository runs it."""
    result = subprocess.run(
        ["git", *arguments], cwd=folder, env=ENVIRON, check=True, capture_output=True, text=True
    )
    return result.stdout.strip()


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A committed repository with an ignored file that is tracked nevertheless."""
    folder = tmp_path / "data"
    folder.mkdir()
    user_git(folder, "init", "-q", "-b", "main")
    write(
        folder,
        {
            ".gitignore": "_build/\n*.log\n",
            "models/a/metadata.yml": "key: AAAAA\n",
            "models/a/model.py": "x = 1\n",
            "packages/p/_build/p.py": "y = 1\n",
            "sub/folder/file.txt": "deep\n",
        },
    )
    user_git(folder, "add", ".")
    user_git(folder, "add", "-f", "packages/p/_build/p.py")
    user_git(folder, "commit", "-q", "-m", "first")
    return folder


@pytest.fixture
async def git(tmp_path: Path) -> Git:
    store = Git(tmp_path / "state")
    await store.open()
    return store


async def snapshot_of(git: Git, folder: Path | str, *, ref: str = "") -> Snapshot:
    return await source_of(str(folder), ref=ref, git=git, timeout=20.0).snapshot()


async def files_of(git: Git, tree: str) -> dict[str, str]:
    """Path to content of everything in a tree but folders and submodules."""
    objects = GitObjects(git)
    entries = [
        entry
        for entry in await objects.entries(tree)
        if entry.mode not in (0o040000, SUBMODULE_MODE)
    ]
    blobs = await objects.blobs([entry.id for entry in entries], limit=10_000)
    return {entry.path: blobs[entry.id].decode() for entry in entries}


def fingerprint(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Every file below a folder with its mode, time and content."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


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


async def test_the_users_repository_is_not_touched(git: Git, repository: Path) -> None:
    """Reading a dirty working tree leaves `.git` byte for byte as it was, times included."""
    write(repository, {"models/a/model.py": "x = 3\n", "new.txt": "n"})
    before = fingerprint(repository / ".git")
    await snapshot_of(git, repository)
    await snapshot_of(git, repository, ref="main")
    assert before == fingerprint(repository / ".git")


async def test_hostile_configuration_does_not_run(
    git: Git, repository: Path, tmp_path: Path
) -> None:
    """Filters, hooks, fsmonitor and the like of the repository's configuration never run."""
    trap = tmp_path / "trapped"
    command = f"touch {trap}"
    for key, value in {
        "core.fsmonitor": f"sh -c '{command}'",
        "core.hooksPath": str(repository / "hooks"),
        "core.sshCommand": command,
        "core.pager": command,
        "core.editor": command,
        "core.alternateRefsCommand": command,
        "diff.external": command,
        "filter.evil.clean": f"sh -c '{command}; cat'",
        "filter.evil.smudge": f"sh -c '{command}; cat'",
        "filter.evil.process": command,
        "filter.evil.required": "true",
        "uploadpack.packObjectsHook": command,
        "remote.origin.url": f"ext::sh -c '{command}'",
        "remote.origin.promisor": "true",
        "extensions.partialClone": "origin",
        "protocol.ext.allow": "always",
    }.items():
        user_git(repository, "config", key, value)
    write(repository, {".gitattributes": "* filter=evil\n", "more.txt": "m"})
    for folder in (repository / "hooks", repository / ".git/hooks"):
        folder.mkdir(exist_ok=True)
        for name in ("pre-commit", "post-index-change", "post-checkout", "reference-transaction"):
            hook = folder / name
            hook.write_text(f"#!/bin/sh\n{command}\n")
            hook.chmod(0o755)
    await snapshot_of(git, repository)
    await snapshot_of(git, repository, ref="main")
    await snapshot_of(git, repository / ".git")
    await snapshot_of(git, f"file://{repository}")
    assert not trap.exists()
    subprocess.run(["git", "status"], cwd=repository, env=ENVIRON, check=False, capture_output=True)
    assert trap.exists()  # the trap works: git run by the repository's user falls into it


async def test_a_hostile_submodule_does_not_run(git: Git, repository: Path, tmp_path: Path) -> None:
    """A nested repository's configuration never runs; its files are not part of the revision."""
    trap = tmp_path / "trapped"
    nested = repository / "nested"
    nested.mkdir()
    user_git(nested, "init", "-q")
    write(nested, {"inner.txt": "i"})
    user_git(nested, "add", ".")
    user_git(nested, "commit", "-q", "-m", "nested")
    user_git(repository, "-c", "advice.addEmbeddedRepo=false", "add", "nested")
    user_git(repository, "commit", "-q", "-m", "a submodule")
    user_git(nested, "config", "core.fsmonitor", f"sh -c 'touch {trap}'")
    write(nested, {"inner.txt": "changed"})
    source = source_of(str(repository), ref="", git=git, timeout=20.0)
    for _ in range(3):
        revision = (await source.snapshot()).revision
    assert not trap.exists()
    assert user_git(repository, "rev-parse", "HEAD^{tree}") == revision.tree
    assert "nested/inner.txt" not in await files_of(git, revision.tree)


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


async def test_sha256_is_refused(git: Git, tmp_path: Path) -> None:
    """A repository whose objects are named by SHA-256 is refused with a reason."""
    folder = tmp_path / "sha256"
    folder.mkdir()
    user_git(folder, "init", "-q", "--object-format=sha256")
    with pytest.raises(SourceError, match="SHA-256"):
        await snapshot_of(git, folder)


async def test_a_shared_index(git: Git, repository: Path) -> None:
    """A split index is read too."""
    user_git(repository, "update-index", "--split-index")
    write(repository, {"packages/p/_build/p.py": "y = 7\n"})
    files = await files_of(git, (await snapshot_of(git, repository)).revision.tree)
    assert "y = 7\n" == files["packages/p/_build/p.py"]


async def test_an_unknown_ref(git: Git, repository: Path) -> None:
    """A ref that does not exist is a fault of the source, and is named."""
    with pytest.raises(SourceError, match="nothere"):
        await snapshot_of(git, repository, ref="nothere")
    with pytest.raises(SourceError, match="no git repository"):
        await snapshot_of(git, repository.parent, ref="main")


@pytest.mark.parametrize(
    "source",
    [
        "",
        "--upload-pack=touch /tmp/x",
        "ext::sh -c true",
        "http://example.org/x.git",
        "ftp://example.org/x.git",
        "file://elsewhere/x.git",
        "ssh://-oProxyCommand=true/x",
        "https:///x",
        "https://example.org/\nx",
    ],
)
async def test_refused_sources(git: Git, source: str) -> None:
    """Options, remote helpers and other schemes are refused before git sees them."""
    with pytest.raises(InvalidArgumentError):
        source_of(source, ref="", git=git, timeout=1.0)


@pytest.mark.parametrize(
    "ref",
    ["--all", "-x", "a..b", "a:b", "a^{tree}", "@{-1}", "a b", "a//b", "a/.b", "x.lock", "+a"],
)
async def test_refused_refs(git: Git, ref: str, tmp_path: Path) -> None:
    """Refs that git could take for an option or an expression are refused."""
    with pytest.raises(InvalidArgumentError):
        source_of(str(tmp_path), ref=ref, git=git, timeout=1.0)


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


@contextlib.contextmanager
def git_daemon(folder: Path) -> Iterator[int]:
    """Serves the repositories below a folder over git://; yields the port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen(
        [
            "git",
            "daemon",
            "--export-all",
            f"--base-path={folder}",
            "--listen=127.0.0.1",
            f"--port={port}",
        ],
        env={**ENVIRON, "GIT_CONFIG_COUNT": "1"}
        | {"GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"},
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 10.0
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "git daemon does not answer"
                time.sleep(0.02)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)


def test_credentials_are_cut() -> None:
    """Sources are shown without credentials."""
    assert "https://host/x.git" == without_credentials("https://me:secret@host/x.git")
    assert "git@host:x.git" == without_credentials("git@host:x.git")
