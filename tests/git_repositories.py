"""Git repositories of users for tests, and what the catalog reads from them."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from services.catalog.domain.entities import SUBMODULE_MODE
from services.catalog.source_ports import Snapshot
from services.catalog.sources.git import Git
from services.catalog.sources.local import source_of
from services.catalog.sources.objects import GitObjects

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


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Writes files below a folder, with the folders that they need."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def repository_at(folder: Path) -> Path:
    """Makes a committed repository with an ignored file that is tracked nevertheless."""
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


async def store_at(folder: Path) -> Git:
    """Opens our own store, empty."""
    store = Git(folder)
    await store.open()
    return store


async def snapshot_of(git: Git, folder: Path | str, *, ref: str = "") -> Snapshot:
    """What the catalog reads from a source at this moment."""
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
