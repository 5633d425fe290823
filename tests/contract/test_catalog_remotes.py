"""Remotes are not trusted: neither their addresses nor what answers there. With real git."""

import os
import socket
import threading
import urllib.parse
from pathlib import Path
from typing import Any

import pytest

from services.catalog.sources.git import Git
from services.catalog.sources.local import source_of
from services.errors import InvalidArgumentError, SourceError, UnavailableError
from tests.forges import SECRET, LenientGit, forge
from tests.git_repositories import git_daemon, repository_at, store_at, user_git, write


@pytest.fixture
async def git(tmp_path: Path) -> Git:
    """Our own store, empty."""
    made = LenientGit((await store_at(tmp_path / "state")).directory.parent)
    await made.open()
    return made


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A committed repository below a folder that is served."""
    (tmp_path / "served").mkdir()
    return repository_at(tmp_path / "served" / "data")


REFS = [
    *("-", "--", "--all", "--upload-pack=touch x", "-x", "+main", "^main", "main^", "main~1"),
    *("a..b", "a:b", ":b", "a^{tree}", "@{-1}", "main@{1}", "a b", "a//b", "a/.b", ".a", "a."),
    *("x.lock", "refs/*", "*", "a?", "[a]", "a\\b", "a\nb", "a\0b", "a\x7f", "$(touch x)", "`x`"),
    "x" * 300,
]


@pytest.mark.parametrize("ref", REFS)
async def test_refs_that_are_refused(git: Git, repository: Path, ref: str) -> None:
    """Whatever git could take for an option, a pattern or an expression is refused."""
    with git_daemon(repository.parent) as port:
        url = f"git://127.0.0.1:{port}/data"
        with pytest.raises(InvalidArgumentError):
            source_of(url, ref=ref, git=git, timeout=20.0)
        if ref:
            with pytest.raises(InvalidArgumentError):
                await source_of(url, ref="", git=git, timeout=20.0).snapshot(ref=ref)


# What answers -------------------------------------------------------------------------------------


def calls_of(git: Git, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes git's commands from now on."""
    seen: list[str] = []
    run = git.run_verbose

    async def noting(*arguments: str, **options: Any) -> tuple[bytes, str]:
        seen.append(arguments[0])
        return await run(*arguments, **options)

    monkeypatch.setattr(git, "run_verbose", noting)
    return seen


async def test_what_did_not_change_is_not_fetched(
    git: Git, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unchanged branch, tag or commit costs no fetch, also after a restart; a change does."""
    user_git(repository, "tag", "-a", "v1", "-m", "first")
    user_git(repository, "branch", "other/main")
    commit = user_git(repository, "rev-parse", "HEAD")
    seen = calls_of(git, monkeypatch)
    with git_daemon(repository.parent) as port:
        url = f"git://127.0.0.1:{port}/data"
        for ref in ("", "main", "v1", "refs/heads/main", commit):
            first = await source_of(url, ref=ref, git=git, timeout=20.0).snapshot()
            seen.clear()
            assert first == await source_of(url, ref=ref, git=git, timeout=20.0).snapshot()
            assert "fetch" not in seen
        source = source_of(url, ref="main", git=git, timeout=20.0)
        before = await source.snapshot()
        write(repository, {"new": "1"})
        user_git(repository, "add", ".")
        user_git(repository, "commit", "-q", "-m", "second")
        after = await source.snapshot()
        assert user_git(repository, "rev-parse", "HEAD") == after.revision.commit
        tagged = (await source.snapshot(ref="v1")).revision
        assert (before.revision.commit, "v1") == (tagged.commit, tagged.ref)
        assert after == await source.snapshot()


async def test_a_fetch_is_bounded(git: Git, repository: Path) -> None:
    """A remote that sends more than it may, or nothing at all, is left, and the error says why."""
    write(repository, {"large": os.urandom(3_000_000)})
    user_git(repository, "add", ".")
    user_git(repository, "commit", "-q", "-m", "large")
    with git_daemon(repository.parent) as port:
        url = f"git://127.0.0.1:{port}/data"
        small = source_of(url, ref="", git=git, timeout=20.0, largest=1_000_000)
        with pytest.raises(SourceError, match="larger than 1000000 bytes"):
            await small.snapshot()
        assert (await source_of(url, ref="", git=git, timeout=20.0).snapshot()).revision.commit
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"git://127.0.0.1:{silent.getsockname()[1]}/data"
        with pytest.raises(UnavailableError, match=r"longer than 0\.5 s"):
            await source_of(url, ref="", git=git, timeout=0.5).snapshot()


async def test_no_submodule_is_fetched(git: Git, repository: Path, tmp_path: Path) -> None:
    """A submodule that a remote names is neither fetched nor looked at."""
    inner = repository_at(tmp_path / "inner")
    user_git(
        repository, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "sub2"
    )
    user_git(repository, "commit", "-q", "-m", "a submodule")
    with git_daemon(repository.parent) as port:
        source = source_of(f"git://127.0.0.1:{port}/data", ref="", git=git, timeout=20.0)
        await source.snapshot()
    assert not (git.directory / "modules").exists()
    inner_commit = user_git(inner, "rev-parse", "HEAD")
    known = await git.run("cat-file", "-e", inner_commit, accept=(0, 1, 128))
    assert b"" == known


async def test_secrets_stay_secret(
    git: Git, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password reaches its host alone: no argument of a process, no message, no revision."""
    arguments: list[str] = []
    start = git.start

    async def noting(*given: str, **options: Any) -> Any:
        arguments.extend(given)
        return await start(*given, **options)

    monkeypatch.setattr(git, "start", noting)
    with forge(tmp_path, root=repository.parent) as (port, seen):
        quoted = urllib.parse.quote(SECRET, safe="")
        good = source_of(f"https://me:{quoted}@127.0.0.1:{port}/data", ref="", git=git, timeout=20)
        revision = (await good.snapshot()).revision
        bad = source_of(f"https://me:{quoted}x@127.0.0.1:{port}/data", ref="v", git=git, timeout=20)
        with pytest.raises(SourceError) as caught:
            await bad.snapshot()
    assert user_git(repository, "rev-parse", "HEAD") == revision.commit
    assert f"https://127.0.0.1:{port}/data" == revision.source
    assert any(authorization for _, authorization in seen.seen)
    for text in (*arguments, caught.value.message, str(revision)):
        assert SECRET not in text
        assert quoted not in text


@pytest.mark.parametrize(
    "target",
    [
        "https://127.0.0.1:{port}/data/info/refs?service=git-upload-pack",
        "http://127.0.0.1:{port}/data",
        "git://127.0.0.1:{port}/data",
        "file:///etc/passwd",
        "ext::sh -c 'touch x'",
    ],
)
async def test_redirections_are_not_followed(
    git: Git, repository: Path, tmp_path: Path, target: str
) -> None:
    """A remote cannot send us elsewhere, into our own network for example; the error says so."""
    with (
        forge(tmp_path, root=repository.parent) as (elsewhere, missed),
        forge(tmp_path, root=tmp_path, redirect=target.format(port=elsewhere)) as (port, _),
    ):
        source = source_of(f"https://127.0.0.1:{port}/data", ref="", git=git, timeout=20.0)
        with pytest.raises(SourceError, match="redirections are not followed"):
            await source.snapshot()
    assert [] == missed.seen


async def test_what_a_remote_says_is_cut(git: Git, tmp_path: Path) -> None:
    """Long answers and terminal codes of a remote do not reach logs and pages."""
    said = "\x1b[31m" + "x" * 100_000
    message = f"ERR {said}"
    line = f"{len(message) % 65000 + 4:04x}{message[: len(message) % 65000]}".encode()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(line)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        port = server.getsockname()[1]
        source = source_of(f"git://127.0.0.1:{port}/data", ref="", git=git, timeout=20.0)
        with pytest.raises((SourceError, UnavailableError)) as caught:
            await source.snapshot()
        thread.join(10)
    assert caught.value.message.isprintable()
    assert 1200 > len(caught.value.message)
