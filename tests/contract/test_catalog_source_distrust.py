"""Sources are not trusted: their configuration never runs, odd names never reach git."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from services.catalog.sources.git import Git
from services.catalog.sources.local import source_of
from services.errors import InvalidArgumentError
from tests.git_repositories import (
    ENVIRON,
    files_of,
    repository_at,
    snapshot_of,
    store_at,
    user_git,
    write,
)


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


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A committed repository with an ignored file that is tracked nevertheless."""
    return repository_at(tmp_path / "data")


@pytest.fixture
async def git(tmp_path: Path) -> Git:
    """Our own store, empty."""
    return await store_at(tmp_path / "state")


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
