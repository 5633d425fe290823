"""Look-ups in our own object store: few processes, which may be killed at any time."""

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.catalog.domain.entities import DIRECTORY_MODE, TreeChange
from services.catalog.sources.git import Git, is_safe, parse_changes
from services.catalog.sources.objects import GitObjects
from services.errors import InvalidArgumentError, NotFoundError
from tests.git_repositories import repository_at, snapshot_of, store_at, user_git, write


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A committed repository."""
    return repository_at(tmp_path / "data")


@pytest.fixture
async def git(tmp_path: Path) -> Git:
    """Our own store, empty."""
    return await store_at(tmp_path / "state")


@pytest.fixture
async def objects(git: Git) -> AsyncIterator[GitObjects]:
    """What reads it."""
    found = GitObjects(git)
    yield found
    await found.close()


class Counted(Git):
    """Counts the processes that it starts."""

    started: int = 0

    async def start(self, *arguments: str, **options: Any) -> Process:
        self.started += 1
        return await super().start(*arguments, **options)


async def test_what_git_lists(git: Git, objects: GitObjects, repository: Path) -> None:
    """Entries of a tree are those that git lists, in its order, with sizes."""
    write(repository, {"a.b/x": "1", "a/x": "22", "a0/x": "333", "models/ü ö": ""})
    user_git(repository, "add", ".")
    user_git(repository, "commit", "-q", "-m", "more")
    tree = (await snapshot_of(git, repository, ref="main")).revision.tree
    entries = await objects.entries(tree)
    listing = await git.run("ls-tree", "-r", "-t", "-z", tree)
    kinds = {DIRECTORY_MODE: "tree"}
    assert listing.decode().split("\0")[:-1] == [
        f"{one.mode:06o} {kinds.get(one.mode, 'blob')} {one.id}\t{one.path}" for one in entries
    ]
    sizes = {one.path: one.size for one in entries if one.mode != DIRECTORY_MODE}
    assert (1, 2, 3, 0) == tuple(sizes[path] for path in ("a.b/x", "a/x", "a0/x", "models/ü ö"))
    files = [one.path for one in entries if one.mode != DIRECTORY_MODE]
    assert {tree: files} == await asyncio.to_thread(objects.listings, [tree])


async def test_look_ups_share_processes(tmp_path: Path, git: Git, repository: Path) -> None:
    """The first look-up starts two processes, and later ones none."""
    tree = (await snapshot_of(git, repository)).revision.tree
    counted = Counted(tmp_path / "state")
    objects = GitObjects(counted)
    entries = await objects.entries(tree)
    assert 2 == counted.started
    for _ in range(5):
        assert entries == await objects.entries(tree)
        blobs = [entry.id for entry in entries if entry.mode != DIRECTORY_MODE]
        assert len(set(blobs)) == len(await objects.blobs(blobs, limit=10))
        assert [blobs[0]] == [id_ async for id_, _ in objects.stream(blobs[:1], chunk=100)]
    assert 2 == counted.started
    await objects.close()


async def test_killed_processes_are_replaced(
    git: Git, objects: GitObjects, repository: Path
) -> None:
    """Whoever kills a waiting process disturbs nobody."""
    tree = (await snapshot_of(git, repository)).revision.tree
    entries = await objects.entries(tree)
    for pool in (objects._contents, objects._headers):
        for process in pool._idle:
            os.kill(process.pid, signal.SIGKILL)
    assert entries == await objects.entries(tree)
    for process in objects._contents._idle:
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
    blob = next(entry for entry in entries if entry.path == "sub/folder/file.txt")
    assert [b"deep\n"] == [one.data async for _, one in objects.stream([blob.id], chunk=100)]


async def test_a_killed_process_of_worker_threads_is_replaced(
    git: Git, objects: GitObjects, repository: Path
) -> None:
    """Reading a few objects in a thread works again after a kill, without anybody's doing."""
    tree = (await snapshot_of(git, repository)).revision.tree
    before = await asyncio.to_thread(objects.listings, [tree])
    process = objects._few._process
    assert process is not None
    process.kill()
    process.wait()
    assert before == await asyncio.to_thread(objects.listings, [tree])
    assert process is not objects._few._process
    ids = [entry.id for entry in await objects.entries(tree) if entry.mode != DIRECTORY_MODE]
    contents = dict(objects.read(ids, limit=3))
    assert len(set(ids)) == len(contents)
    assert all(len(content) <= 4 for content in contents.values())


async def test_new_objects_are_seen(git: Git, objects: GitObjects, repository: Path) -> None:
    """Kept processes find what came later, one by one or as a pack."""
    first = (await snapshot_of(git, repository, ref="main")).revision.tree
    before = await objects.entries(first)
    for count in (1, 1200):
        write(repository, {f"more{count}/{number}": f"{number}" for number in range(count)})
        user_git(repository, "add", ".")
        user_git(repository, "commit", "-q", "-m", "more")
        tree = (await snapshot_of(git, repository, ref="main")).revision.tree
        entries = await objects.entries(tree)
        assert len(before) + count + 1 == len(entries)
        assert all(entry.size >= 0 for entry in entries)
        before = entries


async def test_a_reader_that_leaves(git: Git, objects: GitObjects, repository: Path) -> None:
    """Whoever stops in the middle of a file leaves nothing behind for the next one."""
    write(repository, {"large": "x" * 3_000_000})
    tree = (await snapshot_of(git, repository)).revision.tree
    ids = {entry.path: entry.id for entry in await objects.entries(tree)}
    stream = objects.stream([ids["large"]], chunk=10)
    assert b"x" * 10 == (await anext(stream))[1].data
    await stream.aclose()  # type: ignore[attr-defined]  # an async generator
    assert {ids["large"]: b"x" * 6} == await objects.blobs([ids["large"]], limit=5)


async def test_many_at_once(git: Git, objects: GitObjects, repository: Path) -> None:
    """Readers that overlap get each their own."""
    tree = (await snapshot_of(git, repository)).revision.tree
    expected = await objects.entries(tree)
    found = await asyncio.gather(*(objects.entries(tree) for _ in range(20)))
    assert [expected] * 20 == found


async def test_changes(git: Git, objects: GitObjects, repository: Path) -> None:
    """Differences are by path, folders included, and renames are a loss and a gain."""
    first = (await snapshot_of(git, repository, ref="main")).revision.tree
    user_git(repository, "mv", "models/a", "models/b")
    user_git(repository, "commit", "-q", "-m", "moved")
    second = (await snapshot_of(git, repository, ref="main")).revision.tree
    changes = await objects.changes(first, second)
    assert [
        ("models", True, True),
        ("models/a", True, False),
        ("models/a/metadata.yml", True, False),
        ("models/a/model.py", True, False),
        ("models/b", False, True),
        ("models/b/metadata.yml", False, True),
        ("models/b/model.py", False, True),
    ] == sorted((change.path, bool(change.old_mode), bool(change.mode)) for change in changes)
    assert [] == await objects.changes(second, second)
    everything = await objects.changes("", second)
    assert {entry.path for entry in await objects.entries(second)} == {
        change.path for change in everything
    }


async def test_what_is_not_there(objects: GitObjects) -> None:
    """Trees that the store lacks are named; what is no id is refused."""
    lost = "1" * 40
    with pytest.raises(NotFoundError, match=lost):
        await objects.entries(lost)
    with pytest.raises(NotFoundError, match=lost):
        await objects.changes("", lost)
    with pytest.raises(NotFoundError, match=lost):
        await asyncio.to_thread(objects.listings, [lost])
    with pytest.raises(InvalidArgumentError):
        await objects.entries("--help")
    assert [] == list(objects.read([lost], limit=10))


@pytest.mark.parametrize("path", ["../x", "a/../b", ".git/x", "a/.GIT", "a//b", "/a", "./a", "a/."])
def test_paths_that_would_leave(path: str) -> None:
    """They are never told of."""
    assert not is_safe(path.encode())
    line = f":000000 100644 {'0' * 40} {'1' * 40} A\0"
    found = parse_changes(f"{line}{path}\0{line}good\0".encode())
    assert [TreeChange("good", 0, "0" * 40, 0o100644, "1" * 40)] == found


@pytest.mark.parametrize("path", ["a/.gitignore", ".x", "a..b", "a/...", "x.git", "ü"])
def test_paths_that_stay(path: str) -> None:
    """Names that only look like them are fine."""
    assert is_safe(path.encode())
